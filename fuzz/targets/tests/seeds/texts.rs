//! Texts as they really occur: profiles, pushes, peer info, settings, control lines.

use gateway::config::{FirstConfig, random_ula};

use super::seed;

pub(crate) fn write() {
    for (target, name, text) in TEXTS {
        seed(target, name, text);
    }
    let first = FirstConfig {
        names: vec!["vpn.example.com".parse().unwrap(), "192.0.2.1".parse().unwrap()],
        public_url: Some("http://vpn.example.com:8080".parse().unwrap()),
        network6: Some(random_ula([7; 8])),
        ..FirstConfig::default()
    };
    seed("gateway_config", "first-start", first.text());
}

const TEXTS: &[(&str, &str, &str)] = &[
    (
        "gateway_config",
        "odd",
        "[vpn]\nlisten = [\"udp://[::]:1194\"]\nnetwork = \"10.8.0.0/33\"\n[vpn.push]\nroutes = [\"192.168.0.0/16\", \"2001:db8::/32\"]\ndns = [\"10.8.0.1\"]\n",
    ),
    ("gateway_config", "unknown-key", "[public]\nname = 'x'\n"),
    (
        "gateway_control_line",
        "user-add",
        r#"{"version":1,"request":{"do":"user_add","name":"alice"}}"#,
    ),
    (
        "gateway_control_line",
        "device-add",
        r#"{"version":1,"request":{"do":"device_add","device":{"user":"alice","device":"phone"},"csr_pem":null}}"#,
    ),
    (
        "gateway_control_line",
        "events",
        r#"{"version":1,"request":{"do":"events","after":7,"limit":10,"wait_ms":100}}"#,
    ),
    (
        "gateway_control_line",
        "revoke",
        r#"{"version":1,"request":{"do":"device_revoke","device":{"user":"a","device":"b"},"reason":"key_compromise"}}"#,
    ),
    ("gateway_control_line", "reply", r#"{"Ok":{"kind":"users","answer":[]}}"#),
    (
        "gateway_control_line",
        "failure",
        r#"{"Err":{"kind":"not_found","message":"x","causes":[],"hints":[]}}"#,
    ),
    ("gateway_control_line", "name", "alice/phone"),
    ("wire_config", "profile", PROFILE),
    (
        "wire_config",
        "quotes",
        "setenv A \"a \\\"b\\\" c\"\nremote 'vpn.example.com' 1194 udp6\n; x\n",
    ),
    (
        "wire_config",
        "crlf",
        "\u{feff}client\r\ndev tun\r\n<tls-auth>\r\nx\r\n</tls-auth>\r\nkey-direction 1\r\n",
    ),
    (
        "wire_config",
        "connection",
        "<connection>\nremote a 1\n</connection>\n<connection>\nremote b 2 tcp\n</connection>\n",
    ),
    (
        "wire_peer_info",
        "stock",
        "IV_VER=2.6.14\nIV_PLAT=linux\nIV_TCPNL=1\nIV_MTU=1600\nIV_NCP=2\nIV_CIPHERS=AES-256-GCM:AES-128-GCM:CHACHA20-POLY1305\nIV_PROTO=990\nIV_LZO_STUB=1\n",
    ),
    (
        "wire_peer_info",
        "core3",
        "IV_VER=3.git::58b92569\nIV_PLAT=android\nIV_NCP=2\nIV_TCPNL=1\nIV_PROTO=30\nIV_CIPHERS=AES-128-CBC:AES-192-GCM:AES-256-GCM\nIV_GUI_VER=net.openvpn.connect_3.4\nIV_SSO=webauth,openurl\nUV_ID=7\n",
    ),
    (
        "wire_peer_info",
        "options",
        "V4,dev-type tun,link-mtu 1549,tun-mtu 1500,proto UDPv4,cipher AES-256-GCM,auth [null-digest],keysize 256,key-method 2,tls-client",
    ),
    ("wire_push_option", "ifconfig", "ifconfig 10.8.0.2 255.255.255.0"),
    ("wire_push_option", "ifconfig6", "ifconfig-ipv6 fd00::2/64 fd00::1"),
    ("wire_push_option", "route", "route 192.168.1.0 255.255.255.0 vpn_gateway 10"),
    ("wire_push_option", "route6", "route-ipv6 2001:db8::/32"),
    ("wire_push_option", "dns", "dns server 1 address 10.8.0.1 [fd00::1]:5353"),
    ("wire_push_option", "dhcp", "dhcp-option DOMAIN-SEARCH corp.example.com"),
    ("wire_push_option", "flags", "protocol-flags cc-exit tls-ekm dyn-tls-crypt"),
    ("wire_push_option", "redirect", "redirect-gateway def1 ipv6 bypass-dhcp"),
    ("wire_push_option", "cipher", "cipher CHACHA20-POLY1305"),
    ("wire_message", "push-reply", PUSH),
    (
        "wire_message",
        "continuation",
        "PUSH_REPLY,route 10.0.0.0 255.0.0.0,push-continuation 2\0PUSH_REPLY,peer-id 3,push-continuation 1\0",
    ),
    ("wire_message", "request", "PUSH_REQUEST\0"),
    ("wire_message", "auth-failed", "AUTH_FAILED,TEMP[backoff 42,advance no]:try later\0"),
    ("wire_message", "restart", "RESTART,[N]bye\0HALT,gone\0EXIT\0"),
    (
        "wire_message",
        "pending",
        "AUTH_PENDING,timeout 60\0INFO_PRE,WEB_AUTH::https://example.com\0",
    ),
];

const PUSH: &str = "PUSH_REPLY,route-gateway 10.8.0.1,topology subnet,ping 10,ping-restart 60,ifconfig 10.8.0.2 255.255.255.0,ifconfig-ipv6 fd00::2/64 fd00::1,dhcp-option DNS 10.8.0.1,redirect-gateway def1,peer-id 0,cipher AES-256-GCM,protocol-flags cc-exit tls-ekm,tun-mtu 1500\0";

const PROFILE: &str = "client\ndev tun\nproto udp\nremote vpn.example.com 1194\nresolv-retry infinite\nnobind\npersist-key\nremote-cert-tls server\nverify-x509-name gateway name\nauth SHA256\ndata-ciphers AES-256-GCM:CHACHA20-POLY1305\ncipher AES-256-GCM\nverb 3 # quiet\n<ca>\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n</ca>\n<cert>\n-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n</cert>\nkey-direction 1\n<tls-auth>\n-----BEGIN OpenVPN Static key V1-----\n00112233445566778899aabbccddeeff\n-----END OpenVPN Static key V1-----\n</tls-auth>\n";
