//! Turning a machine into a router without costing it its own IPv6.

use super::{Sysctl, SysctlError, SysctlHold, SysctlLedger};

/// What [`enable_forwarding`] did.
#[derive(Debug)]
pub struct Forwarding {
    /// To be released when the gateway stops.
    pub hold: SysctlHold,
    /// This kernel has no IPv6, so that none is forwarded.
    pub ipv6_missing: bool,
}

/// Makes the machine forward IPv4 and, with `ipv6`, IPv6.
///
/// A machine that forwards IPv6 stops heeding router advertisements, and where its own address and
/// default route come from those, it is cut off when they run out. So `uplink`, the interface of
/// the IPv6 default route, is told to heed them all the same if it did until then.
pub fn enable_forwarding(
    ledger: &SysctlLedger,
    ipv6: bool,
    uplink: Option<&str>,
) -> Result<Forwarding, SysctlError> {
    let ipv6_missing = matches!(Sysctl::Ipv6Forward.read(), Err(SysctlError::Missing { .. }));
    let mut wanted = vec![(Sysctl::Ipv4Forward, "1")];
    if ipv6 && !ipv6_missing {
        if let Some(uplink) = uplink {
            let heed = Sysctl::AcceptRouterAdvertisements(uplink.to_owned());
            // 2 is what a gateway that was killed or that still runs made of 1.
            if ["1", "2"].contains(&heed.read()?.as_str()) {
                wanted.push((heed, "2"));
            }
        }
        wanted.push((Sysctl::Ipv6Forward, "1"));
    }
    Ok(Forwarding { hold: ledger.set(&wanted)?, ipv6_missing: ipv6 && ipv6_missing })
}
