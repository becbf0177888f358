//! A single figure's origin: which run and round, who, what.

use serde::{Deserialize, Serialize};

use crate::measures::{Figures, Measure};

/// One measurement of one contestant.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sample {
    pub(crate) run: u32,
    pub(crate) round: u32,
    pub(crate) contestant: String,
    pub(crate) measure: String,
    pub(crate) figures: Figures,
}

impl Sample {
    pub(crate) fn new(
        run: u32,
        round: u32,
        contestant: &str,
        measure: &Measure,
        figures: Figures,
    ) -> Self {
        let (contestant, measure) = (contestant.to_owned(), measure.name().to_owned());
        Self { run, round, contestant, measure, figures }
    }
}
