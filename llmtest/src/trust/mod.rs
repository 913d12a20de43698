//! How far a judge can be trusted: its agreement with human labels, its own noise, pass rates corrected for its errors,
//! and the certificate that says so.
//!
//! Pure functions over what was read; the command `judge-trust` reads files and prints. Intervals are two-sided, of 95 %.
//! A verdict that is missing is counted apart: it is neither right nor wrong.
//!
//! ```
//! use llmtest::trust::Confusion;
//!
//! // 70 answers that people accept, of which the judge passes 63; 30 that they do not, of which it fails 24.
//! let judge = Confusion { true_pass: 63, false_fail: 7, false_pass: 6, true_fail: 24, ..Confusion::default() };
//! assert_eq!(judge.sensitivity().value, Some(0.9));
//! assert_eq!(judge.specificity().value, Some(0.8));
//! assert!((judge.kappa().value.unwrap() - 0.693_396).abs() < 1e-6);
//! ```

mod agreement;
pub(crate) mod certificate;
mod classes;
mod correction;
mod correlation;
mod input;
mod kappa;
mod marks;
mod noise;
mod pairwise;
mod report;
mod said;

pub use agreement::Confusion;
pub use certificate::{Certificate, Current, Freshness, today};
pub use classes::Classes;
pub(crate) use correction::refused;
pub use correction::{
    Correction, Estimator, Labelled, correct, effective_n, labels_alone, ppi, rogan_gladen,
    rogan_gladen_adjusted,
};
pub use correlation::{Correlation, Grouped, by_group, kendall, pearson, spearman};
pub use input::{Fields, Item, Judged, Said, read, read_run};
pub use kappa::{Level, Weights, alpha, cohen, fleiss};
pub use marks::Mark;
pub use noise::{Noise, majority, majority_error};
pub use pairwise::{PairRule, Pairs, Side};
pub use report::{Bars, Floor, Gate, Kind, Line, Report};

use crate::stats::{Interval, wilson};
use serde::{Deserialize, Serialize};

/// A figure with its interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What was found; none where it is undefined.
    #[serde(default)]
    pub value: Option<f64>,
    /// Its interval, of 95 %; none where the data do not show how it would vary.
    #[serde(default)]
    pub interval: Option<Interval>,
    /// Of how many items.
    pub n: usize,
}

impl Figure {
    /// The share `successes / n` with Wilson's interval.
    ///
    /// ```
    /// let share = llmtest::trust::Figure::share(45, 50);
    /// assert_eq!(share.value, Some(0.9));
    /// ```
    pub fn share(successes: u64, n: u64) -> Self {
        let interval = wilson(successes, n);
        Self {
            value: interval.map(|_| successes as f64 / n as f64),
            interval,
            n: usize::try_from(n).unwrap_or(usize::MAX),
        }
    }

    fn undefined(n: usize) -> Self {
        Self {
            n,
            ..Self::default()
        }
    }
}
