//! A pipeline of four stages of which one is broken in a known share of cases, run for real, and what blame must find.
//!
//! The stages are observed functions, and each works on what the one before it made. Whether a call goes wrong by itself,
//! and whether it makes something wrong of something wrong, is drawn from the seed, the case, the stage and the call, so
//! that a rerun draws the same. A stage may be a loop of one to five calls; then all of them must be right for the next
//! one to be given something right. What the last stage made is then lost in some cases by a step that nobody observes.
//!
//! The true values are those of the population that the cases are drawn from. They are not estimated: a stage does one of
//! three things in a case (right whatever it is given, wrong whatever it is given, as it is given), these are independent,
//! and [`truth`] goes through all 3⁴ combinations, the lengths of the loop and the last step, each with its probability.

use llmtest::__private::{Body, Dataset, Produced, Row, TestEntry, blame_of, decode, produced};
use llmtest::prelude::*;
use llmtest::stats::{Interval, Rng};
use llmtest::{Blame, StageBlame};
use serde_json::{Value, json};
use std::pin::Pin;

/// The stages, in the order in which they run.
pub const STAGES: [&str; 4] = ["plan", "retrieve", "rank", "answer"];
/// How often a call of the broken stage goes wrong by itself, and one of a broken loop.
const BROKEN: (f64, f64) = (0.25, 0.10);
/// How often a call of another stage does.
const SOUND: f64 = 0.02;
/// How often a call makes something wrong of something wrong.
const INHERITED: f64 = 0.9;
/// How often the end is lost after the last stage.
const LOST: f64 = 0.08;
/// The longest loop.
const LONGEST: u64 = 5;
/// Its lengths.
const LENGTHS: std::ops::RangeInclusive<i32> = 1..=5;

/// What is wrong with the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// The stage that is broken.
    pub broken: usize,
    /// The stage that is a loop.
    pub looped: Option<usize>,
}

impl Setup {
    /// How often a call goes wrong by itself.
    fn wrong(self, stage: usize) -> f64 {
        match (stage == self.broken, self.looped == Some(stage)) {
            (false, _) => SOUND,
            (true, false) => BROKEN.0,
            (true, true) => BROKEN.1,
        }
    }
}

/// What chance decides in one case.
struct Draws {
    setup: Setup,
    seed: u64,
    case: u64,
}

impl Draws {
    fn unit(&self, what: usize, call: u64, which: u64) -> f64 {
        self.rng(what, call, which).unit()
    }

    fn rng(&self, what: usize, call: u64, which: u64) -> Rng {
        let of_case = Rng::new(self.seed << 32 | self.case).bits();
        let at = (what as u64) << 16 | call << 8 | which;
        Rng::new(Rng::new(of_case ^ at).bits())
    }

    fn calls(&self, stage: usize) -> u64 {
        if self.setup.looped == Some(stage) {
            1 + self.rng(stage, 0, 2).below(LONGEST)
        } else {
            1
        }
    }

    /// What a call makes of what it is given.
    fn work(&self, stage: usize, call: u64, given: &str) -> String {
        let by_itself = self.unit(stage, call, 0) < self.setup.wrong(stage);
        let inherited = is_wrong(given) && self.unit(stage, call, 1) < INHERITED;
        let right = right(self.case, stage);
        if by_itself || inherited {
            format!("{right}, wrong")
        } else {
            right
        }
    }
}

fn right(case: u64, stage: usize) -> String {
    format!("case {case} after {}", STAGES[stage])
}

fn is_wrong(text: &str) -> bool {
    text.ends_with("wrong")
}

#[observe(skip(draws))]
fn plan(draws: &Draws, call: u64, given: &str) -> String {
    draws.work(0, call, given)
}

#[observe(retriever, skip(draws))]
fn retrieve(draws: &Draws, call: u64, given: &str) -> String {
    draws.work(1, call, given)
}

#[observe(skip(draws))]
fn rank(draws: &Draws, call: u64, given: &str) -> String {
    draws.work(2, call, given)
}

#[observe(llm, skip(draws))]
fn answer(draws: &Draws, call: u64, given: &str) -> String {
    draws.work(3, call, given)
}

