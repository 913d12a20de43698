//! What calls of one model took.

use super::budget::grouped;
use super::money::Money;
use super::prices::Prices;
use llmtest_metrics::{AskLog, Span, Usage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::AddAssign;

/// Calls of one model: how many, their tokens and what they cost. A sum of costs is that of the calls whose cost is known;
/// how many are not in it stands beside it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Spending {
    /// Calls that were answered, replayed ones among them.
    pub calls: u64,
    /// Calls that were answered out of a recording.
    #[serde(skip_serializing_if = "is_default")]
    pub replayed: u64,
    /// Tokens of live calls.
    #[serde(skip_serializing_if = "is_default")]
    pub usage: Usage,
    /// Tokens that replayed calls took when they were recorded.
    #[serde(skip_serializing_if = "is_default")]
    pub replayed_usage: Usage,
    /// US dollars of the live calls whose cost is known.
    pub cost: f64,
    /// Live calls whose cost is not known.
    #[serde(skip_serializing_if = "is_default")]
    pub unpriced: u64,
    /// What the replayed calls whose cost is known would have cost, in US dollars.
    #[serde(skip_serializing_if = "is_default")]
    pub replayed_cost: f64,
    /// Replayed calls whose cost is not known.
    #[serde(skip_serializing_if = "is_default")]
    pub replayed_unpriced: u64,
    /// Calls that did not say how many tokens they took.
    #[serde(skip_serializing_if = "is_default")]
    pub uncounted: u64,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Spending {
    /// What the live calls cost in US dollars; `None` where that is not known of all.
    pub fn known_cost(&self) -> Option<f64> {
        (self.unpriced == 0).then_some(self.cost)
    }

    /// What the replayed calls would have cost; `None` where that is not known of all.
    pub fn known_replayed_cost(&self) -> Option<f64> {
        (self.replayed_unpriced == 0).then_some(self.replayed_cost)
    }

    pub(super) fn add(&mut self, usage: Option<Usage>, cost: Option<Money>, replayed: bool) {
        self.calls += 1;
        self.uncounted += u64::from(usage.is_none());
        let unpriced = u64::from(cost.is_none());
        let (usage, cost) = (usage.unwrap_or_default(), cost.unwrap_or_default());
        if replayed {
            self.replayed += 1;
            self.replayed_usage += usage;
            self.replayed_cost = sum(self.replayed_cost, cost.as_dollars());
            self.replayed_unpriced += unpriced;
        } else {
            self.usage += usage;
            self.cost = sum(self.cost, cost.as_dollars());
            self.unpriced += unpriced;
        }
    }

    /// `27 calls (20 replayed), 31,204 tokens, $0.0123`.
    pub(crate) fn text(&self, model: &str) -> String {
        let plural = if self.calls == 1 { "call" } else { "calls" };
        let mut text = format!("{} {plural}", grouped(self.calls));
        if self.replayed > 0 {
            text = format!("{text} ({} replayed)", grouped(self.replayed));
        }
        let tokens = self.usage.total() + self.replayed_usage.total();
        text = match self.uncounted {
            0 => format!("{text}, {} tokens", grouped(tokens)),
            all if all == self.calls => format!("{text}, tokens unknown"),
            some => format!(
                "{text}, at least {} tokens ({some} calls say none)",
                grouped(tokens)
            ),
        };
        text = format!(
            "{text}, {}",
            money(self.cost, self.unpriced, self.calls - self.replayed, model)
        );
        if self.replayed > 0 && self.replayed_cost > 0.0 {
            let saved = money(
                self.replayed_cost,
                self.replayed_unpriced,
                self.replayed,
                model,
            );
            text = format!("{text}; what was replayed would have cost {saved}");
        }
        text
    }
}

/// A sum, also where a part of it is not known.
fn money(known: f64, unpriced: u64, calls: u64, model: &str) -> String {
    let shown = Money::dollars(known).unwrap_or_default();
    let plural = if unpriced == 1 { "call" } else { "calls" };
    let verb = if unpriced == 1 { "has" } else { "have" };
    if unpriced == 0 {
        shown.to_string()
    } else if unpriced == calls && known == 0.0 {
        format!("cost unknown (`{model}` has no price)")
    } else {
        format!("at least {shown} ({unpriced} {plural} of `{model}` {verb} no price)")
    }
}

/// The sum of two amounts in dollars, without what floating point adds to it.
fn sum(one: f64, two: f64) -> f64 {
    let both = Money::dollars(one).zip(Money::dollars(two));
    both.map_or(one + two, |(one, two)| (one + two).as_dollars())
}

impl AddAssign for Spending {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.replayed += other.replayed;
        self.usage += other.usage;
        self.replayed_usage += other.replayed_usage;
        self.cost = sum(self.cost, other.cost);
        self.unpriced += other.unpriced;
        self.replayed_cost = sum(self.replayed_cost, other.replayed_cost);
        self.replayed_unpriced += other.replayed_unpriced;
        self.uncounted += other.uncounted;
    }
}

