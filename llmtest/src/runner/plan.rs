//! What is measured for one expectation: the case, or the chosen spans, and what they decide together.

use super::lost;
use super::measure::component_case;
use crate::observe;
use crate::results::{MeasurementRecord, Outcome};
use llmtest_metrics::{
    Bar, BoxError, Expectation, NotApplicable, Over, Score, Spans, TestCase, Trace,
};
use std::sync::Arc;

/// How many scores a reason lists.
const LISTED: usize = 8;

/// All measurements of one expectation.
pub(super) struct Plan {
    /// Where the spans decide together: how, and the component's name.
    pub(super) over: Option<(Over, String)>,
    pub(super) planned: Vec<Planned>,
}

/// One expectation on one case or component, ready to be measured.
pub(super) struct Planned {
    pub(super) expectation: Expectation,
    pub(super) target: Result<Target, BoxError>,
    pub(super) component: Option<String>,
    pub(super) span: Option<usize>,
}

pub(super) struct Target {
    pub(super) case: Arc<TestCase>,
    pub(super) span: Option<usize>,
}

/// The cases that one expectation is about: the case itself, or one for every chosen span.
pub(super) fn plan(expectation: &Expectation, case: &Arc<TestCase>, trace: &Trace) -> Plan {
    let alone = |target, component| Plan {
        over: None,
        planned: vec![Planned {
            expectation: expectation.clone(),
            target,
            component,
            span: None,
        }],
    };
    let Some(spans) = expectation.spans() else {
        let target = Target {
            case: case.clone(),
            span: None,
        };
        return alone(Ok(target), None);
    };
    let chosen = match spans.select(trace) {
        Ok(chosen) => chosen,
        Err(error) => {
            let name = spans.component(None);
            // A call that lost its case was made: that it is missing here says nothing.
            let error = match seen_elsewhere(&name) {
                Some(lost) => format!("{error}\n{lost}").into(),
                None if spans.is_optional() => {
                    NotApplicable::because(format!("there was no span {spans}")).into()
                }
                None => error,
            };
            return alone(Err(error), Some(name));
        }
    };
    let planned = chosen.into_iter().map(|(index, span)| Planned {
        expectation: expectation.clone(),
        target: target(case, trace, spans, index),
        component: Some(spans.component(Some(&span.name))),
        span: Some(index),
    });
    Plan {
        over: spans.over().map(|over| (over, spans.component(None))),
        planned: planned.collect(),
    }
}

/// Says when a span that is missing was seen outside of all cases.
fn seen_elsewhere(component: &str) -> Option<String> {
    // `answer/search (last)`: the name alone.
    let path = component.split(" (").next().unwrap_or(component);
    let name = path.rsplit('/').next().unwrap_or(path);
    lost::of_name(&observe::lost_calls(), name)
}

/// A call that failed has no result to be measured. That is no score, as a body that fails is none: Errored, unless the
/// expectation allows it.
fn target(case: &TestCase, trace: &Trace, spans: &Spans, index: usize) -> Result<Target, BoxError> {
    let span = &trace.spans[index];
    let Some(error) = &span.error else {
        return Ok(Target {
            case: Arc::new(component_case(case, trace, index, span)),
            span: Some(index),
        });
    };
    let why = format!("the component `{}` failed: {error}", span.name);
    if spans.allows_failed() {
        Err(NotApplicable::because(format!("{why} (which is allowed)")).into())
    } else {
        Err(format!(
            "{why}\nhint: mend it, or let it fail with `Spans::named(\"{}\").allow_failed()`",
            span.name
        )
        .into())
    }
}

