//! What blame needs of one trial of one case.

use super::view::{CaseView, MeasurementView, TrialView};
use crate::Outcome;
use std::collections::{BTreeMap, BTreeSet};

impl CaseView<'_> {
    /// The trials that observed anything.
    pub(super) fn rollouts(&self) -> Vec<Rollout> {
        let observed = self.trials.iter().filter(|trial| !trial.spans.is_empty());
        observed.map(Rollout::of).collect()
    }
}

/// One trial: how it ended, and which of its stages passed.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Rollout {
    /// Whether the end is ok; none when that is not known.
    pub(super) end: Option<bool>,
    /// Measured stages, and whether all their measurements passed.
    pub(super) stages: BTreeMap<String, bool>,
    /// The first stage that failed.
    pub(super) first: Option<String>,
    /// Observed stages.
    pub(super) seen: BTreeSet<String>,
}

impl Rollout {
    fn of(trial: &TrialView<'_>) -> Self {
        let names: Vec<_> = trial
            .spans
            .iter()
            .map(|span| (&*span.name, span.parent))
            .collect();
        let paths = paths(&names);
        let mut rollout = Self::default();
        if trial.error.is_none() {
            let deciding = trial
                .measurements
                .iter()
                .filter(|m| m.component.is_none() && !m.report_only);
            rollout.end = end_of(deciding.map(|m| m.outcome));
        }
        // Spans that failed, and where several of them did together.
        let mut failed: Vec<(usize, String)> = Vec::new();
        for (at, m) in trial.measurements.iter().enumerate() {
            let (Some(component), Outcome::Passed | Outcome::Failed, false) =
                (&m.component, m.outcome, m.part)
            else {
                continue;
            };
            let ok = m.outcome == Outcome::Passed;
            let judged = if m.over.is_some() {
                let parts = trial.measurements[at + 1..].iter();
                together(ok, parts.take_while(|m| m.part), &paths)
            } else {
                let of_name = || names.iter().position(|(name, _)| name == component);
                let span = m.span.or_else(of_name);
                let stage = match span.and_then(|span| paths.get(span)) {
                    Some(path)
                        if m.span.is_some() || same_path(&names, &paths, component, path) =>
                    {
                        path.clone()
                    }
                    _ => component.to_string(),
                };
                vec![(stage, span.unwrap_or(usize::MAX), ok)]
            };
            for (stage, span, ok) in judged {
                *rollout.stages.entry(stage.clone()).or_insert(true) &= ok;
                if !ok {
                    failed.push((span, stage));
                }
            }
        }
        let inner = |(span, _): &&(usize, String)| {
            let calls = |other: &(usize, String)| is_below(&names, other.0, *span);
            !failed.iter().any(calls)
        };
        let first = failed.iter().filter(inner).min_by_key(|(span, _)| *span);
        rollout.first = first.map(|(_, stage)| stage.clone());
        rollout.seen = paths.into_iter().collect();
        rollout
    }
}

/// What several spans decided together says of their stages. Of one stage, that is what was decided; of several, those
/// with a span that missed the bar have failed, and those of which no span was measured say nothing. With each, the span to
/// blame: the first that missed it, or the first.
fn together<'a, 'b: 'a>(
    ok: bool,
    parts: impl Iterator<Item = &'a MeasurementView<'b>>,
    paths: &[String],
) -> Vec<(String, usize, bool)> {
    let mut stages: BTreeMap<&String, (Option<usize>, Option<usize>)> = BTreeMap::new();
    for part in parts {
        let Some((span, path)) = part.span.and_then(|span| Some((span, paths.get(span)?))) else {
            continue;
        };
        if !matches!(part.outcome, Outcome::Passed | Outcome::Failed) {
            continue;
        }
        let (first, missed) = stages.entry(path).or_default();
        first.get_or_insert(span);
        if part.outcome == Outcome::Failed {
            missed.get_or_insert(span);
        }
    }
    let one = stages.len() == 1;
    let judged = stages.into_iter().map(|(path, (first, missed))| {
        let ok = ok || (!one && missed.is_none());
        (path.clone(), missed.or(first).unwrap_or(usize::MAX), ok)
    });
    judged.collect()
}

