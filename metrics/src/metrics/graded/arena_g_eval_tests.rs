use super::*;
use crate::{FakeJudge, JudgeError, MissingField, ToolCall, measure_with, proptesting};
use proptest::prelude::*;

fn arena() -> ArenaGEval {
    ArenaGEval::by_steps("better", ["Compare."])
}

fn contestants(outputs: &[(&str, &str)]) -> Vec<Contestant> {
    outputs
        .iter()
        .map(|(name, output)| Contestant::new(*name, TestCase::new("Refund?", *output)))
        .collect()
}

fn choosing(winners: &[&str]) -> FakeJudge {
    winners.iter().fold(FakeJudge::new(), |judge, winner| {
        judge.reply(format!(
            r#"{{"reason": "Answer A is short, answer B long.", "winner": "{winner}"}}"#
        ))
    })
}

#[tokio::test]
async fn who_is_chosen_in_both_orders_wins_and_everything_else_is_a_tie() {
    let two = contestants(&[("old", "No."), ("new", "Yes.")]);
    for (replies, winner, swayed) in [
        (["A", "B"], Some("old"), false),
        (["B", "A"], Some("new"), false),
        (["A", "A"], None, true),
        (["B", "B"], None, true),
        (["tie", "tie"], None, false),
        (["A", "tie"], None, false),
        (["tie", "A"], None, false),
    ] {
        let found = arena()
            .compare_with(&two, choosing(&replies))
            .await
            .unwrap();
        assert_eq!(found.winner(), winner, "{replies:?}");
        assert_eq!(found.pairings[0].swayed, swayed, "{replies:?}");
        assert_eq!(found.winners.len(), if winner.is_some() { 1 } else { 2 });
    }
}

#[tokio::test]
async fn the_judge_sees_both_orders_and_no_name() {
    let judge = choosing(&["A", "B"]);
    let two = contestants(&[("old", "No."), ("new", "Yes.")]);
    let found = arena().compare_with(&two, judge.clone()).await.unwrap();
    assert_eq!(
        found.pairings[0].reasons,
        ["`old` is short, `new` long", "`new` is short, `old` long"]
    );
    let texts: Vec<String> = judge.prompts().iter().map(crate::Prompt::text).collect();
    let place = |text: &str, needle: &str| text.find(needle).unwrap();
    assert!(
        place(&texts[0], "\nNo.\n") < place(&texts[0], "\nYes.\n"),
        "{}",
        texts[0]
    );
    assert!(
        place(&texts[1], "\nYes.\n") < place(&texts[1], "\nNo.\n"),
        "{}",
        texts[1]
    );
    for text in &texts {
        assert!(
            text.contains("input:\n<data ") && text.contains("answer B:\n<data "),
            "{text}"
        );
        assert!(
            text.contains("calling the answers \"answer A\" and \"answer B\", then the winner: \"A\", \"B\" or \"tie\" if"),
            "{text}"
        );
        assert!(!text.contains("old") && !text.contains("new"), "{text}");
    }
}

#[tokio::test]
async fn several_are_compared_in_all_pairs() {
    let three = contestants(&[("a", "1"), ("b", "2"), ("c", "3")]);
    // a and b: b wins; a and c: c wins; b and c: a tie.
    let judge = choosing(&["B", "A", "B", "A", "tie", "A"]);
    let found = arena().compare_with(&three, judge.clone()).await.unwrap();
    assert_eq!(
        (found.winners, judge.prompts().len()),
        (vec!["b".to_string(), "c".to_string()], 6)
    );
    let points: Vec<f64> = found
        .standings
        .iter()
        .map(|standing| standing.points)
        .collect();
    assert_eq!(points, [0.0, 1.5, 1.5]);
}

