//! `Contains`.

use crate::{Bar, EvalCx, Metric, Result, Score};

/// Measures whether a text stands in the output: 1 or 0. Case counts unless told otherwise. Needs no judge.
///
/// ```
/// use llmtest_metrics::{Contains, TestCase};
///
/// let check = TestCase::new("Refund?", "Within 30 days.").expect(Contains::new("30 days"));
/// # let _ = check;
/// ```
#[derive(Debug, Clone)]
pub struct Contains {
    needle: String,
    ignore_case: bool,
}

impl Contains {
    /// Looks for this text. Panics on an empty text, which every output contains.
    #[track_caller]
    pub fn new(needle: impl Into<String>) -> Self {
        let needle = needle.into();
        assert!(
            !needle.is_empty(),
            "`Contains` needs a text to look for; every output contains the empty one"
        );
        Self {
            needle,
            ignore_case: false,
        }
    }

    /// Takes upper and lower case as equal.
    pub fn ignore_case(mut self) -> Self {
        self.ignore_case = true;
        self
    }
}

impl Metric for Contains {
    fn name(&self) -> &'static str {
        "contains"
    }

    fn bar(&self) -> Bar {
        Bar::AtLeast(1.0)
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let found = if self.ignore_case {
            cx.case
                .output
                .to_lowercase()
                .contains(&self.needle.to_lowercase())
        } else {
            cx.case.output.contains(&self.needle)
        };
        Ok(Score::from(found).because(format!(
            "{:?} is {}in the output",
            self.needle,
            if found { "" } else { "not " }
        )))
    }
}
