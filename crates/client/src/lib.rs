//! The VPN client: a profile, a connection that comes back by itself, and this machine's settings.
//!
//! The crate exists to compose: `wire::config` reads the grammar, `pki` checks certificates, `ask` asks
//! whether they still hold, `engine` runs a connection, `sysio` talks to the kernel. What is decided here is which server is tried when
//! ([`run`]), and what of a server's wishes becomes an address, a route or a name server
//! ([`Plan`]). No script is ever run and nothing pushed reaches a shell or a file as text.
//!
//! How it degrades: name servers that can't be set, a route that exists already or IPv6 that is off
//! are warnings; a connection that ends is made again, for as long as that can help.
//!
//! One invariant: whatever is changed on this machine is undone at the end, and what would outlive a
//! killed client is on record before it is done.

mod attempt;
mod claim;
mod connection;
pub mod echo;
mod error;
mod events;
mod look;
mod names;
mod profile;
mod retry;
mod rounds;
mod settings;
mod signals;
mod standing;
mod statistics;
mod system;
mod target;
mod tunnel_config;

pub use error::{ClientError, ErrorKind};
pub use events::{Connected, EndedBy, Progress, Warning};
pub use look::{Declined, Echo, HungUp, Look, LookError, Looked, Watched};
pub use profile::{
    Family, MssLimit, NotYet, Profile, ProfileError, ProfileErrorKind, Remote, TunName,
};
pub use rounds::run;
pub use settings::{ConnectSettings, Revocation};
pub use signals::{Asks, stop_signal};
pub use statistics::Statistics;
pub use system::{
    NameServers, Outside, Plan, PlanError, RouteChange, SystemError, TunnelAddress,
    default_state_folder, mend,
};
pub use tunnel_config::tunnel_config;
