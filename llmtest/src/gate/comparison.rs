//! Comparisons with the baseline: of the cases that pass, and of every measurement.

use super::certified::{compared, is_certified, youden};
use super::pairs::{Difference, Pairs, Scored, labels, pass_share, scored, worst};
use super::policy::{Policy, Rule};
use super::verdict::{GateCheck, Verdict};
use crate::runs::{Basis, MeasurementKey};
use crate::stats::{Finding, Interval, NonInferiority, holm, non_inferiority_among};
use llmtest_metrics::Bar;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The comparison of the share of trials that pass.
pub(super) const ALL_CASES: &str = "cases that pass";

/// How the reason begins where scores cannot be compared.
pub(super) const REJUDGED: &str = "it is judged otherwise than in the baseline";

/// What is compared of one thing.
#[derive(Default)]
struct Compared<'a> {
    differences: Vec<Difference<'a>>,
    now: f64,
    before: f64,
    /// Cases that had a score in the baseline and have none now.
    lost: usize,
    /// Pairs that were judged differently.
    rejudged: usize,
    bases: (BTreeSet<Arc<Basis>>, BTreeSet<Arc<Basis>>),
    /// Of a judge with a certificate: its J and the variance of that. Values are shares that met the bar, then.
    judge: Option<(f64, f64)>,
}

impl<'a> Compared<'a> {
    /// Whether the baseline knows it, and the run has a case to compare.
    fn is_any(&self) -> bool {
        !self.differences.is_empty() || self.lost > 0
    }

    fn add(&mut self, difference: Difference<'a>, now: f64, before: f64) {
        self.differences.push(difference);
        self.now += now;
        self.before += before;
    }
}

/// Every comparison, with Holm's correction of what counts as surely worse.
pub(super) fn compare_all(
    pairs: &Pairs<'_>,
    policy: &Policy,
    warnings: &mut Vec<String>,
) -> Vec<GateCheck> {
    // Of several looks each has an equal share, and a replay gives nothing new to look at.
    let looks = if pairs.replayed {
        1
    } else {
        policy.looks.max(1)
    };
    let policy = &Policy {
        alpha: policy.alpha / looks as f64,
        ..policy.clone()
    };
    let mut compared: Vec<(String, f64, Compared<'_>)> =
        vec![(ALL_CASES.to_string(), policy.margin, cases(pairs, |_| true))];
    // Names of rules by which something was compared.
    let mut measured = BTreeSet::new();
    for (tag, rule) in &policy.tags {
        if let Some(margin) = rule.margin.filter(|_| !rule.ignore) {
            let tagged = |tags: &[String]| tags.contains(tag);
            let (name, found) = (format!("tag {tag}"), cases(pairs, tagged));
            if found.is_any() {
                measured.insert(name.clone());
            }
            compared.push((name, margin, found));
        }
    }
    for (key, both) in measurements(pairs) {
        let title = key.title();
        let rule = policy
            .metrics
            .get(&title)
            .or_else(|| policy.metrics.get(&key.metric));
        if rule.is_some_and(|rule| rule.ignore) {
            continue;
        }
        let found = both.of(key, policy, warnings);
        if found.is_any() {
            // A rule of a metric holds for all of its titles.
            measured.extend([title.clone(), key.metric.clone()]);
        }
        let margin = rule.and_then(|rule| rule.margin).unwrap_or(policy.margin);
        compared.push((title, margin, found));
    }
    let judged: Vec<_> = compared
        .iter()
        .map(|(_, margin, found)| judge(found, *margin, policy, pairs.replayed))
        .collect();
    let p: Vec<f64> = judged
        .iter()
        .map(|found| found.map_or(1.0, |found| found.p_regression))
        .collect();
    let adjusted = holm(&p);
    let mut checks = Vec::new();
    checks.extend(unmeasured(&measured, policy));
    for (((title, margin, found), judged), p) in compared.iter().zip(judged).zip(adjusted) {
        if found.rejudged > 0 {
            warnings.extend(rejudged(title, found));
        }
        if let Some(judged) = judged {
            checks.push(check(title, *margin, found, judged, p, policy));
        } else if found.lost > 0 {
            let lost = found.lost;
            checks.push(GateCheck {
                n: 0,
                ..GateCheck::new(
                    title,
                    "non_inferiority",
                    Verdict::Inconclusive,
                    format!("{lost} cases were scored in the baseline, and none of them is now"),
                )
            });
        }
    }
    checks
}

/// What a margin is given for, and no case has in both runs: a name that is misspelt must not pass.
fn unmeasured(measured: &BTreeSet<String>, policy: &Policy) -> Vec<GateCheck> {
    let has_margin = |rule: &Rule| !rule.ignore && rule.margin.is_some();
    let tags = policy.tags.iter().filter(|(_, rule)| has_margin(rule));
    let metrics = policy.metrics.iter().filter(|(_, rule)| has_margin(rule));
    let tags = tags.map(|(tag, _)| format!("tag {tag}"));
    let names = tags.chain(metrics.map(|(name, _)| name.clone()));
    names
        .filter(|name| !measured.contains(name))
        .map(|name| {
            let reason = "it has a margin, and no case has it in both runs: nothing was compared";
            GateCheck::new(
                &name,
                "non_inferiority",
                Verdict::Inconclusive,
                reason.to_string(),
            )
        })
        .collect()
}

/// The share of trials that pass, case by case.
fn cases<'a>(pairs: &Pairs<'a>, wanted: impl Fn(&[String]) -> bool) -> Compared<'a> {
    let mut compared = Compared::default();
    for pair in pairs.deciding.iter().filter(|pair| wanted(&pair.now.tags)) {
        let Some(before) = pair.before.and_then(pass_share) else {
            continue;
        };
        let Some(now) = pass_share(pair.now) else {
            compared.lost += 1;
            continue;
        };
        let difference = Difference {
            case: &pair.now.key,
            cluster: pair.now.cluster.as_deref(),
            value: now - before,
            unchanged: pair.unchanged,
        };
        compared.add(difference, now, before);
    }
    compared
}

