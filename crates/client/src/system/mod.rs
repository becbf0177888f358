//! What a server's wishes change on this machine, and how it is undone.
//!
//! [`Plan`] is a pure function of the pushed options; [`System`] carries plans out. What goes with
//! the TUN interface by itself (its addresses and routes) needs no undoing; routes past the tunnel
//! and name servers do: guards undo them, and they are on record before they are made.

mod apply;
mod error;
mod held;
mod plan;
mod planner;
mod record;
mod way;

pub use apply::mend;
pub use error::SystemError;
pub use plan::{NameServers, Outside, Plan, PlanError, RouteChange, TunnelAddress};
pub use record::default_state_folder;

pub(crate) use apply::System;
pub(crate) use plan::Wishes;
pub(crate) use way::Way;
