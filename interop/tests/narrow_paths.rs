//! A path with a narrow link in its middle whose routers tell nobody: pages still load, both ways.
//!
//! ```text
//!    client ── its router ══ 1,400 bytes, ICMP filtered ══ router ── gateway
//! ```

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread::spawn;
use std::time::Duration;

use interop::{Own, Stock, Subscriber, World};
use sysio::lab::Host;

const BOTH: (&str, &str) = ("vpn.listen", r#"["udp:[::]:1194", "tcp:[::]:1194"]"#);

#[test]
fn a_stock_client_loads_and_posts_pages_over_udp() {
    let name = "a_stock_client_loads_and_posts_pages_over_udp";
    let Some((world, alice, _front)) = narrow(name) else { return };
    for address in addresses(&world) {
        let mut client = Stock::start(&alice.host, &alice.profile_to(&address), &["--mssfix", "0"]);
        client.connected();
        pages_pass(&world, &alice.host, &address);
        client.0.signal("TERM");
        client.0.ends(Duration::from_secs(5));
    }
}

#[test]
fn a_stock_client_loads_and_posts_pages_over_tcp() {
    let name = "a_stock_client_loads_and_posts_pages_over_tcp";
    let Some((world, alice, _front)) = narrow(name) else { return };
    for address in addresses(&world) {
        let mut client = Stock::start(&alice.host, &alice.profile_over_tcp(&address), &[]);
        client.connected();
        pages_pass(&world, &alice.host, &address);
        client.0.signal("TERM");
        client.0.ends(Duration::from_secs(5));
    }
}

#[test]
fn our_client_loads_and_posts_pages_over_udp() {
    let name = "our_client_loads_and_posts_pages_over_udp";
    let Some((world, alice, _front)) = narrow(name) else { return };
    for address in addresses(&world) {
        ours_passes(&world, &alice, &alice.profile_to(&address), &address);
    }
}

#[test]
fn our_client_loads_and_posts_pages_over_tcp() {
    let name = "our_client_loads_and_posts_pages_over_tcp";
    let Some((world, alice, _front)) = narrow(name) else { return };
    for address in addresses(&world) {
        ours_passes(&world, &alice, &alice.profile_over_tcp(&address), &address);
    }
}

fn narrow(name: &str) -> Option<(World, Subscriber, Host)> {
    let mut world = World::start(name, &[BOTH])?;
    let mut alice = world.subscriber("alice", "unified");
    let (host, front) = world.host_behind_a_narrow_link(1400);
    alice.host = host;
    Some((world, alice, front))
}

fn addresses(world: &World) -> [String; 2] {
    [world.gateway.v4[0].to_string(), world.gateway.v6[0].to_string()]
}

fn ours_passes(world: &World, alice: &Subscriber, profile: &std::path::Path, address: &str) {
    let mut client = Own::start(&alice.host, profile);
    client.connected();
    pages_pass(world, &alice.host, address);
    client.0.signal("TERM");
    client.0.ends(Duration::from_secs(5));
}

/// A page of the gateway's is loaded, and one as large is posted to it, through the tunnel.
fn pages_pass(world: &World, client: &Host, by: &str) {
    let listen = || TcpListener::bind("10.71.0.1:0");
    let listener = world.gateway.netns.run(listen).expect("a thread").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let server = spawn(move || serve(&listener));
    let loaded = client.netns.run(|| load_and_post(address)).expect("a thread");
    assert_eq!(loaded.expect("the page comes"), PAGE, "down, by {by}");
    let posted = server.join().expect("no panic");
    assert_eq!(posted.expect("the page is posted"), PAGE, "up, by {by}");
}

fn serve(listener: &TcpListener) -> io::Result<usize> {
    let (mut stream, _) = listener.accept()?;
    stream.set_write_timeout(Some(STALLED))?;
    stream.set_read_timeout(Some(STALLED))?;
    stream.write_all(&vec![7; PAGE])?;
    let mut posted = vec![0; PAGE];
    stream.read_exact(&mut posted)?;
    Ok(posted.len())
}

fn load_and_post(address: SocketAddr) -> io::Result<usize> {
    let mut stream = TcpStream::connect_timeout(&address, STALLED)?;
    stream.set_write_timeout(Some(STALLED))?;
    stream.set_read_timeout(Some(STALLED))?;
    let mut page = vec![0; PAGE];
    stream.read_exact(&mut page)?;
    stream.write_all(&page)?;
    Ok(page.len())
}

const PAGE: usize = 200_000;
/// Longer than a few lost packets, shorter than a black hole.
const STALLED: Duration = Duration::from_secs(10);
