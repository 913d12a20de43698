//! Sums over the cases of a run. A case is added when it ends and then forgotten.

use super::causal::{CausalRecord, CausalTally};
use super::rollout::Rollout;
use super::view::CaseView;
use super::{Blame, Estimate, Lift, StageBlame};
use crate::stats::{Moments, bca, difference};
use std::collections::{BTreeMap, BTreeSet};

/// Below this many cases a cell says little.
const FEW: usize = 10;

#[derive(Debug, Clone, Default)]
pub(crate) struct BlameTally {
    cases: usize,
    unknown: usize,
    /// Of failed cases, the share of their failed trials in which no stage failed.
    blind: Moments,
    stages: BTreeMap<String, Stage>,
    seen: BTreeSet<String>,
    causal: CausalTally,
}

/// One stage; each value is the mean over the trials of a case.
#[derive(Debug, Clone, Default)]
struct Stage {
    /// Whether it passed.
    passed: Moments,
    /// Whether the end is ok where the stage is, and where it failed.
    ok: Moments,
    failed: Moments,
    /// Whether it was the first to fail; only values above zero were added.
    first: Moments,
}

impl BlameTally {
    /// Adds a case.
    pub(crate) fn add(&mut self, case: &CaseView<'_>) {
        let rollouts = case.rollouts();
        for rollout in &rollouts {
            let new = rollout
                .seen
                .iter()
                .filter(|stage| !self.seen.contains(*stage));
            let new: Vec<_> = new.cloned().collect();
            self.seen.extend(new);
        }
        let stages: BTreeSet<&String> = rollouts.iter().flat_map(|r| r.stages.keys()).collect();
        for name in stages {
            let stage = self.stages.entry(name.clone()).or_default();
            let measured = |r: &Rollout| r.stages.get(name).copied();
            add(&mut stage.passed, rollouts.iter().filter_map(measured));
            let ends = |ok: bool| {
                let in_cell = rollouts
                    .iter()
                    .filter(move |r| r.stages.get(name) == Some(&ok));
                in_cell.filter_map(|r| r.end)
            };
            add(&mut stage.ok, ends(true));
            add(&mut stage.failed, ends(false));
        }
        let known = rollouts.iter().filter(|r| r.end.is_some()).count();
        self.unknown += rollouts.len() - known;
        self.cases += usize::from(known > 0);
        let failed: Vec<_> = rollouts.iter().filter(|r| r.end == Some(false)).collect();
        add(&mut self.blind, failed.iter().map(|r| r.first.is_none()));
        let firsts: BTreeSet<&String> = failed.iter().filter_map(|r| r.first.as_ref()).collect();
        for first in firsts {
            let stage = self.stages.entry(first.clone()).or_default();
            let is_first = |r: &&Rollout| r.first.as_ref() == Some(first);
            add(&mut stage.first, failed.iter().map(is_first));
        }
    }

    /// Adds what the reruns of a failed trial said.
    pub(crate) fn add_causal(&mut self, record: CausalRecord) {
        self.causal.add(record);
    }

    /// The table. None when no case failed, or when there is nothing to say about stages.
    pub(crate) fn blame(&self) -> Option<Blame> {
        let (blind, causal) = (estimate(self.blind)?, self.causal.totals());
        if self.stages.is_empty() && causal.is_none() {
            return None;
        }
        let failed = self.blind.count();
        let mut shares = self.causal.stages();
        let mut stages: Vec<_> = self
            .stages
            .iter()
            .map(|(name, stage)| StageBlame {
                stage: name.clone(),
                measured: stage.passed.count(),
                pass_rate: stage.passed.mean(),
                lift: lift(stage.ok, stage.failed),
                first_failure: estimate(stage.first.with_zeros_to(failed)),
                causal: shares.remove(name.as_str()),
            })
            .collect();
        stages.extend(shares.into_iter().map(|(name, share)| StageBlame {
            stage: name.to_string(),
            measured: 0,
            pass_rate: None,
            lift: None,
            first_failure: None,
            causal: Some(share),
        }));
        // The sort is stable, and the names are in order.
        let value = |estimate: Option<Estimate>| estimate.map_or(f64::NEG_INFINITY, |e| e.value);
        stages.sort_by(|a, b| {
            let keys = |stage: &StageBlame| {
                let causal = stage.causal.map(|causal| causal.share);
                [value(causal), value(stage.first_failure)]
            };
            let ([a, c], [b, d]) = (keys(a), keys(b));
            b.total_cmp(&a).then(d.total_cmp(&c))
        });
        let measured = |name: &String| self.stages.contains_key(name);
        let of_name = |name: &String| {
            let bare = name.rsplit('/').next().unwrap_or(name);
            self.stages.contains_key(bare)
        };
        Some(Blame {
            cases: self.cases,
            failed,
            unknown: self.unknown,
            stages,
            blind,
            unmeasured: self
                .seen
                .iter()
                .filter(|name| !measured(name) && !of_name(name))
                .cloned()
                .collect(),
            causal,
        })
    }
}

/// Adds the mean of a case's trials, if there are any.
fn add(moments: &mut Moments, trials: impl Iterator<Item = bool>) {
    let values: Moments = trials.map(|yes| f64::from(u8::from(yes))).collect();
    if let Some(mean) = values.mean() {
        moments.add(mean);
    }
}

/// A mean of values in `0.0..=1.0`.
pub(super) fn estimate(values: Moments) -> Option<Estimate> {
    Some(Estimate {
        value: values.mean()?,
        interval: values.interval()?,
        cases: values.count(),
    })
}

/// A mean of values in `-1.0..=1.0`; where both signs occur, its interval is that of the bootstrap.
pub(super) fn signed(values: &[f64]) -> Option<Estimate> {
    if values.iter().all(|value| *value >= 0.0) {
        return estimate(values.iter().copied().collect());
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let interval = if values.iter().all(|value| *value <= 0.0) {
        let lost = values.iter().map(|value| -value).collect::<Moments>();
        let lost = lost.interval()?;
        crate::stats::Interval {
            low: -lost.high,
            high: -lost.low,
        }
    } else {
        bca(values)?
    };
    Some(Estimate {
        value: mean,
        interval,
        cases: values.len(),
    })
}

fn lift(ok: Moments, failed: Moments) -> Option<Lift> {
    let (p, q) = (ok.mean()?, failed.mean()?);
    let (ok_interval, failed_interval) = (ok.interval()?, failed.interval()?);
    Some(Lift {
        value: p - q,
        interval: difference((p, ok_interval), (q, failed_interval)),
        ok: ok.count(),
        failed: failed.count(),
        few: ok.count() < FEW || failed.count() < FEW,
    })
}