fn pipeline(draws: &Draws, question: &str) -> String {
    let mut text = question.to_string();
    for (stage, run) in [plan, retrieve, rank, answer].into_iter().enumerate() {
        let mut made: Vec<_> = (0..draws.calls(stage))
            .map(|call| run(draws, call, &text))
            .collect();
        let wrong = made.iter().position(|text| is_wrong(text));
        text = made.swap_remove(wrong.unwrap_or_default());
    }
    if draws.unit(STAGES.len(), 0, 0) < LOST {
        text.push_str(", lost");
    }
    text
}

static ENTRY: TestEntry = TestEntry {
    name: "pipeline",
    module: "blame",
    file: file!(),
    line: line!(),
    manifest_dir: env!("CARGO_MANIFEST_DIR"),
    ignored: false,
    ignore_reason: None,
    dataset: Dataset::None,
    pass_rate: None,
    trials: 1,
    passes: None,
    timeout: None,
    budget: None,
    tags: &[],
    description: "",
    body: Body::Async(body),
};

fn body(row: Row) -> Pin<Box<dyn Future<Output = Produced> + Send>> {
    Box::pin(async move {
        let golden: Golden = decode(row)?;
        let number = |key: &str| golden.metadata.get(key).and_then(Value::as_u64);
        let stage = |key: &str| number(key).and_then(|stage| usize::try_from(stage).ok());
        let draws = Draws {
            setup: Setup {
                broken: stage("broken").unwrap_or_default(),
                looped: stage("looped"),
            },
            seed: number("seed").unwrap_or_default(),
            case: number("case").unwrap_or_default(),
        };
        let answer = pipeline(&draws, &golden.input);
        let mut check = golden.answered(answer).expect(ExactMatch::new());
        for stage in STAGES {
            check = check.expect_in(stage, ExactMatch::new());
        }
        produced(check)
    })
}

fn row(setup: Setup, seed: u64, case: u64) -> Value {
    let reference = |(stage, name): (usize, &&str)| {
        let right = right(case, stage);
        let component = json!({ "expected": right, "output": right });
        ((*name).to_string(), component)
    };
    let components: serde_json::Map<_, _> = STAGES.iter().enumerate().map(reference).collect();
    json!({
        "input": format!("case {case}"),
        "expected": right(case, STAGES.len() - 1),
        "components": components,
        "metadata": { "seed": seed, "case": case, "broken": setup.broken, "looped": setup.looped },
    })
}

/// Runs this many cases of the pipeline, the failed ones again with references, and says what blame finds.
///
/// # Panics
///
/// When a case ends as Errored, or none fails.
pub fn observed(setup: Setup, seed: u64, cases: u64) -> Blame {
    let rows = (0..cases).map(|case| row(setup, seed, case)).collect();
    let (blame, errored) = blame_of(&ENTRY, rows);
    assert_eq!(errored, 0, "{setup:?}, seed {seed}");
    blame.expect("a failed case")
}

/// The values of the population.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Truth {
    /// The share of cases that fail.
    pub fails: f64,
    /// Of failed cases: the share in which this stage is the first that is wrong.
    pub first: [f64; 4],
    /// Of failed cases: the share in which no stage is wrong.
    pub blind: f64,
    /// Of failed cases: the share in which this is the first stage up to which everything must be put right for the end to
    /// be right.
    pub causal: [f64; 4],
    /// P(end right | stage right) − P(end right | stage wrong).
    pub lift: [f64; 4],
}

