//! Linux system calls behind safe types: TUN, UDP, TCP, polling, routes, firewall rules, sysctls, namespaces.
//!
//! This is the one crate of the workspace where `unsafe` is allowed. It holds no protocol decision:
//! bytes and addresses go in and out, and every failure has a type that says what would mend it.
//! Where the kernel lacks something (IPv6 off, no permission to force buffer sizes) the call
//! degrades and its result says so.

mod dns;
mod durable;
mod firewall;
mod folder;
mod inherited;
mod interface;
pub mod lab;
mod lock;
pub mod netlink;
mod netns;
mod network;
mod packet;
mod poller;
mod privileges;
mod signals;
mod small_disk;
mod sysctl;
mod tcp;
mod tun;
mod udp;
mod undo;

pub use dns::{DNS_BACKUP, Dns, DnsError, DnsMethod, DnsSettings, DomainName, name_servers};
pub use durable::replace as replace_file;
pub use firewall::{
    FIREWALL_TABLE, FirewallError, FirewallHold, FirewallRules, FirewallTable, FirewallWatch,
    ForwardBlocker, TUNNEL_GROUP,
};
pub use folder::{Folder, FolderError, keeps_files};
pub use inherited::Inherited;
pub use lock::{FolderLock, Holder, LockError, PeerCredentials, group_id, peer_credentials};
pub use netns::{Netns, NetnsError, UserNamespaceError, enter_user_namespace};
pub use network::Network;
pub use packet::Packet;
pub use poller::{Interest, Poller, PollerEvents, Ready, Waker};
pub use privileges::shed_privileges;
pub use signals::outlive_stop_signals;
pub use small_disk::SmallDisk;
pub use sysctl::{
    Forwarding, SYSCTL_LEDGER, Sysctl, SysctlChange, SysctlError, SysctlHold, SysctlLedger,
    enable_forwarding,
};
pub use tcp::{AcceptError, ConnectError, ListenError, StreamRead, TcpListener, TcpStream};
pub use tun::{
    NO_OFFLOAD, Tun, TunError, TunIoError, TunOffload, TunSendOutcome, VNET_HEADER, VnetHeader,
};
pub use udp::{
    BindError, BpfInstruction, Received, RecvError, SendError, SendOutcome, Transmit, UdpSocket,
    normalise,
};
pub use undo::{NotUndone, Undo, UndoStack};
