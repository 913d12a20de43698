//! For every judged metric a case that should pass and one that should fail, by group. Short texts: a small model judges
//! them on a CPU.

mod agents;
mod content;
mod conversation;
mod dag;
mod graded;
mod rag;
mod tools;

use llmtest::{Check, Metric, TestCase, Trace};

/// A metric on two cases.
pub(crate) struct Live {
    pub(crate) name: String,
    pub(crate) good: Subject,
    pub(crate) bad: Subject,
}

/// A case with its metric and its trace.
pub(crate) struct Subject {
    pub(crate) check: Check,
    pub(crate) trace: Trace,
}

/// A metric, made anew for each, on a case that should pass and one that should fail.
pub(crate) fn live<M: Metric + 'static>(
    make: impl Fn() -> M,
    good: TestCase,
    bad: TestCase,
) -> Live {
    let subject = |case: TestCase| Subject {
        check: case.expect(make()),
        trace: Trace::default(),
    };
    Live {
        name: make().name().to_string(),
        good: subject(good),
        bad: subject(bad),
    }
}

/// All groups, in the order of the catalogue.
pub(crate) fn all() -> Vec<Live> {
    [
        rag::cases(),
        content::cases(),
        graded::cases(),
        dag::cases(),
        tools::cases(),
        agents::cases(),
        conversation::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Live {
    /// Sets the traces of both cases.
    pub(crate) fn traced(mut self, good: Trace, bad: Trace) -> Self {
        self.good.trace = good;
        self.bad.trace = bad;
        self
    }
}
