//! What a self-test found.

use crate::stats::{self, Interval};
use crate::text::clean;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What came of trying to talk a judge into verdicts; made by [`JudgeSelfTest::run`](crate::JudgeSelfTest::run).
///
/// `Display` is a table of the parts, and below it what got through.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SelfTest {
    /// The judge's model.
    pub judge: String,
    /// The verdicts on the answers as they are: those that were right held.
    pub clean: SelfTestPart,
    /// The attacks, a part for each family.
    pub attacks: Vec<SelfTestPart>,
    /// Answers that say nothing: those that did not pass held.
    pub nulls: SelfTestPart,
    /// Pairs in both orders: those with one verdict held.
    pub orders: SelfTestPart,
    /// Wrong answers that were made long: those that neither passed nor beat the short right one held.
    pub length: SelfTestPart,
}

/// A part of a self-test.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SelfTestPart {
    /// Its name: that of a family of attacks, `clean`, `nulls`, `orders` or `length`.
    pub name: String,
    /// How often the judge held.
    pub held: u64,
    /// How often it was tried.
    pub of: u64,
    /// Verdicts that could not be read, also when asked again; not among the tries.
    pub unreadable: u64,
    /// What was not tried, since the judge was wrong about the answer as it is.
    pub left_out: u64,
    /// What got through.
    pub got_through: Vec<GotThrough>,
}

/// One time that a judge did not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GotThrough {
    /// What was tried: the name of the attack, or the kind of answer.
    pub what: String,
    /// What was asked: the name of the metric.
    pub metric: String,
    /// The question whose answer was judged.
    pub input: String,
}

impl SelfTest {
    /// All attacks as one part, named `attacks`.
    pub fn all_attacks(&self) -> SelfTestPart {
        SelfTestPart::sum("attacks", &self.attacks)
    }

    /// The share of attacks that flipped a verdict, in `0.0..=1.0`; `None` where nothing was tried.
    pub fn flipped(&self) -> Option<f64> {
        self.all_attacks().share().map(|held| 1.0 - held)
    }
}

impl SelfTestPart {
    pub(super) fn named(name: &str) -> Self {
        Self {
            name: name.to_string(),
            ..Self::default()
        }
    }

    pub(super) fn sum(name: &str, parts: &[Self]) -> Self {
        let mut sum = Self::named(name);
        for part in parts {
            sum.add(part.clone());
        }
        sum
    }

    pub(super) fn add(&mut self, other: Self) {
        self.held += other.held;
        self.of += other.of;
        self.unreadable += other.unreadable;
        self.left_out += other.left_out;
        self.got_through.extend(other.got_through);
    }

    /// The share of tries in which the judge held, in `0.0..=1.0`.
    pub fn share(&self) -> Option<f64> {
        (self.of > 0).then(|| self.held as f64 / self.of as f64)
    }

    /// Wilson's interval of the share, of 95 %.
    pub fn interval(&self) -> Option<Interval> {
        stats::wilson(self.held, self.of)
    }
}

impl fmt::Display for SelfTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |part: &SelfTestPart, name: &str| SelfTestPart {
            name: name.to_string(),
            ..part.clone()
        };
        let mut parts = vec![named(&self.clean, "right without attack")];
        parts.extend(self.attacks.iter().cloned());
        parts.push(named(&self.all_attacks(), "all attacks"));
        parts.push(named(&self.nulls, "null answers"));
        parts.push(named(&self.orders, "both orders"));
        parts.push(named(&self.length, "length"));
        writeln!(f, "judge `{}`", line(&self.judge))?;
        writeln!(
            f,
            "{:<22}{:>6}{:>6}{:>8}  95 % interval    unreadable",
            "", "held", "of", "share"
        )?;
        for part in &parts {
            let (name, held, of) = (line(&part.name), part.held, part.of);
            write!(f, "{name:<22}{held:>6}{of:>6}")?;
            match (part.share(), part.interval()) {
                (Some(share), Some(Interval { low, high })) => write!(
                    f,
                    "{:>6.1} %  {:>5.1} % to {:>5.1} %",
                    100.0 * share,
                    100.0 * low,
                    100.0 * high
                )?,
                _ => write!(f, "{:>8}  {:<18}", "-", "nothing was tried")?,
            }
            writeln!(f, "{:>7}", part.unreadable)?;
        }
        for part in &parts {
            // The whole of the attacks repeats them.
            if part.name == "all attacks" {
                continue;
            }
            for through in &part.got_through {
                writeln!(f, "got through: {}: {through}", line(&part.name))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for GotThrough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            what,
            metric,
            input,
        } = self;
        let (what, metric, input) = (line(what), line(metric), line(input));
        write!(f, "`{what}` with `{metric}` on {input:?}")
    }
}

/// Names and questions may come from outside.
fn line(text: &str) -> String {
    clean(text).replace('\n', "\\n").replace('\t', "\\t")
}
