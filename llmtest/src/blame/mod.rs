//! Which stage cost the end score: pure functions over records.
//!
//! A stage is every span of one name below the same callers, so that a loop of variable length is one stage. Of several
//! calls in a case all must pass. Everything is counted by case: what a case says in several trials is averaged first,
//! since trials of one case are not independent.

mod causal;
mod order;
mod rollout;
mod tally;
pub(crate) mod view;

pub(crate) use causal::{CausalRecord, Ended, StageGain};
pub(crate) use order::{before, coalitions, shares};
pub(crate) use rollout::{end_of, paths};
pub(crate) use tally::BlameTally;
pub(crate) use view::CaseView;

use crate::stats::Interval;
use serde::{Deserialize, Serialize};

/// Which stage cost the end score, over all cases of a run that observed anything.
///
/// The end of a case is its own expectations, those of [`TestCase::expect`](crate::TestCase::expect) and not those in a
/// component: it is ok when every one of them passed, report-only ones left out, and unknown when one of them or the body
/// ended as Errored. Measurements that ended as Errored never count, of stages neither.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Blame {
    /// Cases with a known end.
    pub cases: usize,
    /// Those of them that failed, in one trial at least.
    pub failed: usize,
    /// Trials that observed something and whose end is not known.
    #[serde(default)]
    pub unknown: usize,
    /// Every measured or substituted stage, the one that cost most first.
    pub stages: Vec<StageBlame>,
    /// The share of failed cases in which no measured stage failed.
    pub blind: Estimate,
    /// Stages that were observed and have no metric of their own: where blind spots come from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmeasured: Vec<String>,
    /// The reruns with references in place of results, where they were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causal: Option<CausalTotals>,
}

/// One stage of [`Blame`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StageBlame {
    /// The names of its callers and its own, such as `answer/retrieve`. A function that calls itself is named once.
    pub stage: String,
    /// Cases in which a metric of it was measured.
    pub measured: usize,
    /// The share of them in which all its metrics passed on all its calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pass_rate: Option<f64>,
    /// How much more often the end is ok where the stage is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lift: Option<Lift>,
    /// The share of failed cases in which this stage was the first that failed. The first is the one that began first; a
    /// function is later than those it calls, whose results it depends on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_failure: Option<Estimate>,
    /// What putting its reference in place of its result heals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub causal: Option<CausalShare>,
}

/// A mean over cases with its 95 % interval: Wilson's, for the number of independent cases that would vary as much
/// ([`Moments::interval`](crate::stats::Moments::interval)).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Estimate {
    /// The mean.
    pub value: f64,
    /// Its 95 % interval.
    pub interval: Interval,
    /// Over how many cases.
    pub cases: usize,
}

/// P(end ok | stage ok) − P(end ok | stage failed), in `-1.0..=1.0`, with Newcombe's 95 % interval. With trials, a case in
/// which the stage was ok in some and failed in others is in both cells.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Lift {
    /// The difference.
    pub value: f64,
    /// Its 95 % interval.
    pub interval: Interval,
    /// Cases in which the stage was ok.
    pub ok: usize,
    /// Cases in which it failed.
    pub failed: usize,
    /// Whether one of both is below ten: too few to say much.
    pub few: bool,
}

/// What one stage cost, by rerunning failed cases with references in place of results.
///
/// For a failed case, v(S) is 1 when its end is ok with the references of the stages S in place of their results, else 0,
/// in one run: of a program that is random, one draw. v of nothing is the case simply run again; since the cases were
/// chosen for having failed, failures that come and go pass there, and the shares sum to what all references heal less
/// that. The stage's part is what it adds to v, averaged over the orders of stages that the run allows: the Shapley value
/// over them. Stages whose calls overlapped in time, none within the other, may stand in either order; all others stand in
/// the order of their first ends. In a chain of stages there is one such order, so the part is 1 for the first stage up to which everything must be right
/// for the end to be. (All orders would pay every stage after a broken one as much as the broken one, since its reference
/// heals what it inherited.) Of more than four stages the order of their first ends is the only one.
///
/// The share is the mean part over the failed cases that were run again.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CausalShare {
    /// Which share of the failures goes away. Below zero where references do harm.
    pub share: Estimate,
    /// The same in points of the mean end score, in `-1.0..=1.0`.
    pub score: f64,
    /// Which share goes away when only this stage's reference is put in place.
    pub alone: Estimate,
    /// Failed cases in which it was substituted.
    pub substituted: usize,
}

/// What became of the failed cases in the reruns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CausalTotals {
    /// Reruns.
    pub reruns: usize,
    /// Failed cases that were run again in full; the shares are over these.
    pub cases: usize,
    /// The share of them that passes when simply run again: failures that come and go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Estimate>,
    /// The share of them that fails although all references are in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unhealed: Option<Estimate>,
    /// Failed trials left out since a stage after the substituted one has no recording of what it is then called with.
    pub not_recorded: usize,
    /// Failed trials left out since a rerun ended as Errored.
    pub errored: usize,
    /// Failed trials without a reference of any stage that was called.
    pub without_reference: usize,
    /// Failed trials beyond the limit `max` of `[blame]`, which each process has for itself.
    pub left_out: usize,
    /// The first reason why a rerun was left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}
