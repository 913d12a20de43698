//! Checks of a run by itself: errors, invariants, coverage, bars, cost and latency.

use super::certified::is_certified;
use super::flakiness::case_name;
use super::pairs::{Pairs, labels, pass_share, scored};
use super::policy::{Policy, Rule};
use super::verdict::{GateCheck, Verdict};
use crate::results::Outcome;
use crate::runs::{CaseSummary, Snapshot};
use crate::stats::{Interval, Moments, clustered_share, design_effect};
use crate::trust::rogan_gladen_adjusted;
use std::collections::BTreeMap;

/// More of a suite than this must not be set aside.
const MOST_QUARANTINED: f64 = 0.3;
/// Fewer of the baseline's cases than this share are no comparison.
const LEAST_PAIRED: f64 = 0.5;
/// How many names a check gives.
const NAMED: usize = 10;

impl GateCheck {
    pub(super) fn new(name: &str, kind: &str, verdict: Verdict, reason: String) -> Self {
        Self {
            name: name.to_string(),
            kind: kind.to_string(),
            verdict,
            reason,
            n: 0,
            unchanged: 0,
            value: None,
            baseline: None,
            bound: None,
            interval: None,
            p: None,
            settled_by: None,
            detectable: None,
            worst: Vec::new(),
        }
    }
}

/// Values of cases, with the clusters of these.
#[derive(Default)]
struct Values<'a> {
    all: Vec<f64>,
    clusters: Vec<Option<&'a str>>,
}

impl<'a> Values<'a> {
    fn add(&mut self, case: &'a CaseSummary, value: f64) {
        self.all.push(value);
        self.clusters.push(case.cluster.as_deref());
    }

    /// By cluster; none where cases do not vary together.
    fn groups(&self, policy: &Policy) -> Option<Vec<Vec<f64>>> {
        let labels = labels(self.clusters.iter().copied(), policy)?;
        let mut groups: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
        for (label, value) in labels.into_iter().zip(&self.all) {
            groups.entry(label).or_default().push(*value);
        }
        Some(groups.into_values().collect())
    }
}

fn verdict(holds: bool) -> Verdict {
    if holds { Verdict::Pass } else { Verdict::Fail }
}

/// Errors, coverage, quarantine, invariants, cost and latency.
pub(super) fn of_run(run: &Snapshot, pairs: &Pairs<'_>, policy: &Policy) -> Vec<GateCheck> {
    let mut checks = vec![errors(pairs, policy)];
    checks.extend(coverage(run, pairs));
    checks.extend(quarantine(run, pairs));
    let tags = policy.invariants.iter();
    checks.extend(tags.map(|tag| invariant(tag, pairs)));
    checks.extend(policy.max_cost.map(|bound| cost(run, bound)));
    checks.extend(policy.max_latency.map(|bound| latency(pairs, bound)));
    checks
}

fn errors(pairs: &Pairs<'_>, policy: &Policy) -> GateCheck {
    let errored = pairs.deciding.iter().map(|pair| pair.now);
    let errored: Vec<_> = errored
        .filter(|case| case.outcome == Outcome::Errored)
        .collect();
    let (count, most) = (errored.len(), policy.max_errors);
    let reason = match count {
        0 => "no case is Errored".to_string(),
        _ => format!(
            "{} Errored, and at most {most} may be: what they say is not known",
            crate::text::count(count, "case is", "cases are")
        ),
    };
    GateCheck {
        n: pairs.deciding.len(),
        value: Some(count as f64),
        bound: Some(most as f64),
        worst: errored
            .iter()
            .take(NAMED)
            .map(|case| case_name(&case.key))
            .collect(),
        ..GateCheck::new("errors", "errors", verdict(count <= most), reason)
    }
}

