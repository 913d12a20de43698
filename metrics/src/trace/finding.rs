//! What a query over a trace found, against what was expected.

use super::Tree;
use crate::{Bar, IntoScore, Result, Score};

/// Whether an expectation about the calls of a trace holds, what there was, and the tree with the calls that are to blame.
///
/// A metric by closure may return it: the score is 1 or 0, a failure says what was expected and shows the tree.
///
/// ```
/// use llmtest_metrics::{EvalCx, metric_cx};
///
/// let careful = metric_cx("careful", |cx: &EvalCx<'_>| {
///     let pay = cx.trace.named("pay");
///     pay.at_most(1).and(pay.after("confirm").or(pay.none(|_| true)))
/// });
/// # let _ = careful;
/// ```
#[must_use = "return the finding from the metric, or ask whether it `holds`"]
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    holds: bool,
    expected: String,
    found: String,
    /// The spans that speak against it, and all that it is about.
    against: Vec<usize>,
    about: Vec<usize>,
    tree: Tree,
}

impl Finding {
    pub(super) fn new(
        holds: bool,
        expected: impl Into<String>,
        found: impl Into<String>,
        tree: Tree,
    ) -> Self {
        Self {
            holds,
            expected: expected.into(),
            found: found.into(),
            against: Vec::new(),
            about: Vec::new(),
            tree,
        }
    }

    /// Sets the spans that are marked where the finding does not hold, and those where its opposite does not.
    pub(super) fn spans(mut self, against: Vec<usize>, about: Vec<usize>) -> Self {
        (self.against, self.about) = (against, about);
        self
    }

    /// Whether it is as expected.
    pub fn holds(&self) -> bool {
        self.holds
    }

    /// What there was, and where it does not hold also what was expected: completes "because …".
    ///
    /// ```
    /// use llmtest_metrics::Trace;
    ///
    /// let finding = Trace::default().named("search").at_least(2);
    /// assert_eq!(finding.reason(), "expected at least 2 calls of `search`, but there was none");
    /// ```
    pub fn reason(&self) -> String {
        if self.holds {
            self.found.clone()
        } else {
            format!("expected {}, but {}", self.expected, self.found)
        }
    }

    /// The outline of the trace; the calls that are to blame are marked.
    pub fn tree(&self) -> Tree {
        let marked = if self.holds { &[][..] } else { &self.against };
        self.tree.clone().marking(marked.iter().copied())
    }

    /// Holds when both do. The reason names what does not.
    pub fn and(self, other: Self) -> Self {
        match (self.holds, other.holds) {
            (true, false) => other,
            (false, true) => self,
            (holds, _) => self.joined(other, holds, "and"),
        }
    }

    /// Holds when one of both does. The reason names both where neither does.
    pub fn or(self, other: Self) -> Self {
        match (self.holds, other.holds) {
            (true, false) => self,
            (false, true) => other,
            (holds, _) => self.joined(other, holds, "or"),
        }
    }

    fn joined(mut self, other: Self, holds: bool, word: &str) -> Self {
        self.holds = holds;
        self.expected = format!("{} {word} {}", self.expected, other.expected);
        self.found = format!("{} and {}", self.found, other.found);
        self.against.extend(other.against);
        self.about.extend(other.about);
        self
    }
}

impl std::ops::Not for Finding {
    type Output = Self;

    /// Holds when it does not.
    ///
    /// ```
    /// use llmtest_metrics::Trace;
    ///
    /// let finding = !Trace::default().named("search").exactly(0);
    /// assert_eq!(finding.reason(), "expected not: exactly 0 calls of `search`, but there was none");
    /// ```
    fn not(mut self) -> Self {
        self.holds = !self.holds;
        self.expected = match self.expected.strip_prefix("not: ") {
            Some(inner) => inner.to_string(),
            None => format!("not: {}", self.expected),
        };
        std::mem::swap(&mut self.against, &mut self.about);
        self
    }
}

impl From<Finding> for Score {
    fn from(finding: Finding) -> Self {
        let score = Score::from(finding.holds).because(finding.reason());
        if finding.holds || finding.tree.is_empty() {
            return score;
        }
        score.exhibit(finding.tree().to_string())
    }
}

impl IntoScore for Finding {
    const BAR: Bar = Bar::AtLeast(1.0);
    fn into_score(self) -> Result<Score> {
        Ok(self.into())
    }
}
