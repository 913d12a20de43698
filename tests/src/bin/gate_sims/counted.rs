//! Draws pairs of runs, and counts what gates say of them.

use llmtest::stats::{Finding, Rng, non_inferiority, paired_t};
use std::fmt;

pub(crate) const DROP: f64 = 0.1;

/// What a case of the suite gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Passed or failed.
    Outcomes,
    /// Scores of 0, 0.25, 0.5, 0.75 and 1.
    Quarters,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outcomes => "outcomes of pass and fail",
            Self::Quarters => "scores in quarters",
        })
    }
}

/// A rule that blocks a change or lets it pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gate {
    /// `non_inferiority`.
    Default,
    /// A paired t test, one-sided: what the brief compares with.
    PairedT,
    /// The mean of the new run is at least this, in points.
    Bar(u8),
    /// The mean of the new run is not below that of the old one.
    AnyDrop,
}

const GATES: [Gate; 5] = [
    Gate::Default,
    Gate::PairedT,
    Gate::Bar(80),
    Gate::Bar(75),
    Gate::AnyDrop,
];

impl Gate {
    /// Whether it can be inconclusive.
    pub(crate) fn is_three_way(self) -> bool {
        self == Self::Default
    }

    fn finding(self, base: &[f64], candidate: &[f64], margin: f64, alpha: f64) -> Finding {
        let mean = |scores: &[f64]| scores.iter().sum::<f64>() / scores.len() as f64;
        let passes = |holds: bool| if holds { Finding::Pass } else { Finding::Fail };
        // A mean that is the bar but for rounding reaches it.
        let near = 1e-9;
        let differences = || -> Vec<f64> {
            let pairs = candidate.iter().zip(base);
            pairs.map(|(now, before)| now - before).collect()
        };
        match self {
            Self::Default => non_inferiority(&differences(), None, margin, alpha)
                .map_or(Finding::Inconclusive, |found| found.finding),
            Self::PairedT => {
                passes(paired_t(&differences(), None).is_none_or(|t| t.p_less >= alpha))
            }
            Self::Bar(points) => passes(mean(candidate) >= f64::from(points) / 100.0 - near),
            Self::AnyDrop => passes(mean(candidate) >= mean(base) - near),
        }
    }
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("llmtest"),
            Self::PairedT => f.write_str("paired t test"),
            Self::Bar(points) => write!(f, "mean >= 0.{points}"),
            Self::AnyDrop => f.write_str("any drop fails"),
        }
    }
}

/// How often a gate said what of pairs of one kind.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Rates {
    failed: u32,
    passed: u32,
    n: u32,
}

impl Rates {
    pub(crate) fn add(&mut self, finding: Finding) {
        self.n += 1;
        self.failed += u32::from(finding == Finding::Fail);
        self.passed += u32::from(finding == Finding::Pass);
    }

    fn share(self, count: u32) -> f64 {
        f64::from(count) / f64::from(self.n.max(1))
    }

    /// The share that it failed.
    pub(crate) fn failed(self) -> f64 {
        self.share(self.failed)
    }

    /// The share that it passed.
    pub(crate) fn passed(self) -> f64 {
        self.share(self.passed)
    }

    /// The share of which it said neither.
    pub(crate) fn inconclusive(self) -> f64 {
        self.share(self.n - self.failed - self.passed)
    }

    /// The standard error of a share.
    pub(crate) fn error(self, share: f64) -> f64 {
        (share * (1.0 - share) / f64::from(self.n.max(1))).sqrt()
    }
}

/// What a gate said of changes that change nothing, and of drops of 10 points.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counted {
    /// Nothing changed.
    pub no_op: Rates,
    /// The pass rate of every case is 10 points lower.
    pub drop: Rates,
}

/// Both kinds of pairs, `runs` of each.
pub(crate) fn simulate(
    kind: Kind,
    n: usize,
    runs: u32,
    margin: f64,
    alpha: f64,
) -> Vec<(Gate, Counted)> {
    let mut found = GATES.map(|gate| (gate, Counted::default()));
    let mut rng = Rng::new(0x5eed + n as u64);
    for _ in 0..runs {
        let rates: Vec<f64> = (0..n).map(|_| beta(&mut rng)).collect();
        let base = scores(&mut rng, kind, &rates, 0.0);
        let same = scores(&mut rng, kind, &rates, 0.0);
        let worse = scores(&mut rng, kind, &rates, DROP);
        for (gate, counted) in &mut found {
            counted.no_op.add(gate.finding(&base, &same, margin, alpha));
            counted.drop.add(gate.finding(&base, &worse, margin, alpha));
        }
    }
    found.to_vec()
}

/// Of Beta(4, 1), whose mean is 0.8: the largest of four uniform numbers.
pub(crate) fn beta(rng: &mut Rng) -> f64 {
    (0..4).map(|_| rng.unit()).fold(0.0, f64::max)
}

fn scores(rng: &mut Rng, kind: Kind, rates: &[f64], drop: f64) -> Vec<f64> {
    let parts = match kind {
        Kind::Outcomes => 1,
        Kind::Quarters => 4,
    };
    let score = |rate: &f64| {
        let passed = (0..parts).filter(|_| rng.unit() < rate - drop).count();
        passed as f64 / f64::from(parts)
    };
    rates.iter().map(score).collect()
}