/// Whether enough was run to say anything.
fn coverage(run: &Snapshot, pairs: &Pairs<'_>) -> Option<GateCheck> {
    let ended = pairs
        .deciding
        .iter()
        .filter(|pair| pass_share(pair.now).is_some());
    if ended.count() == 0 {
        let reason = if run.cases.is_empty() {
            "the run has no case"
        } else {
            "no case of the run ended well or badly"
        };
        return Some(GateCheck::new(
            "cases",
            "coverage",
            Verdict::Fail,
            reason.to_string(),
        ));
    }
    let (paired, all) = (pairs.changes.paired, pairs.baseline);
    ((paired as f64) < LEAST_PAIRED * all as f64).then(|| GateCheck {
        n: paired,
        value: Some(paired as f64 / all as f64),
        bound: Some(LEAST_PAIRED),
        worst: pairs.changes.removed.iter().take(NAMED).cloned().collect(),
        ..GateCheck::new(
            "cases",
            "coverage",
            Verdict::Fail,
            format!("only {paired} of the {all} cases of the baseline ran: run all of them, or `cargo llmtest accept` a new baseline"),
        )
    })
}

fn quarantine(run: &Snapshot, pairs: &Pairs<'_>) -> Option<GateCheck> {
    let (aside, all) = (pairs.changes.quarantined.len(), run.cases.len());
    let share = aside as f64 / all.max(1) as f64;
    (share > MOST_QUARANTINED).then(|| GateCheck {
        n: all,
        value: Some(share),
        bound: Some(MOST_QUARANTINED),
        ..GateCheck::new(
            "quarantine",
            "coverage",
            Verdict::Fail,
            format!("{aside} of {all} cases are in quarantine, and at most 30 % may be"),
        )
    })
}

fn invariant(tag: &str, pairs: &Pairs<'_>) -> GateCheck {
    let tagged = pairs.deciding.iter().map(|pair| pair.now);
    let tagged: Vec<_> = tagged
        .filter(|case| case.tags.iter().any(|own| own == tag))
        .collect();
    let broken: Vec<_> = tagged
        .iter()
        .filter(|case| case.outcome != Outcome::Passed)
        .map(|case| case_name(&case.key))
        .collect();
    let n = tagged.len();
    let (verdict, reason) = match (n, broken.len()) {
        (0, _) => (
            Verdict::Inconclusive,
            format!("no case with the tag `{tag}` ran"),
        ),
        (1, 0) => (Verdict::Pass, "the case passed".to_string()),
        (_, 0) => (Verdict::Pass, format!("all {n} cases passed")),
        (_, broken) => (
            Verdict::Fail,
            format!("{broken} of {n} cases that must pass did not"),
        ),
    };
    GateCheck {
        n,
        value: (n > 0).then(|| (n - broken.len()) as f64 / n as f64),
        bound: Some(1.0),
        worst: broken.into_iter().take(NAMED).collect(),
        ..GateCheck::new(&format!("tag {tag}"), "invariant", verdict, reason)
    }
}

fn cost(run: &Snapshot, bound: f64) -> GateCheck {
    let trials = || run.cases.iter().flat_map(|case| &case.trials);
    let judged = trials()
        .flat_map(|trial| &trial.measurements)
        .filter_map(|m| m.cost);
    let application: Vec<Option<f64>> = trials().map(|trial| trial.cost).collect();
    let known = judged.sum::<f64>() + application.iter().flatten().sum::<f64>();
    let unknown = application.iter().filter(|cost| cost.is_none()).count();
    let (verdict, reason) = if known > bound {
        (
            Verdict::Fail,
            format!("it cost ${known:.4}, and at most ${bound:.4} is allowed"),
        )
    } else if unknown > 0 {
        let reason =
            format!("it cost at least ${known:.4}, and what {unknown} trials cost is not known");
        (Verdict::Inconclusive, reason)
    } else {
        (Verdict::Pass, format!("it cost ${known:.4}"))
    };
    GateCheck {
        n: run.cases.len(),
        value: Some(known),
        bound: Some(bound),
        ..GateCheck::new("cost", "cost", verdict, reason)
    }
}

