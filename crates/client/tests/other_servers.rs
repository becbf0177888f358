//! Servers that want what our client does not do: it says so, instead of a tunnel that carries nothing.
//! The server is the stock `openvpn`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use client::{ClientError, ErrorKind};
use common::world::{SOON, World};

#[test]
fn a_server_that_frames_its_packets_for_compression_is_left_with_that_reason() {
    for (name, more) in [
        ("lzo-no", "comp-lzo no\n"),
        ("compress", "compress\n"),
        ("lz4", "allow-compression yes\ncompress lz4\npush \"compress lz4\"\n"),
        ("pushed", "comp-lzo no\npush \"comp-lzo no\"\n"),
    ] {
        let Some(world) = World::new(name) else { return };
        let server = world.serve(&world.authority.gateway(), more);
        let mut client = world.connect("203.0.113.2 1194");
        let error = client.result(SOON).expect("an end").unwrap_err();
        assert!(matches!(error, ClientError::Incompatible(_)), "{error}\n{}", server.log());
        assert!(error.to_string().contains("compression"), "{error}");
        assert_eq!(error.kind(), ErrorKind::Incompatible);
    }
}

#[test]
fn a_server_that_pushes_the_framing_that_adds_nothing_is_served() {
    let Some(world) = World::new("stub-v2") else { return };
    let more = "compress stub-v2\npush \"compress stub-v2\"\n";
    let server = world.serve(&world.authority.gateway(), more);
    let client = world.connect("203.0.113.2 1194");
    assert!(client.connected(), "{}", server.log());
    assert!(world.pings("10.8.0.1") && world.pings("fd00:8::1"), "{}", server.log());
    client.stop().unwrap();
}

#[test]
fn a_server_that_fragments_is_left_with_that_reason() {
    let Some(world) = World::new("fragment") else { return };
    let more = "fragment 1300\nmssfix 1300\n";
    let server = world.serve(&world.authority.gateway(), more);
    let mut client = world.connect("203.0.113.2 1194");
    let error = client.result(SOON).expect("an end").unwrap_err();
    assert!(matches!(error, ClientError::Incompatible(_)), "{error}\n{}", server.log());
    assert!(error.to_string().contains("fragment"), "{error}");
}

#[test]
fn a_server_that_is_a_bridge_is_left_with_that_reason() {
    let Some(world) = World::new("bridge") else { return };
    let server = world.serve(&world.authority.gateway(), "dev-type tap\n");
    let mut client = world.connect("203.0.113.2 1194");
    let error = client.result(SOON).expect("an end").unwrap_err();
    assert!(matches!(error, ClientError::Incompatible(_)), "{error}\n{}", server.log());
    assert!(error.to_string().contains("dev tap"), "{error}");
}

#[test]
fn a_server_without_a_cipher_of_ours_is_left_with_that_reason() {
    for (name, more) in [
        ("cbc", "data-ciphers AES-256-CBC\n"),
        ("cbc-and-others", "data-ciphers AES-128-CBC:AES-256-CBC\ncipher AES-256-CBC\n"),
    ] {
        let Some(world) = World::new(name) else { return };
        let server = world.serve(&world.authority.gateway(), more);
        let mut client = world.connect("203.0.113.2 1194");
        let error = client.result(SOON).expect("an end").unwrap_err();
        assert!(error.to_string().contains("cipher"), "{error}\n{}", server.log());
        assert_eq!(error.kind(), ErrorKind::Incompatible, "{error}");
        let hints = error.hints().join("\n");
        assert!(!hints.contains("revoked") && hints.contains("data-ciphers"), "{hints}");
    }
}

#[test]
fn a_server_that_wants_a_password_is_left_with_that_reason() {
    let Some(world) = World::new("password") else { return };
    for (more, name) in [
        ("script-security 3\nauth-user-pass-verify /bin/true via-env\n", "beside"),
        (
            "script-security 3\nauth-user-pass-verify /bin/true via-env\n\
             verify-client-cert none\n",
            "instead",
        ),
    ] {
        let server = world.serve(&world.authority.gateway(), more);
        let mut client =
            world.connect_with("203.0.113.2 1194", "hand-window 6\nconnect-retry-max 1\n");
        let error = client.result(SOON).expect("an end");
        let error = error.unwrap_err();
        println!("{name}: {error}\n{}", server.log());
        let text = format!("{error} {}", error.hints().join(" "));
        assert!(text.contains("password"), "{name}: {text}");
    }
}