/// What the measurements of several spans decide together, and which of them decides. An error where one of them could
/// not be measured, unless another one is enough.
pub(super) fn decide(
    over: Over,
    bar: Bar,
    parts: &[MeasurementRecord],
) -> crate::Result<(Score, Option<usize>)> {
    let scored: Vec<(usize, f64)> = parts
        .iter()
        .enumerate()
        .filter_map(|(at, part)| part.score.map(|score| (at, score)))
        .collect();
    let scores: Vec<f64> = scored.iter().map(|(_, score)| *score).collect();
    let decided = over.decide(bar, &scores);
    let enough = over == Over::Any && decided.is_some_and(|(score, _)| bar.is_met_by(score));
    let count = parts.len();
    let errored = parts
        .iter()
        .position(|part| part.outcome == Outcome::Errored);
    if let Some(at) = errored.filter(|_| !enough) {
        let why = parts[at].reason.as_deref().unwrap_or("no reason is known");
        return Err(format!("span {} of {count} could not be measured: {why}", at + 1).into());
    }
    let Some((value, deciding)) = decided else {
        let why = parts.iter().find_map(|part| part.reason.as_deref());
        let why = why.unwrap_or("no reason is known");
        let all = if count == 1 {
            "the only span is"
        } else {
            "all spans are"
        };
        return Err(NotApplicable::because(format!("{all} skipped: {why}")).into());
    };
    let deciding = deciding.and_then(|at| scored.get(at)).map(|(at, _)| *at);
    let listed = listed(parts);
    let number = deciding.unwrap_or_default() + 1;
    let spans = if count == 1 { "span" } else { "spans" };
    let words = match over {
        Over::Mean => format!("the scores of {count} {spans} are {listed}"),
        Over::Worst => format!("of {count} {spans} ({listed}) the worst is number {number}"),
        Over::Any if enough => format!("of {count} {spans} ({listed}) number {number} passes"),
        Over::Any => {
            format!("of {count} {spans} ({listed}) none passes, and the best is number {number}")
        }
    };
    let part = deciding.map(|at| &parts[at]);
    let why = part.and_then(|part| part.reason.as_deref());
    let mut score = Score::new(value).because(match why {
        Some(why) => format!("{words}: {why}"),
        None => words,
    });
    if let Some(part) = part {
        score.quantity.clone_from(&part.quantity);
        score.exhibit.clone_from(&part.exhibit);
        score.details = part.details.clone().into_iter().collect();
    }
    Ok((score, deciding))
}

/// `0.20, –, 1.00 and 3 more`, with a dash for a span without a score.
fn listed(parts: &[MeasurementRecord]) -> String {
    let shown: Vec<String> = parts
        .iter()
        .take(LISTED)
        .map(|part| {
            part.score
                .map_or_else(|| "–".to_string(), |score| format!("{score:.2}"))
        })
        .collect();
    match parts.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn part(outcome: &str, score: Option<f64>, reason: &str) -> MeasurementRecord {
        serde_json::from_value(json!({
            "metric": "m", "nth": 1, "outcome": outcome, "score": score, "bar": {"at_least": 0.5}, "reason": reason, "duration": 0.0,
        }))
        .unwrap()
    }

    fn parts() -> Vec<MeasurementRecord> {
        vec![
            part("passed", Some(0.9), "good"),
            part("skipped", None, "nothing to judge"),
            part("failed", Some(0.2), "bad"),
        ]
    }

    const BAR: Bar = Bar::AtLeast(0.5);

    /// The value, the deciding part and the reason.
    fn decided(over: Over, parts: &[MeasurementRecord]) -> (f64, Option<usize>, String) {
        let (score, at) = decide(over, BAR, parts).unwrap();
        (score.value, at, score.reason.unwrap())
    }

    #[test]
    fn the_reason_names_the_span_that_decides_and_skipped_ones_do_not_count() {
        let (value, at, reason) = decided(Over::Worst, &parts());
        assert_eq!((value, at), (0.2, Some(2)));
        assert_eq!(
            reason,
            "of 3 spans (0.90, –, 0.20) the worst is number 3: bad"
        );
        let (value, at, reason) = decided(Over::Any, &parts());
        assert_eq!((value, at), (0.9, Some(0)));
        assert_eq!(reason, "of 3 spans (0.90, –, 0.20) number 1 passes: good");
        let (value, at, reason) = decided(Over::Mean, &parts());
        assert!((value - 0.55).abs() < 1e-12 && at.is_none());
        assert_eq!(reason, "the scores of 3 spans are 0.90, –, 0.20");
        let (_, _, reason) = decided(Over::Any, &parts()[1..]);
        assert!(
            reason.contains("none passes, and the best is number 2: bad"),
            "{reason}"
        );
    }

    #[test]
    fn a_span_that_could_not_be_measured_is_an_error_unless_another_is_enough() {
        let mut parts = parts();
        parts[1] = part("errored", None, "no judge");
        for over in [Over::Worst, Over::Mean] {
            let error = decide(over, BAR, &parts).unwrap_err().to_string();
            assert_eq!(error, "span 2 of 3 could not be measured: no judge");
        }
        assert_eq!(decided(Over::Any, &parts).1, Some(0));
        assert!(decide(Over::Any, BAR, &parts[1..]).is_err());
    }

    #[test]
    fn spans_that_are_all_skipped_skip_the_whole() {
        let error = decide(Over::Mean, BAR, &parts()[1..2]).unwrap_err();
        let skip = error.downcast_ref::<NotApplicable>().unwrap();
        assert_eq!(skip.reason(), "the only span is skipped: nothing to judge");
    }

    #[test]
    fn many_scores_are_not_all_listed() {
        let nine = vec![part("passed", Some(1.0), ""); 9];
        assert_eq!(listed(&nine).matches("1.00").count(), 8);
        assert!(listed(&nine).ends_with(" and 1 more"));
    }
}