fn latency(pairs: &Pairs<'_>, bound: f64) -> GateCheck {
    let trials = pairs.deciding.iter().flat_map(|pair| &pair.now.trials);
    let mut durations: Vec<f64> = trials.map(|trial| trial.duration).collect();
    durations.sort_by(f64::total_cmp);
    // The smallest value that 95 % of all are not above.
    let at = (19 * durations.len()).div_ceil(20);
    let value = durations.get(at.saturating_sub(1)).copied();
    let (verdict, reason) = match value {
        Some(value) if value <= bound => (
            Verdict::Pass,
            format!("19 of 20 trials took at most {value:.2} s"),
        ),
        Some(value) => (
            Verdict::Fail,
            format!("a trial of 20 took {value:.2} s or more, and {bound:.2} s are allowed"),
        ),
        None => (Verdict::Inconclusive, "nothing was timed".to_string()),
    };
    GateCheck {
        n: durations.len(),
        value,
        bound: Some(bound),
        ..GateCheck::new("latency", "latency", verdict, reason)
    }
}

/// The fixed bars of metrics and tags.
pub(super) fn bars(
    pairs: &Pairs<'_>,
    policy: &Policy,
    warnings: &mut Vec<String>,
) -> Vec<GateCheck> {
    let asked = |rule: &Rule| !rule.ignore && (rule.at_least.is_some() || rule.at_most.is_some());
    let mut checks = Vec::new();
    for (tag, rule) in policy.tags.iter().filter(|(_, rule)| asked(rule)) {
        let tagged = pairs.deciding.iter().map(|pair| pair.now);
        let tagged = tagged.filter(|case| case.tags.iter().any(|own| own == tag));
        let mut shares = Values::default();
        for case in tagged {
            if let Some(share) = pass_share(case) {
                shares.add(case, share);
            }
        }
        for rule in sides(*rule) {
            checks.push(bar(&format!("tag {tag}"), &shares, rule, None, policy));
        }
    }
    let rules = policy.metrics.iter().filter(|(_, rule)| asked(rule));
    for (wanted, rule) in rules {
        let mut titles: BTreeMap<String, Values<'_>> = BTreeMap::new();
        let mut corrected: BTreeMap<String, (u64, u64, bool)> = BTreeMap::new();
        for pair in &pairs.deciding {
            for (key, found) in scored(pair.now) {
                let title = key.title();
                if *wanted != title && *wanted != key.metric {
                    continue;
                }
                let Some(mean) = found.mean() else { continue };
                let entry = corrected.entry(title.clone()).or_insert((0, 0, true));
                entry.0 += u64::from(2 * found.met > found.scores);
                entry.1 += 1;
                entry.2 &= is_certified(policy, key, found.bases());
                titles.entry(title).or_default().add(pair.now, mean);
            }
        }
        if titles.is_empty() {
            checks.push(GateCheck::new(
                wanted,
                "bar",
                Verdict::Inconclusive,
                "nothing of this name was measured".to_string(),
            ));
        }
        for (title, means) in titles {
            let counts = corrected.get(&title).copied();
            let judge = policy.certificate.as_ref().and_then(|c| c.confusion);
            let certified = counts.filter(|(.., certified)| *certified).zip(judge);
            // What judges passed, corrected for their errors, where all that is known of them is about passing.
            let pass_rate = certified.and_then(|((passed, n, _), judge)| {
                // Cases that vary together count as fewer.
                let effect = means
                    .groups(policy)
                    .map_or(1.0, |groups| design_effect(&groups));
                let fewer = |count: u64| (count as f64 / effect).round();
                let n = whole(fewer(n)).map_or(n, |n| n.max(1) as u64);
                let passed = whole(fewer(passed)).map_or(passed, |n| n as u64).min(n);
                rogan_gladen_adjusted(&judge, passed, n)
                    .map_err(|why| warnings.push(format!("{title}: {why}")))
                    .ok()
            });
            if policy.certificate.is_some() && certified.is_none() {
                warnings.push(format!("the judge's certificate is not for `{title}` as it is judged now, and is not used"));
            }
            let figure = pass_rate.and_then(|figure| Some((figure.value?, figure.interval?)));
            for rule in sides(*rule) {
                checks.push(bar(&title, &means, rule, figure, policy));
            }
        }
    }
    checks
}

