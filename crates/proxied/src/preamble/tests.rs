use super::*;

fn addresses(client: &str, server: &str) -> Option<Addresses> {
    Some(Addresses { client: client.parse().unwrap(), server: server.parse().unwrap() })
}

fn said() -> Preamble {
    Preamble {
        addresses: addresses("192.0.2.7:4000", "198.51.100.1:443"),
        server_name: Some("www.example.com".into()),
        protocol: Some(b"h2".to_vec()),
        secured: Some(Secured {
            version: "TLSv1.3".into(),
            cipher: Some("TLS_AES_128_GCM_SHA256".into()),
            certificate: true,
            verified: true,
            common_name: Some("alice.laptop".into()),
        }),
    }
}

#[test]
fn what_is_written_is_read_again_however_it_is_cut() {
    let six = addresses("[2001:db8::7]:4000", "[2001:db8::1]:443");
    let bare = |addresses| Preamble { addresses, ..Preamble::default() };
    for (octets, preamble) in [
        (said().to_v2().unwrap(), said()),
        (said().to_v1().unwrap(), bare(said().addresses)),
        (bare(six).to_v1().unwrap(), bare(six)),
        (bare(six).to_v2().unwrap(), bare(six)),
        (bare(None).to_v1().unwrap(), bare(None)),
        (bare(None).to_v2().unwrap(), bare(None)),
    ] {
        for cut in 0..octets.len() {
            let Ok(Progress::Partial(more)) = Preamble::read(&octets[..cut]) else {
                panic!("{cut} of {octets:?}");
            };
            assert!(more > 0 && cut + more <= octets.len(), "{more} behind {cut} of {octets:?}");
        }
        let whole = Progress::Whole(preamble, octets.len());
        assert_eq!(Preamble::read(&octets), Ok(whole.clone()));
        let more = [&octets[..], b"\x16\x03\x01"].concat();
        assert_eq!(Preamble::read(&more), Ok(whole), "what follows is the connection's");
        assert!(says_proxied(&octets));
    }
}

#[test]
fn version_1_is_written_as_its_description_has_it() {
    let octets = said().to_v1().unwrap();
    assert_eq!(octets, b"PROXY TCP4 192.0.2.7 198.51.100.1 4000 443\r\n");
    let mapped = addresses("[::ffff:192.0.2.7]:4000", "198.51.100.1:443");
    let mapped = Preamble { addresses: mapped, ..Preamble::default() };
    assert_eq!(mapped.to_v1().unwrap(), octets);
    let mixed = addresses("[2001:db8::7]:4000", "198.51.100.1:443");
    let mixed = Preamble { addresses: mixed, ..Preamble::default() };
    assert_eq!(mixed.to_v1(), Err(NotWritten::MixedAddresses));
    assert_eq!(mixed.to_v2(), Err(NotWritten::MixedAddresses));
}

#[test]
fn other_beginnings_are_told_at_once_and_malformed_ones_when_they_are() {
    for other in [
        &b"\x16\x03\x01"[..],
        b"GET / HTTP/1.1\r\n",
        b"\0\0\0\x08\x04\xd2\x16\x2f",
        b"POST /",
        b"\r\n\r\nx",
    ] {
        assert_eq!(Preamble::read(other), Err(NotProxied::Missing), "{other:?}");
        assert!(!says_proxied(other));
    }
    for wrong in [
        &b"PROXY TCP4 192.0.2.7 198.51.100.1 4000 x\r\n"[..],
        b"PROXY TCP4 2001:db8::1 198.51.100.1 4000 443\r\n",
        b"PROXY UDP4 192.0.2.7 198.51.100.1 4000 443\r\n",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 4000 443\rx",
        b"PROXY TCP4 192.0.2.7 198.51.100.1 4000 65536\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\x31\x11\0\x0c",
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x01\0",
    ] {
        assert_eq!(Preamble::read(wrong), Err(NotProxied::Malformed), "{wrong:?}");
    }
    let endless = [V1, &[b'1'; 200]].concat();
    assert_eq!(Preamble::read(&endless), Err(NotProxied::Malformed));
    let stretched = [b"PROXY UNKNOWN ", &[b'a'; 100][..], b"\r\n"].concat();
    assert_eq!(Preamble::read(&stretched), Err(NotProxied::TooLong));
    let long = [V2, b"\x21\x11\xff\xff"].concat();
    assert_eq!(Preamble::read(&long), Err(NotProxied::TooLong));
    let datagrams = [V2, b"\x21\x12\0\x0c", &[1; 12]].concat();
    assert_eq!(Preamble::read(&datagrams), Err(NotProxied::Datagrams));
    let cut_field = [V2, b"\x21\x11\0\x0f", &[1; 12], b"\x02\0\x09"].concat();
    assert_eq!(Preamble::read(&cut_field), Err(NotProxied::Malformed));
}

#[test]
fn a_checksum_is_checked_where_there_is_one() {
    let field = [&[1; 12][..], b"\x02\0\x01a", b"\x03\0\x04\0\0\0\0", b"\x02\0\x01b"].concat();
    let blank = [V2, b"\x21\x11\0", &[u8::try_from(field.len()).unwrap()], &field].concat();
    let at = V2.len() + 4 + 12 + 4 + 3;
    let mut right = blank.clone();
    right[at..at + 4].copy_from_slice(&crc32c::crc32c(&blank).to_be_bytes());
    assert!(matches!(Preamble::read(&right), Ok(Progress::Whole(_, used)) if used == right.len()));
    right[V2.len() + 4] ^= 1;
    assert_eq!(Preamble::read(&right), Err(NotProxied::Checksum));
    assert_eq!(Preamble::read(&blank), Err(NotProxied::Checksum));
}

#[test]
fn health_checks_speak_for_the_proxy_itself() {
    let local = [V2, b"\x20\0\0\0"].concat();
    assert_eq!(Preamble::read(&local), Ok(Progress::Whole(Preamble::default(), 16)));
    let forged = [V2, b"\x20\0\0\x0a", b"\x20\0\x07", &[7, 0, 0, 0, 0], b"\x21\0"].concat();
    assert_eq!(
        Preamble::read(&forged),
        Ok(Progress::Whole(Preamble::default(), forged.len())),
        "of a check of its own it says nothing of TLS"
    );
    let unknown = b"PROXY UNKNOWN ffff:: ffff:: 65535 65535\r\n";
    assert_eq!(Preamble::read(unknown), Ok(Progress::Whole(Preamble::default(), unknown.len())));
}

#[test]
fn nobody_is_verified_without_a_certificate() {
    let mut without = said();
    without.secured.as_mut().unwrap().certificate = false;
    let Ok(Progress::Whole(read, _)) = Preamble::read(&without.to_v2().unwrap()) else {
        panic!("it is one");
    };
    assert!(!read.secured.unwrap().verified);
}

#[test]
fn names_that_fill_it_are_not_written() {
    for length in [LONGEST, 70_000] {
        let long = Preamble { server_name: Some("a".repeat(length)), ..said() };
        assert_eq!(long.to_v2(), Err(NotWritten::TooLong));
    }
}
