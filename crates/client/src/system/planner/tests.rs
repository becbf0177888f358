//! Pushes and what they ask of a machine.

use std::net::{IpAddr, Ipv4Addr};

use sysio::{DomainName, Network};
use wire::push::PushOption;

use crate::Warning;
use crate::profile::Filter;
use crate::system::plan::{Outside, Plan, PlanError, RouteChange, TunnelAddress, Wishes};

#[test]
fn a_plain_push_gives_addresses_and_no_routes() {
    let (plan, warnings) = plan(&[
        "topology subnet",
        "ifconfig 10.71.0.5 255.255.0.0",
        "ifconfig-ipv6 fd00::5/64 fd00::1",
        "tun-mtu 1400",
    ]);
    assert_eq!(plan.mtu, 1400);
    assert_eq!(
        plan.addresses,
        [
            TunnelAddress { address: ip("10.71.0.5"), bits: 16, peer: None },
            TunnelAddress { address: ip("fd00::5"), bits: 64, peer: None },
        ]
    );
    assert!(plan.routes.is_empty() && !plan.past_tunnel && plan.dns.is_none());
    assert!(warnings.is_empty());
}

#[test]
fn without_a_topology_the_second_address_is_the_other_end() {
    let (plan, _) = plan(&["ifconfig 10.8.0.6 10.8.0.5"]);
    let peer = Some(Ipv4Addr::new(10, 8, 0, 5));
    assert_eq!(plan.addresses, [TunnelAddress { address: ip("10.8.0.6"), bits: 32, peer }]);
}

#[test]
fn redirect_gateway_makes_halves_and_keeps_the_server_outside() {
    let (plan, _) = plan(&[SUBNET[0], SUBNET[1], "redirect-gateway def1 ipv6"]);
    assert_eq!(
        networks(&plan),
        ["0.0.0.0/1", "128.0.0.0/1", "::/3", "2000::/4", "3000::/4", "fc00::/7"]
    );
    assert!(plan.past_tunnel);
}

#[test]
fn without_an_inner_ipv6_address_redirected_traffic_takes_ipv6_along_to_its_end() {
    let all_v6 = ["::/3", "2000::/4", "3000::/4", "fc00::/7"];
    let six = |plan: &Plan| {
        let all = networks(plan).into_iter();
        all.filter(|network| network.contains(':')).collect::<Vec<_>>()
    };
    let (alone, _) = plan(&[SUBNET[0], SUBNET[1], "redirect-gateway def1"]);
    assert!(alone.block_ipv6 && six(&alone) == all_v6, "{alone:?}");
    let (asked, _) = plan(&[SUBNET[0], SUBNET[1], "redirect-gateway def1", "block-ipv6"]);
    assert!(asked.block_ipv6 && six(&asked) == all_v6, "{asked:?}");
    let inside = "ifconfig-ipv6 fd00::5/64 fd00::1";
    let (inside, _) = plan(&[SUBNET[0], SUBNET[1], inside, "redirect-gateway def1"]);
    assert!(!inside.block_ipv6 && six(&inside).is_empty(), "{inside:?}");
    let (split, _) = plan(&[SUBNET[0], SUBNET[1], "route 10.9.0.0 255.255.0.0"]);
    assert!(!split.block_ipv6 && six(&split).is_empty(), "{split:?}");
    let (only_six, _) = plan(&[SUBNET[0], SUBNET[1], "redirect-gateway !ipv4 def1"]);
    assert!(!only_six.block_ipv6, "{only_six:?}");
}

#[test]
fn a_profile_may_let_ipv6_leave_beside_the_tunnel() {
    let pushed = options(&[SUBNET[0], SUBNET[1], "redirect-gateway def1", "block-ipv6"]);
    let filters = [Filter { prefix: "block-ipv6".into(), accept: false }];
    let wishes = Wishes { filters: &filters, ..wishes(&pushed) };
    let (plan, _) = Plan::make(wishes, outside()).unwrap();
    assert!(!plan.block_ipv6 && networks(&plan) == ["0.0.0.0/1", "128.0.0.0/1"], "{plan:?}");
}

#[test]
fn a_pushed_route_that_would_catch_the_server_keeps_it_outside_too() {
    let (caught, _) = plan(&[SUBNET[0], SUBNET[1], "route 203.0.113.0 255.255.255.0"]);
    assert!(caught.past_tunnel);
    let (elsewhere, _) = plan(&[SUBNET[0], SUBNET[1], "route 10.99.0.0 255.255.255.0"]);
    assert!(!elsewhere.past_tunnel);
    let (local, _) = plan(&[SUBNET[0], SUBNET[1], "redirect-gateway def1 local"]);
    assert!(!local.past_tunnel);
}

