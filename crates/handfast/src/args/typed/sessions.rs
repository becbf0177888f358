//! Sessions and events as typed: who is here, who was, and what happened.

use std::net::IpAddr;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Sessions {
    /// Those of the past too, the newest first
    #[arg(long)]
    pub(crate) history: bool,
    /// Only one user's or one device's
    #[arg(value_name = "USER[/DEVICE]", requires = "history")]
    pub(crate) whose: Option<String>,
    /// Only those that were open at that time (UTC) or later
    #[arg(long, value_name = "TIME", requires = "history")]
    pub(crate) since: Option<String>,
    /// Only who had this address inside the tunnel, with --at
    #[arg(long, value_name = "ADDRESS", requires = "history", requires = "at")]
    pub(crate) address: Option<IpAddr>,
    /// The time (UTC): "2026-11-24 15:00"
    #[arg(long, value_name = "TIME", requires = "address")]
    pub(crate) at: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, requires = "history")]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("whose").required(true))]
pub(crate) struct Kick {
    /// All sessions of a user, or of one device
    #[arg(value_name = "USER[/DEVICE]", group = "whose")]
    pub(crate) target: Option<String>,
    /// One session by its number in `sessions`
    #[arg(long, value_name = "ID", group = "whose")]
    pub(crate) session: Option<u64>,
    /// All connections to a virtual server, by its first name
    #[arg(long, value_name = "NAME", group = "whose")]
    pub(crate) server: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Only events after this one
    #[arg(long, value_name = "ID")]
    pub(crate) after: Option<u64>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) limit: u32,
    /// Go on as they happen, with --json one event a line
    #[arg(long)]
    pub(crate) follow: bool,
}