/// Whether all spans of this name have this path.
fn same_path(
    names: &[(&str, Option<usize>)],
    paths: &[String],
    component: &str,
    path: &str,
) -> bool {
    let mut of_name = names
        .iter()
        .zip(paths)
        .filter(|((name, _), _)| *name == component);
    of_name.all(|(_, other)| other == path)
}

fn is_below(names: &[(&str, Option<usize>)], mut at: usize, above: usize) -> bool {
    while let Some(parent) = names.get(at).and_then(|(_, parent)| *parent) {
        if parent >= at {
            return false;
        }
        if parent == above {
            return true;
        }
        at = parent;
    }
    false
}

/// Whether the end is ok by the outcomes that decide it; none when one is Errored or nothing was measured.
pub(crate) fn end_of(deciding: impl Iterator<Item = Outcome>) -> Option<bool> {
    match deciding
        .filter(|outcome| *outcome != Outcome::Skipped)
        .max()?
    {
        Outcome::Passed => Some(true),
        Outcome::Failed => Some(false),
        Outcome::Skipped | Outcome::Errored => None,
    }
}

/// The path of every span, given its name and the index of its caller: the callers' names and its own. Names that repeat
/// one below the other are one.
pub(crate) fn paths(spans: &[(&str, Option<usize>)]) -> Vec<String> {
    let mut paths: Vec<String> = Vec::with_capacity(spans.len());
    for (name, parent) in spans {
        // Callers open first.
        let path = match parent.and_then(|parent| Some((spans.get(parent)?.0, paths.get(parent)?)))
        {
            Some((caller, path)) if caller == *name => path.clone(),
            Some((_, path)) => format!("{path}/{name}"),
            None => (*name).to_string(),
        };
        paths.push(path);
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout(spans: &str, measurements: &str) -> Rollout {
        let text = format!(
            r#"{{"trials": [{{"outcome": "failed", "spans": {spans}, "measurements": {measurements}}}], "more": 1}}"#
        );
        let view: CaseView<'_> = serde_json::from_str(&text).unwrap();
        view.rollouts().pop().unwrap()
    }

    const SPANS: &str = r#"[{"name": "answer"}, {"name": "retrieve", "parent": 0}, {"name": "rank", "parent": 0},
        {"name": "retrieve", "parent": 0}, {"name": "retrieve", "parent": 3}]"#;

    #[test]
    fn a_loop_is_one_stage_and_a_caller_fails_after_those_it_calls() {
        let found = rollout(
            SPANS,
            r#"[{"outcome": "failed"}, {"outcome": "passed"},
                {"component": "answer", "span": 0, "outcome": "failed"},
                {"component": "retrieve", "span": 1, "outcome": "passed"},
                {"component": "retrieve", "span": 3, "outcome": "failed"},
                {"component": "rank", "span": 2, "outcome": "failed", "report_only": true}]"#,
        );
        assert_eq!(found.end, Some(false));
        let stages = [
            ("answer", false),
            ("answer/rank", false),
            ("answer/retrieve", false),
        ];
        assert_eq!(
            found.stages,
            stages.map(|(name, ok)| (name.to_string(), ok)).into()
        );
        assert_eq!(found.first.as_deref(), Some("answer/rank"));
        assert_eq!(found.seen.len(), 3);
    }

    #[test]
    fn what_errored_or_only_reports_decides_nothing() {
        let found = rollout(
            SPANS,
            r#"[{"outcome": "passed"}, {"outcome": "failed", "report_only": true}, {"outcome": "skipped"},
                {"component": "rank", "span": 2, "outcome": "errored"}]"#,
        );
        assert_eq!(
            (found.end, found.stages.len(), found.first),
            (Some(true), 0, None)
        );
        assert_eq!(
            rollout(SPANS, r#"[{"outcome": "errored"}, {"outcome": "failed"}]"#).end,
            None
        );
        assert_eq!(
            rollout(SPANS, r#"[{"component": "rank", "outcome": "failed"}]"#).end,
            None
        );
    }

    #[test]
    fn spans_that_decide_together_are_judged_by_what_they_decide() {
        let of = |decided: &str, first: &str, second: &str| {
            rollout(
                SPANS,
                &format!(
                    r#"[{{"outcome": "failed"}},
                    {{"component": "retrieve (any)", "over": "any", "outcome": "{decided}"}},
                    {{"component": "retrieve (any)", "part": true, "span": 1, "outcome": "{first}"}},
                    {{"component": "retrieve (any)", "part": true, "span": 3, "outcome": "{second}"}},
                    {{"component": "rank", "span": 2, "outcome": "passed"}}]"#
                ),
            )
        };
        let retrieve = |rollout: &Rollout| rollout.stages.get("answer/retrieve").copied();
        // One of two is enough for `any`, and neither of them alone for a mean.
        let passed = of("passed", "failed", "passed");
        assert_eq!((retrieve(&passed), passed.first), (Some(true), None));
        assert_eq!(passed.stages.len(), 2, "{:?}", passed.stages);
        let failed = of("failed", "passed", "failed");
        assert_eq!(retrieve(&failed), Some(false));
        assert_eq!(failed.first.as_deref(), Some("answer/retrieve"));
        assert_eq!(retrieve(&of("failed", "passed", "passed")), Some(false));
        // What could not be decided says nothing, whatever its parts say.
        assert_eq!(retrieve(&of("errored", "passed", "errored")), None);
    }

    #[test]
    fn of_several_stages_that_decide_together_those_that_missed_the_bar_failed() {
        let found = rollout(
            SPANS,
            r#"[{"outcome": "failed"},
                {"component": "any tool (worst)", "over": "worst", "outcome": "failed"},
                {"component": "any tool (worst)", "part": true, "span": 1, "outcome": "passed"},
                {"component": "any tool (worst)", "part": true, "span": 2, "outcome": "failed"}]"#,
        );
        let stages = [("answer/rank", false), ("answer/retrieve", true)];
        assert_eq!(
            found.stages,
            stages.map(|(name, ok)| (name.to_string(), ok)).into()
        );
        assert_eq!(found.first.as_deref(), Some("answer/rank"));
    }

    #[test]
    fn a_stage_of_which_nothing_was_measured_says_nothing_when_others_decide() {
        for unmeasured in ["skipped", "errored"] {
            let found = rollout(
                SPANS,
                &format!(
                    r#"[{{"outcome": "failed"}},
                    {{"component": "any tool (mean)", "over": "mean", "outcome": "failed"}},
                    {{"component": "any tool (mean)", "part": true, "span": 1, "outcome": "{unmeasured}"}},
                    {{"component": "any tool (mean)", "part": true, "span": 2, "outcome": "failed"}}]"#
                ),
            );
            assert_eq!(found.stages, [("answer/rank".to_string(), false)].into());
            assert_eq!(found.first.as_deref(), Some("answer/rank"));
        }
    }

    #[test]
    fn a_mean_that_failed_is_of_its_stage_though_some_spans_met_the_bar() {
        let found = rollout(
            SPANS,
            r#"[{"outcome": "failed"},
                {"component": "retrieve (mean)", "over": "mean", "outcome": "failed"},
                {"component": "retrieve (mean)", "part": true, "span": 1, "outcome": "passed"},
                {"component": "retrieve (mean)", "part": true, "span": 3, "outcome": "failed"}]"#,
        );
        assert_eq!(
            found.stages,
            [("answer/retrieve".to_string(), false)].into()
        );
        assert_eq!(found.first.as_deref(), Some("answer/retrieve"));
    }

    #[test]
    fn an_aggregate_over_the_calls_of_a_stage_counts_for_it() {
        let found = rollout(
            SPANS,
            r#"[{"component": "retrieve", "outcome": "failed"}, {"outcome": "failed"}]"#,
        );
        assert_eq!(found.first.as_deref(), Some("answer/retrieve"));
        let two = r#"[{"name": "a"}, {"name": "x", "parent": 0}, {"name": "x"}]"#;
        let found = rollout(
            two,
            r#"[{"component": "x", "outcome": "failed"}, {"outcome": "failed"}]"#,
        );
        assert_eq!(found.first.as_deref(), Some("x"));
    }
}
