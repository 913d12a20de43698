//! What a run's calls took: the fold of its records, and of what each process knows beyond them.

use super::limits::LimitReport;
use super::prices::Prices;
use super::spending::Spending;
use super::view::CostView;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the calls of a run took and cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RunCost {
    /// The day on which the oldest of the shipped prices was looked up.
    pub prices_as_of: String,
    /// The configured judge's model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
    /// Answered calls of judges, by model.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub judges: BTreeMap<String, Spending>,
    /// Live calls of embedders, by model.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub embedders: BTreeMap<String, Spending>,
    /// Observed calls of the application.
    pub application: Spending,
    /// How the budgets stand at the end.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<BudgetReport>,
    /// Measurements that are Errored for a budget.
    pub over_budget: u64,
    /// What was expected before the run, by all processes that said so together: one entry, or none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub estimates: Vec<EstimateReport>,
    /// The servers whose limit of calls in flight changed, or that refused calls; none in the reports of earlier versions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<LimitReport>,
}

/// How a budget stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct BudgetReport {
    /// `run`, or `test ` and the test.
    pub of: String,
    /// The budget, such as `$2.00`.
    pub budget: String,
    /// What was spent of it, in its unit.
    pub spent: String,
    /// The same in US dollars, where it is in dollars.
    pub cost: f64,
    /// Tokens that were spent.
    pub tokens: u64,
    /// Live calls.
    pub calls: u64,
    /// Calls that were not made for it.
    pub refused: u64,
}

/// What a run was expected to take, by the last run of its tests.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct EstimateReport {
    /// Calls of judges, if none replays.
    pub calls: u64,
    /// Their tokens.
    pub tokens: u64,
    /// US dollars of the calls whose price is known.
    pub cost: f64,
    /// Calls whose price is not known.
    pub unpriced: u64,
    /// Tests that were in the last run.
    pub known: usize,
    /// Tests that no run has recorded.
    pub unknown: usize,
}

impl EstimateReport {
    fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.tokens += other.tokens;
        self.cost += other.cost;
        self.unpriced += other.unpriced;
        self.known += other.known;
        self.unknown += other.unknown;
    }
}

/// What a process knows beyond its cases.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ProcessCost {
    pub(crate) judge: Option<String>,
    pub(crate) judges: BTreeMap<String, Spending>,
    pub(crate) embedders: BTreeMap<String, Spending>,
    pub(crate) budgets: Vec<BudgetReport>,
    pub(crate) estimate: Option<EstimateReport>,
    pub(crate) limits: Vec<LimitReport>,
}

impl CostView {
    /// What the judges of a case took, by model.
    pub(super) fn judges(self) -> BTreeMap<String, Spending> {
        let mut sums = CostSums::default();
        sums.case(self);
        sums.0.judges
    }
}

/// Sums over the cases and processes of a run.
#[derive(Debug, Default, Clone)]
pub(crate) struct CostSums(RunCost);

impl CostSums {
    /// Adds a case.
    pub(crate) fn case(&mut self, case: CostView) {
        for trial in case.trials {
            self.0.application += trial.application;
            for measurement in trial.measurements {
                add(&mut self.0.judges, measurement.spending);
                self.0.over_budget += u64::from(measurement.over_budget);
            }
        }
    }

    /// Adds what a process knows.
    pub(crate) fn process(&mut self, process: ProcessCost) {
        let all = &mut self.0;
        all.judge = process.judge.or(all.judge.take());
        add(&mut all.judges, process.judges);
        add(&mut all.embedders, process.embedders);
        if let Some(estimate) = process.estimate {
            match all.estimates.first_mut() {
                Some(sum) => sum.add(&estimate),
                None => all.estimates.push(estimate),
            }
        }
        for limit in process.limits {
            match all.limits.iter_mut().find(|known| known.id == limit.id) {
                Some(known) => known.merge(limit),
                None => all.limits.push(limit),
            }
        }
        for budget in process.budgets {
            match all.budgets.iter_mut().find(|known| known.of == budget.of) {
                // All processes share one; who ended last knows most.
                Some(known) => {
                    let refused = known.refused + budget.refused;
                    if budget.calls >= known.calls {
                        *known = budget;
                    }
                    known.refused = refused;
                }
                None => all.budgets.push(budget),
            }
        }
    }

    /// The sums. None when there is nothing to say.
    pub(crate) fn report(&self) -> Option<RunCost> {
        let all = &self.0;
        let nothing = all.judges.is_empty()
            && all.embedders.is_empty()
            && all.application.calls == 0
            && all.budgets.is_empty()
            && all.over_budget == 0
            && all.estimates.is_empty()
            && all.limits.is_empty();
        (!nothing).then(|| RunCost {
            prices_as_of: Prices::as_of().to_string(),
            ..all.clone()
        })
    }
}

fn add(sums: &mut BTreeMap<String, Spending>, more: BTreeMap<String, Spending>) {
    for (model, spending) in more {
        *sums.entry(model).or_default() += spending;
    }
}
