//! What a run will take, before it begins: what its tests took in the last run that recorded them.

use super::budget::grouped;
use super::money::Money;
use super::prices::Prices;
use super::report::{EstimateReport, RunCost};
use super::spending::Spending;
use super::view::CostView;
use llmtest_metrics::Usage;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Read;

/// What is known of the last run.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// The configured judge of then.
    judge: Option<String>,
    /// What the judges of each case took, by model.
    cases: BTreeMap<String, BTreeMap<String, Spending>>,
}

#[derive(Deserialize)]
struct Report {
    format: u32,
    #[serde(default)]
    cost: RunCost,
    tests: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    binary: String,
    test: String,
    #[serde(default)]
    row: Option<String>,
    #[serde(flatten)]
    view: CostView,
}

impl Known {
    /// Reads the reports of earlier runs, the latest first, until one has recorded this binary; those of another format say
    /// nothing.
    pub(crate) fn last<R: Read>(
        mut reports: impl Iterator<Item = R>,
        format: u32,
        binary: &str,
    ) -> Self {
        let read = |file: R| {
            let report: Report = serde_json::from_reader(file).ok()?;
            if report.format != format {
                return None;
            }
            let cases = report
                .tests
                .into_iter()
                .filter(|case| case.binary == binary);
            let cases: BTreeMap<_, _> = cases
                .map(|case| {
                    let name = match &case.row {
                        Some(row) => format!("{}::{row}", case.test),
                        None => case.test.clone(),
                    };
                    (name, case.view.judges())
                })
                .collect();
            let judge = report.cost.judge;
            (!cases.is_empty()).then_some(Self { judge, cases })
        };
        reports.find_map(read).unwrap_or_default()
    }
}

/// What these tests take if no recording answers: a name is that of a case, or of a dataset. Calls of the judge that was
/// configured then are taken as calls of the one that is now.
pub(crate) fn estimate(
    last: Known,
    tests: &[String],
    judge: &str,
    prices: &Prices,
) -> EstimateReport {
    let mut report = EstimateReport::default();
    for test in tests {
        let rows = format!("{test}::");
        let of_test = |(name, _): &(&String, &BTreeMap<String, Spending>)| {
            *name == test || name.starts_with(&rows)
        };
        let cases: Vec<_> = last.cases.iter().filter(of_test).collect();
        if cases.is_empty() {
            report.unknown += 1;
            continue;
        }
        report.known += 1;
        for (model, spending) in cases.into_iter().flat_map(|(_, judges)| judges) {
            let model = if last.judge.as_ref() == Some(model) {
                judge
            } else {
                model
            };
            let mut usage = spending.usage;
            usage += spending.replayed_usage;
            report.calls += spending.calls;
            report.tokens += usage.total();
            // Nothing is cached before the first call.
            let usage = Usage {
                cached_tokens: 0,
                cache_write_tokens: 0,
                ..usage
            };
            let price = prices.of(model).filter(|_| spending.uncounted == 0);
            match price.and_then(|price| price.of_many(usage)) {
                Some(money) => report.cost += money.as_dollars(),
                None => report.unpriced += spending.calls,
            }
        }
    }
    report
}

impl EstimateReport {
    /// One line; `None` where there is nothing to say. `live`: no recording answers. `replay`: nothing goes live.
    pub(crate) fn text(&self, live: bool, replay: bool) -> Option<String> {
        let tests = |count: usize| {
            if count == 1 {
                "1 test".to_string()
            } else {
                format!("{count} tests")
            }
        };
        if self.known == 0 {
            let of = tests(self.unknown);
            return (self.unknown > 0).then(|| {
                format!("estimate: no earlier run of {of} is recorded, so nothing is known\n")
            });
        }
        let money = Money::dollars(self.cost).unwrap_or_default();
        let cost = match self.unpriced {
            0 => money.to_string(),
            all if all == self.calls => "cost unknown".to_string(),
            some => format!("at least {money} ({some} calls have no price)"),
        };
        let none = match self.unknown {
            0 => String::new(),
            1 => "; 1 test has none".to_string(),
            n => format!("; {n} tests have none"),
        };
        let plural = if self.calls == 1 { "call" } else { "calls" };
        let answers = match (live, replay) {
            (true, _) => "",
            (_, true) => "; in this mode recordings answer, and nothing is spent",
            _ => "; what is recorded and has not changed is replayed, and not paid for",
        };
        Some(format!(
            "estimate: about {} judge {plural}, {} tokens, {cost} (from the last run of these tests{none}){answers}\n",
            grouped(self.calls),
            grouped(self.tokens)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn last(judge: &str) -> Known {
        let spending = |calls: u64, model: &str| {
            let usage = json!({"prompt_tokens": 90_000 * calls, "completion_tokens": 1000});
            let spending = json!({model: {"calls": calls, "replayed": calls, "replayed_usage": usage, "cost": 0.0}});
            serde_json::from_value(spending).unwrap()
        };
        Known {
            judge: Some(judge.to_string()),
            cases: BTreeMap::from([
                ("a".to_string(), spending(1, "gpt-4.1-mini")),
                ("rows::x".to_string(), spending(2, "gpt-4.1-mini")),
                ("rows::y".to_string(), spending(3, "claude-haiku-4-5")),
                ("rowsy".to_string(), spending(9, "unknown")),
            ]),
        }
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_last_run_of_the_tests_says_what_this_one_takes() {
        let prices = Prices::default();
        let all = names(&["a", "rows", "new"]);
        let report = estimate(last("other"), &all, "gpt-4.1", &prices);
        // 270,000 × 0.40 + 2,000 × 1.60, and 270,000 × 1.00 + 1,000 × 5.00, a million each.
        assert_eq!(
            report.text(true, false).unwrap(),
            "estimate: about 6 judge calls, 543,000 tokens, $0.3862 (from the last run of these tests; 1 test has none)\n"
        );
        // Another judge is configured since: 2 and 8 dollars.
        let report = estimate(last("gpt-4.1-mini"), &names(&["a"]), "gpt-4.1", &prices);
        let text = report.text(false, true).unwrap();
        assert!(
            text.contains("1 judge call, 91,000 tokens, $0.1880 (from"),
            "{text}"
        );
        assert!(text.ends_with("nothing is spent\n"), "{text}");
    }

    #[test]
    fn a_report_of_another_format_or_binary_is_passed_over() {
        let report = |format: u32, binary: &str, test: &str| {
            json!({"format": format, "tests": [{"binary": binary, "test": test, "trials": []}]})
                .to_string()
        };
        let all = [
            report(2, "evals", "later"),
            report(1, "others", "elsewhere"),
            "cut".to_string(),
            report(1, "evals", "earlier"),
        ];
        let readers = || all.iter().map(String::as_bytes);
        let known = Known::last(readers(), 1, "evals");
        assert_eq!(known.cases.keys().collect::<Vec<_>>(), ["earlier"]);
        assert!(Known::last(readers(), 3, "evals").cases.is_empty());
    }

    #[test]
    fn what_is_not_known_is_said() {
        let prices = Prices::default();
        let report = estimate(last("x"), &names(&["a", "rowsy"]), "x", &prices);
        let text = report.text(true, false).unwrap();
        assert!(
            text.contains("at least $0.0376 (9 calls have no price)"),
            "{text}"
        );
        let report = estimate(Known::default(), &names(&["a", "b"]), "x", &prices);
        assert_eq!(
            report.text(true, false).unwrap(),
            "estimate: no earlier run of 2 tests is recorded, so nothing is known\n"
        );
        assert_eq!(
            estimate(last("x"), &[], "x", &prices).text(true, false),
            None
        );
    }
}
