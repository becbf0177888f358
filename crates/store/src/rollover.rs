//! How far a rollover of the CA has come, as the settings of the records have it.
//!
//! They are settings and no rows of their own: a word for each generation that is on its way out.

use crate::ids::CaGenerationId;

/// Which generations of the CA are on their way out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RolloverState {
    /// The one whose place another has taken, which is trusted still.
    pub former: Option<CaGenerationId>,
    /// Those that are trusted no longer.
    pub retired: Vec<CaGenerationId>,
}

/// The setting with the generation whose place another has taken.
pub(crate) const FORMER: &str = "ca/former";
/// Its value where no rollover is under way.
pub(crate) const NONE: &str = "none";

/// The setting that is there once a generation is trusted no longer.
pub(crate) fn retired_setting(id: CaGenerationId) -> String {
    format!("ca/retired/{id}")
}
