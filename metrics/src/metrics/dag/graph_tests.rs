use super::*;
use crate::{
    Faithfulness, FakeJudge, GEval, Metric, MissingField, NotApplicable, TestCase, Turn,
    measure_with, metric,
};
use serde_json::json;
use std::ops::RangeInclusive;

fn case() -> TestCase {
    TestCase::new("My parcel is lost.", "So sorry!")
}

fn says(verdict: &str) -> String {
    json!({"reason": "", "verdict": verdict}).to_string()
}

/// The scores of `measure_with`, or the text of the error.
async fn measured(dag: &Dag, judge: &FakeJudge) -> Result<f64, String> {
    let score = measure_with(&case(), dag, judge.clone()).await;
    score
        .map(|score| score.value)
        .map_err(|error| error.to_string())
}

fn purposes(judge: &FakeJudge) -> Vec<String> {
    judge
        .prompts()
        .iter()
        .map(|prompt| prompt.purpose.clone())
        .collect()
}

fn fixed(name: &'static str, value: f64) -> impl Metric {
    metric(name, move |_: &TestCase| value)
}

#[tokio::test]
async fn a_task_runs_once_and_is_seen_under_its_label() {
    let summary = task("summary", "Summarise it.").given([Field::Output]);
    let short = ask("Is it short?").reads(&summary).yes(1.0).no(0.5);
    let dag = Dag::new(
        "sum",
        ask("Is it polite?").reads(&summary).no(0.0).yes(short),
    );
    let judge = FakeJudge::new()
        .when("dag/task_output", r#"{"output": "An apology."}"#)
        .when("polite", says("yes"))
        .when("short", says("no"));
    assert_eq!(measured(&dag, &judge).await, Ok(0.5));
    assert_eq!(
        purposes(&judge),
        ["dag/task_output", "dag/question", "dag/question"]
    );
    let prompts = judge.prompts();
    assert!(prompts[0].text().contains("Summarise it.") && prompts[0].text().contains("So sorry!"));
    let asked = prompts[2].text();
    assert!(
        asked.contains("summary:\n<data") && asked.contains("An apology."),
        "{asked}"
    );
    assert!(!asked.contains("So sorry!"), "{asked}");
}

#[tokio::test]
async fn a_task_may_write_as_much_as_it_is_shown() {
    let copy = task("copy", "Copy it.").given([Field::Output]);
    let dag = Dag::new("copied", ask("Good?").reads(&copy).yes(1.0).no(0.0));
    for (length, tokens) in [(10, 1024), (4000, 2512), (1_000_000, 8192)] {
        let judge = FakeJudge::new()
            .when("dag/task_output", r#"{"output": "It."}"#)
            .when("dag/question", says("yes"));
        let case = TestCase::new("q", "x".repeat(length));
        measure_with(&case, &dag, judge.clone()).await.unwrap();
        assert_eq!(judge.prompts()[0].max_tokens, tokens);
    }
}

#[tokio::test]
async fn a_task_may_read_tasks_and_fields() {
    let facts = task("facts", "List facts.");
    let dates = task("dates", "List dates.")
        .reads(&facts)
        .given([Field::Input]);
    let dag = Dag::new(
        "d",
        ask("Right?")
            .reads(&dates)
            .reads(&facts)
            .given([Field::Output])
            .yes(1.0)
            .no(0.0),
    );
    let judge = FakeJudge::new()
        .reply(r#"{"output": ["one", 2]}"#)
        .reply(r#"{"output": {"b": "x", "a": ""}}"#)
        .reply(says("yes"));
    assert_eq!(measured(&dag, &judge).await, Ok(1.0));
    let prompts = judge.prompts();
    assert!(prompts[1].text().contains("\none\n2\n") && prompts[1].text().contains("My parcel"));
    let asked = prompts[2].text();
    let at = |text: &str| {
        asked
            .find(text)
            .unwrap_or_else(|| panic!("{text}: {asked}"))
    };
    assert!(at("dates:\n") < at("facts:\n") && at("facts:\n") < at("actual output:\n"));
    assert!(asked.contains("\na: \nb: x\n"), "{asked}");
}

#[tokio::test]
async fn what_a_task_wrote_must_be_text() {
    let facts = task("facts", "List facts.");
    let dag = Dag::new("d", ask("Right?").reads(&facts).yes(1.0).no(0.0));
    let judge = FakeJudge::new()
        .reply(r#"{"output": 3}"#)
        .reply(r#"{"output": " "}"#)
        .reply(says("yes"));
    assert_eq!(measured(&dag, &judge).await, Ok(1.0));
    assert!(
        judge.prompts()[1]
            .text()
            .contains("`output` must be a text, but it is 3")
    );
    assert!(judge.prompts()[2].text().contains("\nnone\n"));
    let stubborn = FakeJudge::new().when("dag/task_output", r#"{"text": "x"}"#);
    assert!(
        measured(&dag, &stubborn)
            .await
            .unwrap_err()
            .contains("`output` must be a text")
    );
}

#[tokio::test]
async fn a_task_behind_an_answer_not_taken_does_not_run() {
    let summary = task("summary", "Summarise it.");
    let dag = Dag::new(
        "sum",
        ask("Is it long?")
            .no(1.0)
            .yes(ask("Good?").reads(&summary).yes(1.0).no(0.0)),
    );
    let judge = FakeJudge::new().reply(says("no"));
    assert_eq!(measured(&dag, &judge).await, Ok(1.0));
    let judge = FakeJudge::new()
        .reply(says("yes"))
        .reply(r#"{"output": "x"}"#)
        .reply(says("no"));
    assert_eq!(measured(&dag, &judge).await, Ok(0.0));
}

#[tokio::test]
async fn exclusive_branches_may_share_a_node() {
    let last = ask("Last?").yes(1.0).no(0.5);
    let dag = Dag::new(
        "shared",
        ask("Which?")
            .when("a", ask("First?").yes(last.clone()).no(0.1))
            .when("b", ask("Second?").yes(last.clone()).no(0.2)),
    );
    assert_eq!(dag.graph.nodes.len(), 4);
    for (which, next) in [("a", "First?"), ("b", "Second?")] {
        let judge = FakeJudge::new()
            .when("Which?", says(which))
            .when(next, says("yes"))
            .when("Last?", says("no"));
        assert_eq!(measured(&dag, &judge).await, Ok(0.5), "{which}");
        assert_eq!(judge.prompts().len(), 3);
    }
    assert_eq!(
        dag.to_text(),
        "\
shared
└─ Which?
   ├─ a: First?
   │  ├─ yes: (2) Last?
   │  │  ├─ yes: 1
   │  │  └─ no: 0.5
   │  └─ no: 0.1
   └─ b: Second?
      ├─ yes: see (2)
      └─ no: 0.2
"
    );
}

#[tokio::test]
async fn a_clone_that_is_changed_is_another_node() {
    let base = ask("Good?").when("a", 1.0);
    let dag = Dag::new(
        "x",
        ask("Which?")
            .when("one", base.clone().otherwise(0.0))
            .when("two", base.clone().when("b", 0.3)),
    );
    let judge = FakeJudge::new().reply(says("two")).reply(says("b"));
    assert_eq!(measured(&dag, &judge).await, Ok(0.3));
}

#[tokio::test]
async fn a_shared_question_is_asked_once_where_both_ways_lead_to_it() {
    let text = task("text", "Copy it.");
    let shared = ask("Shared?").yes(0.8).no(0.1);
    let dag = Dag::new(
        "both",
        [
            ask("One?").reads(&text).yes(shared.clone()).no(0.3),
            ask("Two?").reads(&text).yes(shared).no(0.4),
        ],
    );
    let judge = FakeJudge::new()
        .when("task_output", r#"{"output": "x"}"#)
        .when("Shared?", says("no"))
        .when("question", says("yes"));
    assert_eq!(measured(&dag, &judge).await, Ok(0.1));
    assert_eq!(judge.prompts().len(), 4);
}

#[tokio::test]
async fn where_several_leaves_score_a_rule_says_which_counts() {
    let text = task("text", "Copy it.");
    let dag = Dag::new(
        "both",
        [
            ask("One?").reads(&text).yes(0.6).no(0.0),
            ask("Two?").reads(&text).yes(0.9).no(0.0),
            ask("Three?").reads(&text).yes(0.3).no(0.0),
        ],
    );
    let judge = || {
        FakeJudge::new()
            .when("task_output", r#"{"output": "x"}"#)
            .when("Two?", r#"{"reason": "It is two.", "verdict": "yes"}"#)
            .when("question", says("yes"))
    };
    assert_eq!(
        measured(&dag, &judge()).await,
        Ok(0.3),
        "the lowest by default"
    );
    for (rule, expected, why) in [
        (Leaves::Min, 0.3, "the answers were: Three? yes"),
        (Leaves::Max, 0.9, "it is two (Two? yes)"),
        (Leaves::First, 0.6, "the answers were: One? yes"),
        (
            Leaves::Mean,
            0.6,
            "0.60: the answers were: One? yes; 0.90: it is two (Two? yes); 0.30: the answers were: Three? yes",
        ),
    ] {
        let score = measure_with(&case(), &dag.clone().leaves(rule), judge())
            .await
            .unwrap();
        assert!((score.value - expected).abs() < 1e-12, "{rule:?}");
        assert_eq!(score.reason.as_deref(), Some(why));
        let detail = |name: &str| {
            score
                .details
                .iter()
                .find(|(known, _)| known == name)
                .unwrap()
                .1
                .clone()
        };
        assert_eq!(detail("leaves"), rule.name());
        assert_eq!(detail("scores"), json!([0.6, 0.9, 0.3]));
        assert_eq!(detail("path")[0], json!({"task": "text", "output": "x"}));
        assert_eq!(detail("path")[3]["question"], "Three?");
    }
}

#[tokio::test]
async fn a_metric_as_leaf_keeps_everything_of_it() {
    let clear = GEval::new("clear", "It is clear.")
        .given([Field::Output])
        .steps(["Look."])
        .rubric([(0..=3, "muddled"), (4..=10, "clear")])
        .at_least(0.9)
        .named("clarity");
    let dag = Dag::new("x", ask("Answered?").yes(clear).no(0.0));
    let judge = FakeJudge::new()
        .when("dag/question", says("yes"))
        .when("g_eval/score", r#"{"reason": "It is short.", "score": 7}"#);
    let score = measure_with(&case(), &dag, judge.clone()).await.unwrap();
    assert_eq!(
        (score.value, score.reason.as_deref()),
        (0.7, Some("it is short (Answered? yes)"))
    );
    assert!(judge.prompts()[1].text().contains("0-3: muddled"));
    let step = &score.details[0].1[1];
    assert_eq!(step["metric"], "clarity");
    assert_eq!(
        (&step["bar"], &step["met"]),
        (&json!("at least 0.90"), &json!(false))
    );
    assert_eq!(step["details"]["grade"], 7.0);

    let strict = GEval::new("clear", "It is clear.")
        .steps(["Look."])
        .strict();
    let judge = FakeJudge::new()
        .when("dag/question", says("yes"))
        .when("g_eval/strict", r#"{"reason": "", "score": 0}"#);
    assert_eq!(
        measured(&Dag::new("x", ask("Answered?").yes(strict).no(0.0)), &judge).await,
        Ok(0.0)
    );
}

#[tokio::test]
async fn a_leaf_asks_its_own_judge() {
    let own = FakeJudge::new().reply(r#"{"reason": "", "score": 4}"#);
    let clear = GEval::new("clear", "It is clear.").steps(["Look."]);
    let dag = Dag::new(
        "x",
        ask("Answered?").yes(clear.judged_by(own.clone())).no(0.0),
    );
    let judge = FakeJudge::new().reply(says("yes"));
    assert_eq!(measured(&dag, &judge).await, Ok(0.4));
    assert_eq!((purposes(&judge).len(), purposes(&own).len()), (1, 1));
}

#[tokio::test]
async fn a_leaf_that_does_not_apply_is_left_out() {
    let never = || {
        metric("never", |_: &TestCase| {
            Err::<f64, _>(NotApplicable::because("nothing is there"))
        })
    };
    let dag = Dag::new(
        "x",
        ask("Which?")
            .when(
                "both",
                [Node::from(never()), Node::from(fixed("half", 0.5))],
            )
            .otherwise(never()),
    );
    assert_eq!(
        measured(&dag, &FakeJudge::new().reply(says("both"))).await,
        Ok(0.5)
    );
    let error = measure_with(&case(), &dag, FakeJudge::new().reply(says("otherwise")))
        .await
        .unwrap_err();
    let skipped = error.downcast_ref::<NotApplicable>().unwrap();
    assert_eq!(
        skipped.reason(),
        "`never` does not apply because nothing is there"
    );
}

#[tokio::test]
async fn strict_takes_all_or_nothing() {
    let dag = Dag::new("x", ask("Good?").yes(1.0).no(0.9)).strict();
    assert_eq!(dag.bar(), Bar::AtLeast(1.0));
    assert_eq!(
        measured(&dag, &FakeJudge::new().reply(says("no"))).await,
        Ok(0.0)
    );
    assert_eq!(
        measured(&dag, &FakeJudge::new().reply(says("yes"))).await,
        Ok(1.0)
    );
}

#[tokio::test]
async fn yes_and_no_may_be_written_in_any_case_and_names_may_not() {
    let dag = Dag::new(
        "x",
        ask("Good?")
            .yes(ask("Which?").when("a", 0.1).when("A", 0.9))
            .no(0.0),
    );
    let judge = FakeJudge::new().reply(says("Yes.")).reply(says("A"));
    assert_eq!(measured(&dag, &judge).await, Ok(0.9));
}

#[tokio::test]
async fn a_missing_field_of_any_node_is_found_before_the_first_call() {
    let hidden = task("facts", "List facts.").given([Field::Expected]);
    let dag = Dag::new(
        "x",
        ask("Good?")
            .no(0.0)
            .yes(ask("Right?").reads(&hidden).yes(1.0).no(0.0)),
    );
    let judge = FakeJudge::new().reply(says("no"));
    let error = measure_with(&case(), &dag, judge.clone())
        .await
        .unwrap_err();
    assert_eq!(
        error.downcast_ref::<MissingField>().unwrap().field,
        "expected"
    );
    assert!(judge.prompts().is_empty());
}

#[tokio::test]
async fn a_node_sees_only_its_turns() {
    let turns = ["a0", "b1", "c2", "d3"].map(Turn::user);
    let case = TestCase::default().turns(turns);
    let window = |turns| Dag::new("x", ask("Good?").turns(turns).yes(1.0).no(0.0));
    let judge = FakeJudge::new().reply(says("yes"));
    measure_with(&case, &window(1..=2), judge.clone())
        .await
        .unwrap();
    let asked = judge.prompts()[0].text();
    assert!(
        asked.contains("conversation (turns 2 to 3 of 4):"),
        "{asked}"
    );
    assert!(
        asked.contains("user: b1\nuser: c2\n") && !asked.contains("a0") && !asked.contains("d3"),
        "{asked}"
    );
    let judge = FakeJudge::new();
    let error = measure_with(&case, &window(2..=4), judge.clone())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(
            "question `Good?` sees the turns 2 to 4, counted from 0, but the conversation has 4"
        ),
        "{error}"
    );
    assert!(judge.prompts().is_empty());
}

/// The message with which a graph is refused.
fn refused(start: impl Into<Node>) -> String {
    let graph = graph::Graph::of(&start.into());
    graph
        .and_then(|graph| Dag::with("x".to_string(), graph))
        .map(|_| ())
        .unwrap_err()
}

#[test]
fn what_cannot_be_measured_is_refused_with_the_name_of_the_node() {
    let text = || task("text", "Copy it.");
    let good = || ask("Good?").yes(1.0).no(0.0);
    let twice = ask("Good?").reads(&text()).reads(&text()).yes(1.0).no(0.0);
    let both = good().reads(&text());
    for (start, message) in [
        (Node::from(0.5), "it starts with the score 0.5"),
        (
            Node::from(Faithfulness::new()),
            "it starts with metric `faithfulness`",
        ),
        (
            Node::from([good(), ask("Other?").yes(1.0).no(0.0)]),
            "question `Good?` is a root beside question `Other?`",
        ),
        (
            Node::from(Vec::<Question>::new()),
            "the start leads to an empty list",
        ),
        (
            Node::from(
                ask("Good?")
                    .yes([Node::from(1.0), Node::from(good())])
                    .no(0.0),
            ),
            "question `Good?`, answer `yes`, leads to a list with the score 1",
        ),
        (Node::from(twice), "reads two tasks with the label `text`"),
        (
            Node::from(good().turns(RangeInclusive::new(3, 1))),
            "question `Good?` sees the turns 3 to 1, which are none",
        ),
        (
            Node::from(good().turns(0..=1).given([Field::Input])),
            "add `Field::Turns`",
        ),
        (
            Node::from(ask("Good?").yes(fixed("m", 1.0).at_most(0.3)).no(0.0)),
            "metric `m` is to be at most 0.30",
        ),
        (
            Node::from(ask("Good?").yes(fixed("m", 1.0).report_only()).no(0.0)),
            "metric `m` is report-only",
        ),
        (
            Node::from([both.clone(), ask("First?").reads(&text()).yes(both).no(0.0)]),
            "question `Good?` is a start, and an answer leads to it as well",
        ),
    ] {
        let problem = refused(start);
        assert!(problem.contains(message), "{problem}");
    }
}

#[test]
#[should_panic(expected = "`Dag` `x`: question `Two?` is a root beside question `One?`")]
fn the_builder_panics_with_its_name() {
    let _ = Dag::new(
        "x",
        [ask("Two?").yes(1.0).no(0.0), ask("One?").yes(1.0).no(0.0)],
    );
}

#[test]
fn a_drawing_escapes_what_the_author_wrote() {
    let text = task("a\"b", "Say <script>alert(1)</script> %%{init}%%\nnow.");
    let dag = Dag::new(
        "x",
        ask("A|B `c` #1;?")
            .reads(&text)
            .when("x\"]", 1.0)
            .otherwise(Faithfulness::new()),
    );
    assert_eq!(
        dag.to_mermaid(),
        "\
flowchart TD
    n0{\"A#124;B #96;c#96; #35;1;?\"}
    n1 --> n0
    n0_0([\"1\"])
    n0 -->|\"x#34;]\"| n0_0
    n0 -->|\"otherwise\"| n2
    n1[\"a#34;b: Say #60;script#62;alert(1)#60;/script#62; #37;#37;{init}#37;#37; now.\"]
    n2[[\"faithfulness\"]]
"
    );
    assert_eq!(
        dag.to_text(),
        "\
x
├─ task a\"b: Say <script>alert(1)</script> %%{init}%% now.
└─ A|B `c` #1;? [a\"b]
   ├─ x\"]: 1
   └─ otherwise: metric faithfulness
"
    );
}

#[tokio::test]
async fn independent_questions_are_asked_at_the_same_time() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Answers yes, and counts how many calls are open at once.
    #[derive(Clone, Default)]
    struct Slow {
        open: Arc<AtomicUsize>,
        most: Arc<AtomicUsize>,
    }

    impl crate::Judge for Slow {
        fn model(&self) -> &'static str {
            "slow"
        }

        async fn complete(&self, prompt: &crate::Prompt) -> crate::Result<crate::Reply> {
            let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(open, Ordering::SeqCst);
            tokio::task::yield_now().await;
            self.open.fetch_sub(1, Ordering::SeqCst);
            let task = prompt.purpose.ends_with("task_output");
            Ok(crate::Reply::new(if task {
                r#"{"output": "x"}"#.to_string()
            } else {
                says("yes")
            }))
        }
    }

    let tasks = ["a", "b", "c"].map(|label| task(label, format!("Copy {label}.")));
    let all = tasks.iter().fold(ask("All?"), ask_reading).yes(1.0).no(0.0);
    let slow = Slow::default();
    measure_with(&case(), &Dag::new("x", all), slow.clone())
        .await
        .unwrap();
    assert_eq!(slow.most.load(Ordering::SeqCst), 3);
}

fn ask_reading(question: Question, task: &Task) -> Question {
    question.reads(task)
}