/// A rule with two bars as two of one each.
fn sides(rule: Rule) -> impl Iterator<Item = Rule> {
    let least = rule.at_least.map(|_| Rule {
        at_most: None,
        ..rule
    });
    let most = rule.at_most.map(|_| Rule {
        at_least: None,
        ..rule
    });
    least.into_iter().chain(most)
}

/// A number of cases; none above ten million.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "of a whole number between zero and ten million"
)]
fn whole(n: f64) -> Option<usize> {
    (0.0..1e7).contains(&n).then_some(n as usize)
}

/// A mean held against a bar: by its interval, not by itself.
fn bar(
    name: &str,
    values: &Values<'_>,
    rule: Rule,
    corrected: Option<(f64, Interval)>,
    policy: &Policy,
) -> GateCheck {
    let groups = values.groups(policy);
    let values = &values.all;
    let moments: Moments = values.iter().copied().collect();
    if groups.as_ref().is_some_and(|groups| groups.len() < 2) {
        let reason = "all cases are of one cluster, which does not show how others would vary";
        return GateCheck {
            n: values.len(),
            value: moments.mean(),
            ..GateCheck::new(name, "bar", Verdict::Inconclusive, reason.to_string())
        };
    }
    let interval = match &groups {
        Some(groups) => clustered_share(groups),
        None => moments.interval(),
    };
    let own = moments.mean().zip(interval);
    let Some((mean, interval)) = corrected.or(own) else {
        let reason = "nothing was measured".to_string();
        return GateCheck::new(name, "bar", Verdict::Inconclusive, reason);
    };
    let (bound, above) = match (rule.at_least, rule.at_most) {
        (Some(bound), _) => (bound, true),
        (None, most) => (most.unwrap_or(1.0), false),
    };
    let (sure, refuted) = if above {
        (interval.low >= bound, interval.high < bound)
    } else {
        (interval.high <= bound, interval.low > bound)
    };
    let verdict = match (sure, refuted) {
        (true, _) => Verdict::Pass,
        (_, true) => Verdict::Fail,
        _ => Verdict::Inconclusive,
    };
    let what = if corrected.is_some() {
        "the pass rate, corrected for the judge's errors,"
    } else {
        "the mean"
    };
    let (low, high) = (interval.low, interval.high);
    let side = if above { "at least" } else { "at most" };
    let reason = match verdict {
        Verdict::Pass => {
            format!("{what} is {mean:.3}, surely {side} {bound:.2} ({low:.3} to {high:.3})")
        }
        Verdict::Fail => {
            format!("{what} is {mean:.3}, surely not {side} {bound:.2} ({low:.3} to {high:.3})")
        }
        Verdict::Inconclusive => {
            format!(
                "{what} is {mean:.3}, and lies between {low:.3} and {high:.3}: {side} {bound:.2} may hold or not"
            )
        }
    };
    // An interval shrinks with the root of the number of cases.
    let gap = (mean - bound).abs();
    let half = (high - low) / 2.0;
    let settled = (verdict == Verdict::Inconclusive && gap > 1e-9)
        .then(|| (values.len() as f64 * (half / gap).powi(2)).ceil())
        .and_then(whole);
    GateCheck {
        n: values.len(),
        value: Some(mean),
        bound: Some(bound),
        interval: Some(interval),
        settled_by: settled,
        ..GateCheck::new(name, "bar", verdict, reason)
    }
}
