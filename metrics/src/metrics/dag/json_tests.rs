use super::*;
use crate::{FakeJudge, MissingField, TestCase, measure_with, metric};
use serde_json::{Value, json};

fn verdict(verdict: impl Into<Value>, score: f64) -> Value {
    json!({"type": "verdict", "verdict": verdict.into(), "score": score})
}

fn toward(verdict: impl Into<Value>, child: &str) -> Value {
    json!({"type": "verdict", "verdict": verdict.into(), "children": [child]})
}

fn question(verdicts: &[&str]) -> Value {
    json!({"type": "yes_no", "question": "Good?", "children": verdicts})
}

fn task_to(children: &[&str]) -> Value {
    json!({"type": "task", "label": "text", "instructions": "Copy it.", "children": children})
}

fn read(nodes: Value) -> Result<Dag, String> {
    Dag::from_json(&json!({"name": "x", "nodes": nodes}).to_string())
        .map_err(|error| error.to_string())
}

#[test]
fn what_cannot_be_measured_is_an_error_that_names_the_node() {
    let (yes, no) = (verdict(true, 1.0), verdict(false, 0.0));
    let cases = [
        (json!({}), "it has no nodes"),
        (
            json!({"q": {"type": "Question"}}),
            "node `q` must have a `type`",
        ),
        (
            json!({"q": {"type": "yes_no", "ask": "?"}}),
            "node `q`: `ask` is not known; it may have `type`, `question`",
        ),
        (
            json!({"q": question(&["y"]), "y": yes}),
            "node `q`: it needs both",
        ),
        (
            json!({"q": question(&["y", "n"]), "y": yes, "n": yes}),
            "node `q`: it has the verdict `yes` twice",
        ),
        (
            json!({"q": question(&["y", "n"]), "y": verdict("yes", 1.0), "n": no}),
            "the `verdict` of `y` must be true or false, but it is \"yes\"",
        ),
        (
            json!({"q": {"type": "choice", "question": "?", "children": []}}),
            "node `q`: it has no verdicts",
        ),
        (
            json!({"q": {"type": "choice", "question": "?", "children": ["y"]}, "y": yes}),
            "the `verdict` of `y` must be a text",
        ),
        (
            json!({"q": question(&["y", "n"]), "y": verdict(true, 1.1), "n": no}),
            "node `q`: verdict `y`: its score must be from 0 to 1, but it is 1.1",
        ),
        (
            json!({"q": question(&["y", "n"]), "y": {"type": "verdict", "verdict": true}, "n": no}),
            "neither a score nor children",
        ),
        (
            json!({"q": question(&["y", "n"]), "y": {"type": "verdict", "verdict": true, "score": 1, "children": ["q"]}, "n": no}),
            "a score and children",
        ),
        (
            json!({"q": question(&["y", "n"]), "y": toward(true, "z"), "n": no}),
            "verdict `y`: there is no node `z`",
        ),
        (
            json!({"q": question(&["y", "n"]), "y": toward(true, "q"), "n": no}),
            "it goes round in a circle: node `q` → node `q`",
        ),
        (
            json!({"t": task_to(&["u"]), "u": task_to(&["t"])}),
            "it goes round in a circle: node `t` → node `u` → node `t`",
        ),
        (
            json!({"q": question(&["y", "n"]), "y": yes, "n": no, "z": yes}),
            "verdict `z` belongs to no question",
        ),
        (
            json!({"t": task_to(&["y"]), "q": question(&["y", "n"]), "y": yes, "n": no}),
            "node `t`: its child `y` is a verdict",
        ),
        (json!({"t": task_to(&[])}), "nothing reads node `t`"),
        (
            json!({"q": question(&["y", "n"]), "p": question(&["y", "n"]), "y": yes, "n": no}),
            "verdict `y` belongs to both `p` and `q`",
        ),
        (
            json!({"q": question(&["y", "n"]), "p": question(&["v", "w"]), "y": yes, "n": no, "v": yes, "w": no}),
            "node `p` is a root beside node `q`",
        ),
        (
            json!({"q": question(&["y", "n"]), "y": yes, "n": no, "m": {"type": "metric", "metric": "faithfulness"}}),
            "it starts with node `m`",
        ),
        (
            json!({"t": task_to(&["m"]), "m": {"type": "metric", "metric": "faithfulness"}}),
            "a task leads to node `m`",
        ),
        (
            json!({"q": question(&["y", "n"]), "y": toward(true, "m"), "n": no, "m": {"type": "metric", "metric": "magic"}}),
            "node `m`: metric `magic`: it is not known",
        ),
        (
            json!({"q": question(&["y", "n"]), "y": toward(true, "m"), "n": no, "m": {"type": "metric", "metric": "faithfulness", "options": {"magic": 1}}}),
            "it has no option `magic`",
        ),
        (
            json!({"q": {"type": "yes_no", "question": "?", "turns": [1], "children": ["y", "n"]}, "y": yes, "n": no}),
            "`turns` must be `[first, last]`",
        ),
        (
            json!({"q": {"type": "yes_no", "question": "?", "turns": [3, 1], "children": ["y", "n"]}, "y": yes, "n": no}),
            "node `q` sees the turns 3 to 1",
        ),
        (
            json!({"q": {"type": "yes_no", "question": "?", "fields": ["answer"], "children": ["y", "n"]}, "y": yes, "n": no}),
            "node `q`: `fields` must be a list of fields",
        ),
    ];
    for (nodes, message) in cases {
        let error = read(nodes.clone()).unwrap_err();
        assert!(
            error.starts_with("the DAG `x`: ") && error.contains(message),
            "{nodes}\n{error}"
        );
    }
    for (text, message) in [
        ("[]", "this is no DAG: a JSON object is expected"),
        (
            "{\"name\": \"x\", \"nodes\": {\"q\": {}, \"q\": {}}}",
            "the key `q` stands there twice",
        ),
        ("{\"nodes\": {}}", "`name` must be a text"),
        ("{\"name\": \" \", \"nodes\": {}}", "it needs a name"),
    ] {
        let error = Dag::from_json(text).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn the_options_of_a_document_are_checked_too() {
    let with = |key: &str, value: Value| {
        let nodes =
            json!({"q": question(&["y", "n"]), "y": verdict(true, 1.0), "n": verdict(false, 0.0)});
        let mut document = json!({"name": "x", "nodes": nodes});
        document[key] = value;
        Dag::from_json(&document.to_string()).map_err(|error| error.to_string())
    };
    for (key, value, message) in [
        (
            "leaves",
            json!("last"),
            "`leaves` must be `min`, `max`, `mean` or `first`, not `last`",
        ),
        ("strict", json!("yes"), "`strict` must be true or false"),
        ("language", json!(""), "`language` must name a language"),
        (
            "prompts",
            json!({"steps": ""}),
            "`prompts`: `steps` is not known",
        ),
        ("fields", json!([]), "`fields` is empty"),
        (
            "roots",
            json!(["y"]),
            "there is no node `y` that could be one",
        ),
        ("roots", json!(["q", "q"]), "`roots` names `q` twice"),
        ("roots", json!([]), "nothing starts it"),
    ] {
        let error = with(key, value).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
    assert!(with("roots", json!(["q"])).is_ok());
}

#[test]
fn a_root_to_which_something_leads_is_refused() {
    let document = json!({"name": "x", "roots": ["t", "u"], "nodes": {
        "t": task_to(&["u"]), "u": task_to(&["q"]), "q": question(&["y", "n"]),
        "y": verdict(true, 1.0), "n": verdict(false, 0.0),
    }});
    let error = Dag::from_json(&document.to_string())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("node `u` is a root, but another node leads to it"),
        "{error}"
    );
    let document = json!({"name": "x", "roots": ["q"], "nodes": {
        "t": task_to(&["u"]), "u": question(&["v", "w"]), "v": verdict(true, 1.0), "w": verdict(false, 1.0),
        "q": question(&["y", "n"]), "y": verdict(true, 1.0), "n": verdict(false, 0.0),
    }});
    let error = Dag::from_json(&document.to_string())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("node `u` is never reached from a root"),
        "{error}"
    );
}

/// `first` leads by yes to task `t1` and by no to `t2`; `both` waits for the two.
#[test]
fn a_path_that_ends_without_a_score_is_refused() {
    let nodes = json!({
        "first": question(&["y", "n"]), "y": toward(true, "t1"), "n": toward(false, "t2"),
        "t1": task_to(&["both"]),
        "t2": {"type": "task", "label": "other", "instructions": "Copy it.", "children": ["both"]},
        "both": question(&["v", "w"]), "v": verdict(true, 1.0), "w": verdict(false, 0.0),
    });
    let error = read(nodes).unwrap_err();
    assert!(
        error.contains(
            "it can end without a score: after node `first`: `yes`; node `both` waits for node `t2`"
        ),
        "{error}"
    );
}

/// Two questions, each of which scores unless the other leads to the join as well.
#[tokio::test]
async fn a_join_of_two_answers_is_allowed_where_every_path_scores() {
    let nodes = json!({
        "t": task_to(&["a", "b"]),
        "a": {"type": "yes_no", "question": "A?", "children": ["ay", "an"]}, "ay": toward(true, "t1"), "an": verdict(false, 0.1),
        "b": {"type": "yes_no", "question": "B?", "children": ["by", "bn"]}, "by": toward(true, "t2"), "bn": verdict(false, 0.2),
        "t1": task_to(&["both"]),
        "t2": {"type": "task", "label": "other", "instructions": "Copy it.", "children": ["both"]},
        "both": {"type": "yes_no", "question": "Both?", "children": ["v", "w"]}, "v": verdict(true, 0.9), "w": verdict(false, 0.0),
    });
    let dag = read(nodes).unwrap();
    for (b, expected) in [("yes", 0.9), ("no", 0.2)] {
        let judge = FakeJudge::new()
            .when("task_output", r#"{"output": "x"}"#)
            .when("B?", json!({"verdict": b}))
            .when("question", r#"{"verdict": "yes"}"#);
        let score = measure_with(&TestCase::new("q", "a"), &dag, judge)
            .await
            .unwrap();
        assert_eq!(score.value, expected);
        if b == "yes" {
            assert_eq!(
                score.reason.as_deref(),
                Some("the answers were: A? yes → B? yes → Both? yes")
            );
        }
    }
}

#[test]
fn a_long_chain_of_shared_nodes_is_checked_quickly() {
    let mut next = ask("End?").when("a", 1.0).when("b", 0.0);
    for level in 0..60 {
        let one = ask(format!("{level} one?")).yes(next.clone()).no(0.0);
        let two = ask(format!("{level} two?")).yes(next).no(0.0);
        next = ask(format!("{level}?")).when("one", one).when("two", two);
    }
    assert_eq!(Dag::new("long", next).graph.nodes.len(), 181);
}

#[test]
fn a_graph_without_end_is_refused() {
    let mut nodes = serde_json::Map::new();
    for at in 0..3000 {
        let next = format!("q{}", at + 1);
        let (yes, no) = (format!("q{at}.y"), format!("q{at}.n"));
        nodes.insert(format!("q{at}"), question(&[&yes, &no]));
        nodes.insert(yes, toward(true, &next));
        nodes.insert(no, verdict(false, 0.0));
    }
    nodes.insert("q3000".to_string(), question(&["y", "n"]));
    nodes.insert("y".to_string(), verdict(true, 1.0));
    nodes.insert("n".to_string(), verdict(false, 0.0));
    let error = read(nodes.clone().into()).unwrap_err();
    assert!(
        error.contains("it has 3001 nodes, and may have 1000"),
        "{error}"
    );
    nodes.insert("q999.y".to_string(), verdict(true, 1.0));
    for at in 1000..=3000 {
        for id in [format!("q{at}"), format!("q{at}.y"), format!("q{at}.n")] {
            nodes.remove(&id);
        }
    }
    nodes.remove("y");
    nodes.remove("n");
    let dag = read(nodes.into()).unwrap();
    assert_eq!(dag.to_text().lines().count(), 2001 + 1);
}

#[tokio::test]
async fn everything_of_a_graph_is_written_and_read_again() {
    let summary = task("summary", "Summarise it.").given([Field::Output]);
    let short = ask("Is it short?")
        .reads(&summary)
        .given([Field::Input, Field::Output]);
    let house =
        Node::from(metric("house", |_: &TestCase| 0.25)).written("house", json!({"size": 3}));
    let dag = Dag::new(
        "sum",
        [
            short.when("yes, it is", house).when("otherwise", 0.125),
            ask("Polite?").reads(&summary).yes(1.0).no(0.0),
        ],
    )
    .given([Field::Output])
    .leaves(Leaves::First)
    .language("German")
    .prompt("question", "{{case}} {{question}} {{answers}}");
    let written = dag.to_json().unwrap();
    let again = Dag::from_json_with(&written, |name, options| {
        assert_eq!((name, options["size"].as_u64()), ("house", Some(3)));
        Ok(Some(Node::from(metric("house", |_: &TestCase| 0.25))))
    })
    .unwrap();
    assert_eq!(again.to_json().unwrap(), written);
    assert_eq!(
        (again.to_text(), again.to_mermaid()),
        (dag.to_text(), dag.to_mermaid())
    );
    let judge = || {
        FakeJudge::new()
            .when("task_output", r#"{"output": "x"}"#)
            .when("Polite?", r#"{"verdict": "no"}"#)
            .when("question", r#"{"verdict": "yes, it is"}"#)
    };
    let (one, two) = (judge(), judge());
    let case = TestCase::new("q", "a");
    let scores = [
        measure_with(&case, &dag, one.clone()).await.unwrap(),
        measure_with(&case, &again, two.clone()).await.unwrap(),
    ];
    assert_eq!(scores[0], scores[1]);
    assert_eq!(scores[0].value, 0.25);
    let texts = |judge: &FakeJudge| {
        judge
            .prompts()
            .iter()
            .map(crate::Prompt::text)
            .collect::<Vec<_>>()
    };
    assert_eq!(texts(&one), texts(&two));
    assert!(texts(&one)[1].contains("in German"));
}

#[test]
fn a_metric_made_in_rust_must_say_how_it_is_written() {
    let dag = Dag::new(
        "x",
        ask("Good?")
            .yes(metric("house", |_: &TestCase| 1.0))
            .no(0.0),
    );
    let error = dag.to_json().unwrap_err().to_string();
    let judged = metric("house", |_: &TestCase| 1.0).judged_by(FakeJudge::new());
    let judged = Node::from(judged).written("house", json!({}));
    let unknown = Dag::new("x", ask("Good?").yes(judged).no(0.0)).to_json();
    let unknown = unknown.unwrap_err().to_string();
    assert!(
        unknown.contains("the judge of metric `house` was made in Rust"),
        "{unknown}"
    );
    assert!(
        error.contains("metric `house` was made in Rust") && error.contains("hint: "),
        "{error}"
    );
}

#[test]
fn the_name_of_a_judge_is_written() {
    let house = metric("house", |_: &TestCase| 1.0).judged_by("strong");
    let house = Node::from(house).written("house", json!({}));
    let written = Dag::new("x", ask("Good?").yes(house).no(0.0))
        .to_json()
        .unwrap();
    let again = Dag::from_json_with(&written, |_, _| {
        Ok(Some(Node::from(metric("house", |_: &TestCase| 1.0))))
    });
    let again = again.unwrap().to_json().unwrap();
    assert!(
        written.contains("\"judge\": \"strong\"") && again == written,
        "{again}"
    );
}

#[tokio::test]
async fn a_metric_of_this_crate_is_made_by_name_with_its_options() {
    let with = |metric: Value| {
        read(json!({
            "q": question(&["y", "n"]), "y": toward(true, "m"), "n": verdict(false, 0.0), "m": metric,
        }))
    };
    let g_eval = json!({
        "type": "metric", "metric": "g_eval", "at_least": 0.9, "label": "clarity",
        "options": {"name": "clear", "criteria": "It is clear.", "steps": ["Look."], "fields": ["output"],
                    "rubric": [[0, 4, "muddled"], [5, 10, "clear"]], "language": "German"},
    });
    let dag = with(g_eval.clone()).unwrap();
    assert_eq!(
        Dag::from_json(&dag.to_json().unwrap())
            .unwrap()
            .to_json()
            .unwrap(),
        dag.to_json().unwrap()
    );
    assert_eq!(
        serde_json::from_str::<Value>(&dag.to_json().unwrap()).unwrap()["nodes"]["m"],
        g_eval
    );
    let judge = FakeJudge::new()
        .when("dag/question", r#"{"verdict": "yes"}"#)
        .when("g_eval/score", r#"{"reason": "", "score": 9}"#);
    let score = measure_with(&TestCase::new("q", "a"), &dag, judge.clone())
        .await
        .unwrap();
    assert_eq!(score.value, 0.9);
    assert_eq!(score.details[0].1[1]["bar"], "at least 0.90");
    assert_eq!(score.details[0].1[1]["metric"], "clarity");
    assert!(
        judge.prompts()[1].text().contains("0-4: muddled")
            && judge.prompts()[1].text().contains("in German")
    );

    let dag =
        with(json!({"type": "metric", "metric": "faithfulness", "options": {"truths_limit": 2}}))
            .unwrap();
    let judge = FakeJudge::new().when("dag/question", r#"{"verdict": "yes"}"#);
    let error = measure_with(&TestCase::new("q", "a"), &dag, judge)
        .await
        .unwrap_err();
    assert_eq!(
        error.downcast_ref::<MissingField>().unwrap().metric,
        "faithfulness"
    );
    for (options, message) in [
        (
            json!({"name": "clear"}),
            "`criteria` or `steps` must be there",
        ),
        (json!({"name": "", "criteria": "x"}), "`name` is empty"),
        (
            json!({"name": "clear", "criteria": "x", "steps": []}),
            "`steps` must hold at least one text",
        ),
        (
            json!({"name": "clear", "criteria": "x", "scale": [5, 5]}),
            "`scale` must go up",
        ),
        (
            json!({"name": "clear", "criteria": "x", "rubric": [[5, 11, "x"]]}),
            "not on the scale 0..=10",
        ),
        (
            json!({"name": "clear", "criteria": "x", "rubric": [[0, 5, "x"], [5, 9, "y"]]}),
            "overlap",
        ),
        (
            json!({"name": "clear", "criteria": "x", "rubric": [[5, 5, "x"]]}),
            "only one grade",
        ),
        (
            json!({"name": "clear", "criteria": "x", "strict": 1}),
            "`strict`: ",
        ),
    ] {
        let error =
            with(json!({"type": "metric", "metric": "g_eval", "options": options})).unwrap_err();
        assert!(
            error.contains("node `m`: metric `g_eval`: ") && error.contains(message),
            "{error}"
        );
    }
}

#[test]
fn every_name_makes_the_metric_of_that_name() {
    let plain = [
        "answer_correctness",
        "answer_relevancy",
        "argument_correctness",
        "bias",
        "citation_faithfulness",
        "context_entities_recall",
        "contextual_precision",
        "contextual_recall",
        "contextual_relevancy",
        "conversation_completeness",
        "exact_match",
        "faithfulness",
        "goal_accuracy",
        "hallucination",
        "knowledge_retention",
        "mcp_task_completion",
        "mcp_use",
        "multi_turn_mcp_use",
        "pii_leakage",
        "plan_adherence",
        "plan_quality",
        "requirements",
        "role_adherence",
        "step_efficiency",
        "summarization",
        "task_completion",
        "tool_correctness",
        "toxicity",
        "turn_contextual_precision",
        "turn_contextual_recall",
        "turn_contextual_relevancy",
        "turn_faithfulness",
        "turn_relevancy",
    ];
    let with_options = [
        ("contains", json!({"text": "x"})),
        ("misuse", json!({"domain": "shoes"})),
        ("non_advice", json!({"kinds": ["legal"]})),
        ("prompt_alignment", json!({"instructions": ["Be brief."]})),
        ("pattern_match", json!({"pattern": "a+"})),
        ("tool_permission", json!({"denied": ["delete"]})),
        ("tool_use", json!({"available_tools": [{"name": "search"}]})),
        ("role_violation", json!({"role": "a librarian"})),
        ("topic_adherence", json!({"topics": ["shoes"]})),
    ];
    let rules = json!({"must": ["cite the page"], "must_not": ["shout"]});
    let Value::Object(rules) = rules else {
        unreachable!()
    };
    assert!(builtin::metric("requirements", &rules).is_ok());
    let all = plain.map(|name| (name, json!({}))).into_iter();
    for (name, options) in all.chain(with_options) {
        let Value::Object(options) = options else {
            unreachable!()
        };
        let node = builtin::metric(name, &options).unwrap();
        let nodes::Then::Metric(leaf) = node.0 else {
            unreachable!()
        };
        assert_eq!(leaf.name(), name);
        if !options.is_empty() {
            let error = builtin::metric(name, &serde_json::Map::new()).unwrap_err();
            assert!(error.contains("` is missing") || error.contains("` must hold"));
        }
    }
}

#[test]
fn a_resolver_may_refuse_and_must_give_a_metric() {
    let document = json!({"name": "x", "nodes": {
        "q": question(&["y", "n"]), "y": toward(true, "m"), "n": verdict(false, 0.0),
        "m": {"type": "metric", "metric": "house", "options": {}},
    }})
    .to_string();
    let error = |given: fn() -> crate::Result<Option<Node>>| {
        Dag::from_json_with(&document, |_, _| given())
            .unwrap_err()
            .to_string()
    };
    assert!(error(|| Err("too small".into())).contains("metric `house`: too small"));
    assert!(error(|| Ok(Some(0.5.into()))).contains("resolved as something that is no metric"));
}