#[test]
fn route_keywords_mean_the_world_outside() {
    let (plan, _) = plan(&[
        SUBNET[0],
        SUBNET[1],
        "route-metric 7",
        "route 10.1.0.0 255.255.0.0 vpn_gateway 3",
        "route 10.2.0.0 255.255.0.0",
        "route 10.3.0.0 255.255.0.0 net_gateway",
        "route-ipv6 fd99::/64",
    ]);
    let tunnel = |network: &str, metric| RouteChange::Tunnel { network: net(network), metric };
    let gateway = Ipv4Addr::new(192, 0, 2, 1);
    assert_eq!(
        plan.routes,
        [
            tunnel("10.1.0.0/16", Some(3)),
            tunnel("10.2.0.0/16", Some(7)),
            RouteChange::Outside { network: net("10.3.0.0/16"), gateway, metric: None },
            tunnel("fd99::/64", Some(7)),
        ]
    );
}

#[test]
fn dns_options_count_before_dhcp_options_and_the_lowest_number_wins() {
    let (plan, _) = plan(&[
        SUBNET[0],
        SUBNET[1],
        "dhcp-option DNS 10.0.0.1",
        "dns search-domains corp.example",
        "dns server 5 address 10.0.0.5",
        "dns server 2 address 10.0.0.2 [fd00::2]:53",
        "dns server 1 address 10.0.0.9",
        "dns server 1 transport DoT",
    ]);
    let dns = plan.dns.unwrap();
    assert_eq!(dns.servers, [ip("10.0.0.2"), ip("fd00::2")]);
    assert_eq!(dns.domains, [DomainName::new("corp.example").unwrap()]);
    assert!(dns.all_names);
}

#[test]
fn a_server_for_some_domains_is_asked_about_those_only() {
    let (plan, _) = plan(&[
        SUBNET[0],
        SUBNET[1],
        "dns server 0 address 10.0.0.2",
        "dns server 0 resolve-domains corp.example",
    ]);
    assert!(!plan.dns.unwrap().all_names);
}

#[test]
fn dhcp_options_alone_name_servers_and_domains() {
    let (plan, _) =
        plan(&[SUBNET[0], SUBNET[1], "dhcp-option DNS 10.0.0.1", "dhcp-option DOMAIN x.example"]);
    let dns = plan.dns.unwrap();
    assert_eq!((dns.servers.len(), dns.domains.len(), dns.all_names), (1, 1, true));
}

#[test]
fn the_profile_may_turn_pushed_options_away() {
    let pushed = options(&[SUBNET[0], SUBNET[1], "redirect-gateway def1", "route 10.9.0.0"]);
    let mut wishes = wishes(&pushed);
    wishes.route_nopull = true;
    assert!(Plan::make(wishes, outside()).unwrap().0.routes.is_empty());
    let filters = [Filter { prefix: "redirect".into(), accept: false }];
    let wishes = Wishes { filters: &filters, route_nopull: false, ..wishes };
    assert_eq!(networks(&Plan::make(wishes, outside()).unwrap().0), ["10.9.0.0/32"]);
}

#[test]
fn an_unusable_push_is_an_error_and_an_unknown_option_a_warning() {
    let none = options(&["ping 10"]);
    assert_eq!(Plan::make(wishes(&none), outside()), Err(PlanError::NoAddress));
    let holes = options(&["topology subnet", "ifconfig 10.0.0.1 255.0.255.0"]);
    let mask = Ipv4Addr::new(255, 0, 255, 0);
    assert_eq!(Plan::make(wishes(&holes), outside()), Err(PlanError::BadNetmask(mask)));
    let (_, warnings) = plan(&[SUBNET[0], SUBNET[1], "up /bin/sh"]);
    assert!(
        matches!(&warnings[..], [Warning::OptionIgnored { option, .. }] if option == "up /bin/sh")
    );
}

const SUBNET: [&str; 2] = ["topology subnet", "ifconfig 10.71.0.5 255.255.0.0"];

fn plan(texts: &[&str]) -> (Plan, Vec<Warning>) {
    Plan::make(wishes(&options(texts)), outside()).unwrap()
}

fn wishes(pushed: &[PushOption]) -> Wishes<'_> {
    Wishes { own: &[], pushed, filters: &[], route_nopull: false, tun_mtu: 1500 }
}

fn outside() -> Outside {
    let gateway = Some(Ipv4Addr::new(192, 0, 2, 1));
    Outside { server: Some(ip("203.0.113.2")), gateway }
}

fn options(texts: &[&str]) -> Vec<PushOption> {
    texts.iter().map(|text| PushOption::parse(text).unwrap()).collect()
}

fn networks(plan: &Plan) -> Vec<String> {
    plan.routes.iter().map(|route| route.network().to_string()).collect()
}

fn net(text: &str) -> Network {
    let (address, bits) = text.split_once('/').unwrap();
    Network::new(ip(address), bits.parse().unwrap()).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}