#[tokio::test]
async fn the_steps_are_written_once_for_all_pairs() {
    let judge = FakeJudge::new()
        .when("arena_g_eval/steps", r#"{"steps": ["Look for dates."]}"#)
        .when("arena_g_eval/winner", r#"{"reason": "r", "winner": "tie"}"#);
    let arena = ArenaGEval::new("better", "It is exact.").given([
        Field::Input,
        Field::Output,
        Field::Tools,
    ]);
    let mut two = contestants(&[("a", "1"), ("b", "2")]);
    for (one, tool) in two.iter_mut().zip(["search", "book"]) {
        one.case.tools.push(ToolCall::new(tool));
    }
    arena.compare_with(&two, judge.clone()).await.unwrap();
    let prompts = judge.prompts();
    assert_eq!(prompts.len(), 3);
    assert!(
        prompts[0]
            .text()
            .contains("will see: input, the answers, tool calls made of each answer.")
    );
    let text = prompts[1].text();
    assert!(
        text.contains("1. Look for dates.") && text.contains("answer B, tool calls made:\n<data "),
        "{text}"
    );
}

#[tokio::test]
async fn what_cannot_be_compared_is_an_error() {
    let differing = |change: fn(&mut TestCase)| {
        let mut two = contestants(&[("a", "1"), ("b", "2")]);
        change(&mut two[1].case);
        two
    };
    for (contestants, says) in [
        (
            contestants(&[]),
            "at least two contestants, and there are none",
        ),
        (contestants(&[("a", "1")]), "and there is only `a`"),
        (
            contestants(&[("a", "1"), ("b", "2"), ("a", "3")]),
            "two contestants named `a`",
        ),
        (
            differing(|case| case.input = "other".into()),
            "on one `input`, but those of `a` and `b` differ",
        ),
        (
            differing(|case| case.expected = Some("x".into())),
            "on one `expected`",
        ),
    ] {
        let error = arena()
            .compare_with(&contestants, FakeJudge::new())
            .await
            .unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    let silent = contestants(&[("a", "1"), ("b", "")]);
    let error = arena()
        .compare_with(&silent, FakeJudge::new())
        .await
        .unwrap_err();
    assert_eq!(
        error.downcast_ref::<MissingField>().unwrap().field,
        "output"
    );
}

#[tokio::test]
async fn a_winner_that_is_none_of_the_answers_is_asked_again() {
    let two = contestants(&[("a", "1"), ("b", "2")]);
    let judge = choosing(&["nobody", "answer b.", "a"]);
    let found = arena().compare_with(&two, judge.clone()).await.unwrap();
    assert_eq!(found.winner(), Some("b"));
    assert!(
        judge.prompts()[1]
            .text()
            .contains(r#"`winner` must be "A", "B" or "tie", but it is "nobody""#)
    );
    let judge = FakeJudge::new().when("winner", r#"{"reason": "r", "winner": "C"}"#);
    let error = arena().compare_with(&two, judge).await.unwrap_err();
    assert!(error.is::<JudgeError>(), "{error}");
}

#[tokio::test]
async fn as_a_metric_it_compares_the_output_with_rivals() {
    let case = || {
        TestCase::new("Refund?", "Yes.")
            .expected("30 days.")
            .metadata("baseline", "No.")
    };
    let against =
        |name: &str| Contestant::new(name, TestCase::new("Refund?", "Hm.").expected("30 days."));
    for (metric, replies, value, says) in [
        (
            arena(),
            vec!["A", "B"],
            1.0,
            "it is preferred over `baseline` in both orders (`output` is short",
        ),
        (
            arena(),
            vec!["B", "A"],
            0.0,
            "`baseline` is preferred in both orders",
        ),
        (
            arena(),
            vec!["A", "A"],
            0.5,
            "the choice between it and `baseline` changes with their order",
        ),
        (arena(), vec!["tie", "B"], 0.5, "it ties with `baseline`"),
        (
            arena().strict(),
            vec!["A", "A"],
            0.0,
            "changes with their order",
        ),
        (
            arena().against_expected(),
            vec!["A", "B"],
            1.0,
            "over `expected`",
        ),
        (
            arena().against(against("x")).against(against("y")),
            vec!["A", "B", "A", "A"],
            0.75,
            "over `x` in both orders",
        ),
    ] {
        let score = measure_with(&case(), &metric, choosing(&replies))
            .await
            .unwrap();
        assert_eq!(score.value, value, "{replies:?}");
        let reason = score.reason.unwrap();
        assert!(reason.contains(says), "{reason}");
    }
    assert_eq!(Metric::bar(&arena().strict()), Bar::AtLeast(1.0));
    let bare = TestCase::new("Refund?", "Yes.");
    let error = measure_with(&bare, &arena(), FakeJudge::new())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("hint: set it with `.metadata(\"baseline\", answer)`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_rival_that_is_only_an_answer_shares_the_rest_of_the_case_which_is_shown_once() {
    let case = TestCase::new("Refund?", "Yes.")
        .expected("30 days.")
        .retrieved(["Refunds within 30 days."])
        .tools([ToolCall::new("search")])
        .metadata("baseline", "No.");
    let given = arena().given([Field::Output, Field::Retrieved, Field::Tools]);
    for metric in [given.clone(), given.against_expected()] {
        let judge = choosing(&["A", "B"]);
        let score = measure_with(&case, &metric, judge.clone()).await.unwrap();
        assert_eq!(score.value, 1.0);
        for prompt in judge.prompts() {
            let text = prompt.text();
            assert_eq!(text.matches("Refunds within 30 days.").count(), 1, "{text}");
            assert_eq!(text.matches("\"search\"").count(), 1, "{text}");
            assert!(text.contains("answer B:\n<data "), "{text}");
        }
    }
}

proptest! {
    #![proptest_config(proptesting::config())]

    #[test]
    fn who_stands_first_does_not_matter(forth in prop::option::of(0_usize..2), back in prop::option::of(0_usize..2)) {
        // The same answers, with the other contestant named first.
        let other = settled(back, forth).map(|index| 1 - index);
        prop_assert_eq!(settled(forth, back), other);
    }

    #[test]
    fn the_score_is_in_range_and_does_not_depend_on_the_order_of_the_rivals(
        results in prop::collection::vec(0_usize..3, 1..6),
    ) {
        let mut pairings: Vec<Pairing> = results.iter().map(|result| Pairing {
            first: "output".to_string(),
            second: "rival".to_string(),
            winner: [None, Some("output"), Some("rival")][*result].map(str::to_string),
            swayed: false,
            reasons: [String::new(), String::new()],
        }).collect();
        let value = score("output", &pairings).value;
        prop_assert!((0.0..=1.0).contains(&value));
        pairings.reverse();
        prop_assert_eq!(score("output", &pairings).value, value);
        pairings[0].winner = Some("output".to_string());
        prop_assert!(score("output", &pairings).value >= value);
    }
}
