//! Sessions and events as typed: who is here, who was, and what happened.

use std::net::IpAddr;

use clap::Args;

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("past").multiple(true))]
pub(crate) struct Sessions {
    /// Those of the past too, the newest first
    #[arg(long, group = "past")]
    pub(crate) history: bool,
    /// Only one user's, or with USER/DEVICE one device's
    #[arg(value_name = "USER[/DEVICE]", requires = "past")]
    pub(crate) whose: Option<String>,
    /// Only those that were open at that time (UTC) or later
    #[arg(long, value_name = "TIME", requires = "past")]
    pub(crate) since: Option<String>,
    /// Of the past too, and only who had this address inside the tunnel
    #[arg(long, value_name = "ADDRESS", group = "past")]
    pub(crate) address: Option<IpAddr>,
    /// Only the one who had it at that time (UTC): "2026-11-24 15:00"
    #[arg(long, value_name = "TIME", requires = "address")]
    pub(crate) at: Option<String>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50, requires = "past")]
    pub(crate) limit: u32,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("whose").required(true))]
pub(crate) struct Kick {
    /// All sessions of users, or of single devices; "-" reads them from stdin, a line each, or a listing with
    /// --columns device or --json
    #[arg(value_name = "USER[/DEVICE]", group = "whose")]
    pub(crate) targets: Vec<String>,
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
    /// Only those of that time (UTC) or later: "2026-11-24 15:00"; with --limit the first of them
    #[arg(long, value_name = "TIME", conflicts_with = "after")]
    pub(crate) since: Option<String>,
    /// At most so many [default: the last 50, or all since that time]
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u32>,
    /// Go on as they happen, with --json one event a line
    #[arg(long)]
    pub(crate) follow: bool,
}