/// Every measurement that a case has in both runs.
fn measurements<'a>(pairs: &Pairs<'a>) -> BTreeMap<&'a MeasurementKey, Both<'a>> {
    let mut all: BTreeMap<&MeasurementKey, Both<'_>> = BTreeMap::new();
    for pair in &pairs.deciding {
        let Some(case_before) = pair.before else {
            continue;
        };
        let now = scored(pair.now);
        for (key, before) in scored(case_before) {
            let Some(old) = before.mean() else { continue };
            let both = all.entry(key).or_default();
            let found = &mut both.scores;
            let scored_now = now.get(key).and_then(|now| Some((now, now.mean()?)));
            let Some((now, new)) = scored_now else {
                found.lost += 1;
                continue;
            };
            found.rejudged += usize::from(!now.is_judged_as(&before));
            found.bases.0.extend(before.bases().iter().cloned());
            found.bases.1.extend(now.bases().iter().cloned());
            // Below zero is worse, whichever way the bar looks.
            let sign = match now.bar {
                Some(Bar::AtMost(_)) => -1.0,
                _ => 1.0,
            };
            let difference = Difference {
                case: &pair.now.key,
                cluster: pair.now.cluster.as_deref(),
                value: sign * (new - old),
                unchanged: pair.unchanged,
            };
            found.add(difference, new, old);
            both.met.push((share(now), share(&before)));
        }
    }
    all
}

/// What two runs say of one measurement: its scores, and the shares of trials that met its bar, now and before.
#[derive(Default)]
struct Both<'a> {
    scores: Compared<'a>,
    met: Vec<(f64, f64)>,
}

fn share(scored: &Scored) -> f64 {
    scored.met as f64 / scored.scores.max(1) as f64
}

impl<'a> Both<'a> {
    /// The scores; of a judge with a certificate that says how often it errs, what met the bar.
    fn of(self, key: &MeasurementKey, policy: &Policy, warnings: &mut Vec<String>) -> Compared<'a> {
        let mut found = self.scores;
        let judged = found.bases.1.iter().any(|basis| basis.judge.is_some());
        let known = policy.certificate.as_ref().and_then(|c| c.confusion);
        let Some(known) = known.filter(|_| judged && !found.differences.is_empty()) else {
            return found;
        };
        let title = key.title();
        let certified =
            is_certified(policy, key, &found.bases.0) && is_certified(policy, key, &found.bases.1);
        let judge = match youden(&known) {
            Ok(judge) if certified => judge,
            Ok(_) => {
                warnings.push(format!("`{title}`: the judge's certificate is not for how it was judged in both runs, and its comparison is not corrected"));
                return found;
            }
            Err(why) => {
                warnings.push(format!("`{title}`: its comparison is not corrected: {why}"));
                return found;
            }
        };
        (found.now, found.before) = (0.0, 0.0);
        for (difference, (now, before)) in found.differences.iter_mut().zip(self.met) {
            difference.value = now - before;
            found.now += now;
            found.before += before;
        }
        found.judge = Some(judge);
        found
    }
}