/// Goes through everything that may happen, with its probability.
pub fn truth(setup: Setup) -> Truth {
    let lengths = if setup.looped.is_some() {
        LENGTHS
    } else {
        1..=1
    };
    let mut truth = Truth::default();
    // Of every stage: P(right), P(right and end right), P(end right).
    let (mut ok, mut both, mut end_ok) = ([0.0; 4], [0.0; 4], 0.0);
    let count = lengths.clone().count() as f64;
    for length in lengths {
        for combination in 0..81_usize {
            // 0: right whatever it is given; 1: as it is given; 2: wrong.
            let does: [usize; 4] = [1, 3, 9, 27].map(|place| combination / place % 3);
            let mut probability = 1.0 / count;
            for (stage, what) in does.iter().enumerate() {
                let calls = match setup.looped {
                    Some(looped) if looped == stage => length,
                    _ => 1,
                };
                let sound = 1.0 - setup.wrong(stage);
                let none_by_itself = sound.powi(calls);
                let none_at_all = (sound * (1.0 - INHERITED)).powi(calls);
                probability *= [
                    none_at_all,
                    none_by_itself - none_at_all,
                    1.0 - none_by_itself,
                ][*what];
            }
            // What comes out of each stage, with the first `mended` ones put right.
            let run = |mended: usize| -> [bool; 4] {
                let mut right = true;
                std::array::from_fn(|stage| {
                    right = stage < mended || does[stage] == 0 || (does[stage] == 1 && right);
                    right
                })
            };
            let stages = run(0);
            for (lost, chance) in [(false, 1.0 - LOST), (true, LOST)] {
                let weight = probability * chance;
                let right = stages[3] && !lost;
                for stage in (0..4).filter(|stage| stages[*stage]) {
                    ok[stage] += weight;
                    both[stage] += if right { weight } else { 0.0 };
                }
                if right {
                    end_ok += weight;
                    continue;
                }
                truth.fails += weight;
                match stages.iter().position(|right| !right) {
                    Some(first) => truth.first[first] += weight,
                    None => truth.blind += weight,
                }
                if let Some(stage) = (0..4).find(|stage| run(stage + 1)[3] && !lost) {
                    truth.causal[stage] += weight;
                }
            }
        }
    }
    for stage in 0..4 {
        truth.first[stage] /= truth.fails;
        truth.causal[stage] /= truth.fails;
        let wrong = (end_ok - both[stage]) / (1.0 - ok[stage]);
        truth.lift[stage] = both[stage] / ok[stage] - wrong;
    }
    truth.blind /= truth.fails;
    truth
}

/// How often the intervals hold the true value and the broken stage comes first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Runs.
    pub seeds: usize,
    /// The interval of the broken stage's first-failure share holds the true value.
    pub first: usize,
    /// The same of its causal share.
    pub causal: usize,
    /// The same of the blind spots' share.
    pub blind: usize,
    /// The same of its lift.
    pub lift: usize,
    /// It has the largest first-failure share.
    pub ranks_by_first: usize,
    /// It stands first in the table, which is in the order of causal shares.
    pub ranks_by_causal: usize,
}

impl Coverage {
    /// Runs the pipeline under each of these seeds.
    ///
    /// # Panics
    ///
    /// As [`observed`], and when blame does not name the broken stage.
    pub fn of(setup: Setup, seeds: std::ops::Range<u64>, cases: u64) -> Self {
        let truth = truth(setup);
        let mut coverage = Self::default();
        for seed in seeds {
            let blame = observed(setup, seed, cases);
            let name = STAGES[setup.broken];
            let of_name = |stage: &&StageBlame| stage.stage == name;
            let broken = blame.stages.iter().find(of_name).expect("the broken stage");
            let holds = |interval: Option<Interval>, value: f64| {
                usize::from(interval.is_some_and(|interval| interval.contains(value)))
            };
            let first = |stage: &StageBlame| stage.first_failure.map_or(0.0, |share| share.value);
            let causal = broken.causal.map(|causal| causal.share.interval);
            coverage.seeds += 1;
            coverage.first += holds(
                broken.first_failure.map(|share| share.interval),
                truth.first[setup.broken],
            );
            coverage.causal += holds(causal, truth.causal[setup.broken]);
            coverage.blind += holds(Some(blame.blind.interval), truth.blind);
            let lift = broken.lift.map(|lift| lift.interval);
            coverage.lift += holds(lift, truth.lift[setup.broken]);
            let others = blame.stages.iter().filter(|stage| stage.stage != name);
            let mut others = others.map(first);
            coverage.ranks_by_first += usize::from(others.all(|other| other < first(broken)));
            coverage.ranks_by_causal += usize::from(blame.stages[0].stage == name);
        }
        coverage
    }

    /// A count as a share of the seeds.
    pub fn share(&self, count: usize) -> f64 {
        count as f64 / self.seeds as f64
    }
}
