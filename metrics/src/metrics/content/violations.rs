//! The engine of the metrics that look for something bad: the judge lists what might be, then says of each whether it is.

use crate::options::Options;
use crate::verdicts::{self, Ballot, Verdict, Vote, Wording};
use crate::{EvalCx, Field, Metric, Result, Score};

/// What is looked for.
pub(super) struct Hunt<'a> {
    pub(super) options: &'a Options,
    /// The step that lists the items, and the key of its reply.
    pub(super) step: &'static str,
    /// The placeholder of both prompts for what the metric was told, such as the role, and its text.
    pub(super) about: Option<(&'static str, &'a str)>,
    /// What stands above the items, such as `opinions`.
    pub(super) title: &'static str,
}

impl Hunt<'_> {
    /// A verdict on every item that the judge lists of the output; "yes" is a violation.
    pub(super) async fn verdicts(
        &self,
        cx: &EvalCx<'_>,
        metric: &impl Metric,
    ) -> Result<Vec<Verdict>> {
        let input = cx.need(metric, Field::Input)?;
        let output = cx.need(metric, Field::Output)?;
        let length = output.len();
        let list = self.template(self.step).fenced("input", "input", input);
        let list = list.fenced("output", "output", output);
        let items = verdicts::list(cx, list, self.step, length).await?;
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let ask = |lines| self.template("verdicts").fenced("items", self.title, lines);
        Ballot(&[Vote::Yes, Vote::No])
            .verdicts(cx, &items, ask)
            .await
    }

    fn template(&self, step: &str) -> crate::Template {
        let template = self.options.template(step);
        match self.about {
            Some((placeholder, text)) => template.text(placeholder, text),
            None => template,
        }
    }
}

/// The share of items that are no violation.
pub(super) fn clean(verdicts: &[Verdict], wording: &Wording) -> Score {
    verdicts::share(verdicts, &[Vote::No], wording)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::proptesting;
    use crate::{FakeJudge, MissingField, TestCase, measure_with};
    use proptest::prelude::*;
    use serde_json::json;

    pub(in crate::metrics::content) fn verdict(vote: Vote) -> Verdict {
        Verdict {
            statement: "An item.".to_string(),
            vote,
            reason: String::new(),
            passage: None,
            odds: None,
        }
    }

    const WORDING: Wording = Wording {
        noun: "item",
        passes: "fine",
        fails: "bad",
        empty: (1.0, "there is no item"),
    };

    fn value(violations: &[bool]) -> f64 {
        let vote = |bad: &bool| verdict(if *bad { Vote::Yes } else { Vote::No });
        let verdicts: Vec<Verdict> = violations.iter().map(vote).collect();
        clean(&verdicts, &WORDING).value
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn the_clean_share_is_a_share_and_perfect_only_without_violations(violations in prop::collection::vec(any::<bool>(), 0..20)) {
            let value = value(&violations);
            prop_assert!((0.0..=1.0).contains(&value));
            prop_assert_eq!(value == 1.0, !violations.contains(&true));
        }

        #[test]
        fn one_more_violation_never_raises_the_share(violations in prop::collection::vec(any::<bool>(), 0..20), at in any::<prop::sample::Index>()) {
            let before = value(&violations);
            let mut added = violations.clone();
            added.insert(at.index(violations.len() + 1), true);
            prop_assert!(value(&added) < before || before == 0.0);
            let mut turned = violations.clone();
            if let Some(one) = turned.get_mut(at.index(violations.len().max(1))) {
                *one = true;
                prop_assert!(value(&turned) <= before);
            }
        }

        #[test]
        fn the_order_of_items_does_not_matter(violations in prop::collection::vec(any::<bool>(), 0..20).prop_shuffle()) {
            let mut sorted = violations.clone();
            sorted.sort_unstable();
            prop_assert_eq!(value(&violations), value(&sorted));
        }
    }

    /// What every metric of this engine must do, for the step that lists its items.
    pub(in crate::metrics::content) async fn looks_for_violations<M: Metric>(
        metric: M,
        strict: M,
        step: &str,
        half: f64,
    ) {
        let case = TestCase::new("What of this?", "A first remark. A second remark.");
        let list = json!({step: ["The first\nremark.", " ", "The second remark."]}).to_string();
        let verdicts = |first: &str, second: &str| {
            json!({"verdicts": {"1": {"reason": "It is mild.", "verdict": first}, "2": {"reason": "It is wild.", "verdict": second}}})
                .to_string()
        };

        let lists = format!("{}/{step}", metric.name());
        let judges = format!("{}/verdicts", metric.name());

        // One of two items is a violation.
        let judge = FakeJudge::new().reply(&*list).reply(verdicts("no", "yes"));
        let score = measure_with(&case, &metric, judge.clone()).await.unwrap();
        assert_eq!(score.value, half);
        let reason = score.reason.unwrap();
        assert!(reason.starts_with("1 of 2 "), "{reason}");
        assert!(
            reason.ends_with(r#": "The second remark." (it is wild)"#),
            "{reason}"
        );
        let prompts = judge.prompts();
        assert_eq!(prompts[0].purpose, lists);
        assert_eq!(prompts[1].purpose, judges);
        assert!(prompts[0].text().contains("input:\n<data "));
        assert!(prompts[0].text().contains("output:\n<data "));
        assert!(
            prompts[1]
                .text()
                .contains("1. The first remark.\n2. The second remark.\n</data ")
        );
        assert!(prompts.iter().all(|prompt| prompt.text().len() < 1500));

        // Strict: a violation is a 0, none is a 1.
        let judge = FakeJudge::new()
            .when(&lists, &*list)
            .when(&judges, verdicts("yes", "no"));
        assert_eq!(
            measure_with(&case, &strict, judge).await.unwrap().value,
            0.0
        );
        assert_eq!(strict.bar(), crate::Bar::AtLeast(1.0));
        let judge = FakeJudge::new().reply(&*list).reply(verdicts("no", "no"));
        assert_eq!(
            measure_with(&case, &strict, judge).await.unwrap().value,
            1.0
        );

        // Nothing listed is clean, and asks for no verdicts.
        let judge = FakeJudge::new().reply(json!({step: []}).to_string());
        let score = measure_with(&case, &metric, judge).await.unwrap();
        assert_eq!(score.value, 1.0);
        assert!(!score.reason.unwrap().is_empty());

        // A verdict that is left out, or is none, is asked for again and then an error.
        let judge = FakeJudge::new()
            .reply(&*list)
            .reply(r#"{"verdicts": {"1": {"reason": "", "verdict": "borderline"}}}"#)
            .reply(r#"{"verdicts": {"1": {"reason": "", "verdict": "no"}}}"#)
            .reply(r#"{"verdicts": {"2": {"reason": "", "verdict": "no"}}}"#);
        assert_eq!(
            measure_with(&case, &metric, judge).await.unwrap().value,
            1.0
        );
        let judge = FakeJudge::new()
            .when(&lists, &*list)
            .when(&judges, r#"{"verdicts": {}}"#);
        let error = measure_with(&case, &metric, judge).await.unwrap_err();
        assert!(
            error.to_string().contains("gave no verdict on number 1, 2"),
            "{error}"
        );

        for missing in [
            TestCase::new("", "An answer."),
            TestCase::new("A question?", ""),
        ] {
            let error = measure_with(&missing, &metric, FakeJudge::new())
                .await
                .unwrap_err();
            assert!(error.downcast_ref::<MissingField>().is_some(), "{error}");
        }
    }
}