/// In a replay, a case that equals the baseline's by hash is known not to differ. In a live run two labels may be equal by
/// chance: there it is a case without a difference, as others are.
fn judge(
    found: &Compared<'_>,
    margin: f64,
    policy: &Policy,
    replayed: bool,
) -> Option<NonInferiority> {
    let known = replayed || found.differences.iter().all(|d| d.unchanged);
    let moved = found.differences.iter().filter(|d| !(d.unchanged && known));
    let moved: Vec<&Difference<'_>> = moved.collect();
    let clusters = labels(moved.iter().map(|d| d.cluster), policy);
    let moved: Vec<f64> = moved.iter().map(|d| d.value).collect();
    let unchanged = found.differences.len() - moved.len();
    let alpha = policy.alpha;
    let among =
        |margin| non_inferiority_among(&moved, clusters.as_deref(), unchanged, margin, alpha);
    match found.judge {
        Some(judge) => compared(among, judge, margin, alpha),
        None => among(margin),
    }
}

/// What was judged by whom, where that changed.
fn rejudged(title: &str, found: &Compared<'_>) -> Vec<String> {
    let judges = |bases: &BTreeSet<Arc<Basis>>| {
        let judges: BTreeSet<_> = bases
            .iter()
            .filter_map(|basis| basis.judge.clone())
            .collect();
        judges.into_iter().collect::<Vec<_>>().join(", ")
    };
    let (before, now) = (judges(&found.bases.0), judges(&found.bases.1));
    let what = if before == now {
        "its prompts are others than the baseline's".to_string()
    } else {
        format!("its judge was {before} in the baseline, and is {now}")
    };
    let (n, all) = (found.rejudged, found.differences.len());
    vec![format!(
        "`{title}`: {what}, in {n} of {all} cases; such scores are not comparable"
    )]
}

/// How many cases would settle it. Where it would fail but for the other comparisons, those that fail in spite of them.
fn settled_by(judged: &NonInferiority, p: f64, alpha: f64) -> Option<usize> {
    match judged.finding {
        Finding::Fail if p > 0.0 => judged.fails_from(alpha * judged.p_regression / p),
        _ => judged.settled_by,
    }
}

fn check(
    title: &str,
    margin: f64,
    found: &Compared<'_>,
    judged: NonInferiority,
    p: f64,
    policy: &Policy,
) -> GateCheck {
    let n = found.differences.len();
    let unchanged = found.differences.iter().filter(|d| d.unchanged).count();
    let points = |value: f64| format!("{:+.1} points", 100.0 * value);
    let lost = match found.lost {
        0 => String::new(),
        lost => format!("; {lost} cases that the baseline scored have no score now"),
    };
    let between = format!("between {} and {}", points(judged.low), points(judged.high));
    let lost = match found.judge {
        Some((youden, _)) => format!(
            "{lost}; of what met the bar, corrected for the judge's errors (divided by J = {youden:.2}, with the uncertainty of that)"
        ),
        None => lost,
    };
    let margin_points = format!("{:.1} points", 100.0 * margin);
    let (verdict, reason) = if found.rejudged > 0 && !policy.allow_judge_change {
        (
            Verdict::Inconclusive,
            format!("{REJUDGED}: `cargo llmtest accept` a run judged as this one"),
        )
    } else if unchanged == n && found.lost == 0 {
        (
            Verdict::Pass,
            match n {
                1 => "nothing changed: the case equals the baseline's by hash".to_string(),
                _ => format!("nothing changed: {n} cases equal the baseline's by hash"),
            },
        )
    } else if 2 * found.lost > n {
        (Verdict::Inconclusive, format!("too much is missing{lost}"))
    } else {
        match judged.finding {
            Finding::Pass => (
                Verdict::Pass,
                format!(
                    "{} to the baseline, surely less than {margin_points} worse{lost}",
                    points(judged.mean)
                ),
            ),
            Finding::Fail if p < policy.alpha => (
                Verdict::Fail,
                format!(
                    "{} to the baseline, surely worse ({between}){lost}",
                    points(judged.mean)
                ),
            ),
            _ => {
                let settled = settled_by(&judged, p, policy.alpha).map_or(String::new(), |n| {
                    format!("; about {n} cases would settle it")
                });
                let reason = format!(
                    "{} to the baseline, {between}{settled}{lost}",
                    points(judged.mean)
                );
                (Verdict::Inconclusive, reason)
            }
        }
    };
    GateCheck {
        n,
        unchanged,
        value: Some(found.now / n as f64),
        baseline: Some(found.before / n as f64),
        bound: Some(margin),
        interval: Some(Interval {
            low: judged.low,
            high: judged.high,
        }),
        p: Some(p),
        settled_by: settled_by(&judged, p, policy.alpha)
            .filter(|_| verdict == Verdict::Inconclusive && found.rejudged == 0),
        detectable: judged.detectable.filter(|_| verdict == Verdict::Pass),
        worst: worst(&found.differences),
        ..GateCheck::new(title, "non_inferiority", verdict, reason)
    }
}
