//! From what was typed to what will be done, in two steps: [`typed`] is what clap read, [`order`]
//! is checked and complete.

pub(crate) mod order;
pub(crate) mod place;
pub(crate) mod typed;
pub(crate) mod understand;