/// What the judges of a measurement took, by model.
pub(crate) fn of_log(log: &AskLog, prices: &Prices) -> BTreeMap<String, Spending> {
    let mut models: BTreeMap<String, Spending> = BTreeMap::new();
    for exchange in &log.exchanges {
        let (judge, reply) = (&exchange.judge, &exchange.reply);
        let cost = prices.cost(judge, reply.usage, reply.cost);
        let spending = models.entry(judge.clone()).or_default();
        spending.add(reply.usage, cost, reply.replayed);
    }
    models
}

/// What the application's own calls took, as far as it says so.
pub(crate) fn of_spans(spans: &[Span], prices: &Prices) -> Spending {
    let mut all = Spending::default();
    let calls = spans
        .iter()
        .filter(|span| span.usage.is_some() || span.cost.is_some());
    for span in calls {
        let said = span.cost.and_then(Money::dollars);
        let priced = || prices.cost(span.model.as_deref()?, span.usage, None);
        all.add(span.usage, said.or_else(priced), span.replayed);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(prompt_tokens: u64, completion_tokens: u64) -> Usage {
        Usage {
            prompt_tokens,
            completion_tokens,
            ..Usage::default()
        }
    }

    #[test]
    fn live_and_replayed_calls_are_summed_apart() {
        let mut spending = Spending::default();
        spending.add(Some(usage(1000, 100)), Money::dollars(0.1), false);
        spending.add(Some(usage(1000, 100)), Money::dollars(0.2), false);
        spending.add(Some(usage(20_000, 10)), Money::dollars(0.5), true);
        assert_eq!(
            (spending.known_cost(), spending.known_replayed_cost()),
            (Some(0.3), Some(0.5))
        );
        assert_eq!(
            spending.text("m"),
            "3 calls (1 replayed), 22,210 tokens, $0.3000; what was replayed would have cost $0.5000"
        );
    }

    #[test]
    fn a_sum_with_an_unknown_part_is_never_silently_short() {
        let mut spending = Spending::default();
        spending.add(Some(usage(10, 2)), None, false);
        assert_eq!(
            spending.text("x"),
            "1 call, 12 tokens, cost unknown (`x` has no price)"
        );
        assert_eq!(spending.known_cost(), None);
        spending.add(None, Money::dollars(0.0123), false);
        assert_eq!(
            spending.text("x"),
            "2 calls, at least 12 tokens (1 calls say none), at least $0.0123 (1 call of `x` has no price)"
        );
    }

    #[test]
    fn sums_do_not_depend_on_the_order() {
        let part = |dollars| {
            let mut spending = Spending::default();
            spending.add(Some(usage(1, 1)), Money::dollars(dollars), false);
            spending
        };
        let all = |parts: [f64; 3]| {
            let mut all = Spending::default();
            for dollars in parts {
                all += part(dollars);
            }
            all
        };
        assert_eq!(all([0.1, 0.2, 0.7]), all([0.7, 0.2, 0.1]));
        assert_eq!(all([0.1, 0.2, 0.7]).known_cost(), Some(1.0));
    }
}
