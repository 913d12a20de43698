use super::*;
use crate::trust::{Fields, read};
use serde_json::json;

fn report(rows: &[serde_json::Value]) -> Report {
    let text: Vec<String> = rows.iter().map(ToString::to_string).collect();
    let fields = Fields {
        score: Some("score".into()),
        ..Fields::default()
    };
    let fields = Fields {
        group: rows[0].get("group").map(|_| "group".into()),
        ..fields
    };
    Report::of(
        &read("rows.jsonl", &text.join("\n"), &fields).unwrap(),
        Floor::default(),
        None,
    )
    .unwrap()
}

fn rows(counts: [usize; 4]) -> Vec<serde_json::Value> {
    let pairs = [(true, true), (true, false), (false, true), (false, false)];
    let of = |((label, verdict), n)| vec![json!({"label": label, "verdict": verdict}); n];
    pairs.into_iter().zip(counts).flat_map(of).collect()
}

#[test]
fn a_judge_below_the_floor_may_not_gate_and_the_sentence_says_why() {
    let found = report(&rows([90, 10, 29, 71]));
    assert_eq!(
        found.gate.sentence(),
        "may not gate because specificity 0.71 < 0.80"
    );
    assert!(
        found.table().contains("the judge may not gate because"),
        "{}",
        found.table()
    );
}

#[test]
fn a_judge_above_the_floor_may_gate_with_what_to_bear_in_mind() {
    assert_eq!(report(&rows([98, 2, 2, 98])).gate.sentence(), "may gate");
    let few = report(&rows([9, 1, 0, 10])).gate.sentence();
    assert!(few.starts_with("may gate, but the interval of"), "{few}");
}

#[test]
fn a_missing_verdict_is_neither_right_nor_wrong() {
    let mut rows = rows([5, 0, 0, 5]);
    rows.push(json!({"label": true, "verdict": null}));
    rows.push(json!({"label": true, "verdict": [true, false]}));
    let found = report(&rows);
    assert_eq!((found.judged, found.missing), (10, 2));
    assert_eq!(found.figure("accuracy").unwrap().value, Some(1.0));
}

#[test]
fn repeats_show_noise_and_the_majority_decides() {
    let rows = [
        json!({"label": 1, "verdict": [1, 1, 0]}),
        json!({"label": 0, "verdict": [0, 0, 0]}),
    ];
    let found = report(&rows);
    assert_eq!(found.figure("accuracy").unwrap().value, Some(1.0));
    assert_eq!(found.figure("flipping").unwrap().value, Some(0.5));
    assert!(
        found
            .gate
            .because
            .iter()
            .any(|reason| reason.contains("2 items only"))
    );
}

#[test]
fn people_are_compared_with_each_other() {
    let rows = [
        json!({"label": ["yes", "yes", "no"], "verdict": "yes"}),
        json!({"label": ["no", "no", "no"], "verdict": "no"}),
    ];
    let found = report(&rows);
    assert_eq!(
        found.figure("people 1 and 2, kappa").unwrap().value,
        Some(1.0)
    );
    assert_eq!(
        found.figure("people 1 and 3, kappa").unwrap().value,
        Some(0.0)
    );
    assert!(found.figure("people, alpha").unwrap().value.unwrap() < 1.0);
}

#[test]
fn pairs_are_judged_in_both_orders() {
    let rows = [
        json!({"label": "A", "verdict": ["A", "A"]}),
        json!({"label": "B", "verdict": ["A", "B"]}),
        json!({"label": "B", "verdict": ["B", null]}),
    ];
    let found = report(&rows);
    assert_eq!(found.kind, Kind::Pairs);
    assert_eq!(found.figure("accuracy").unwrap().value, Some(2.0 / 3.0));
    assert_eq!(found.figure("consistency").unwrap().value, Some(0.5));
    let one = report(&[
        json!({"label": "A", "verdict": "A"}),
        json!({"label": "B", "verdict": "B"}),
    ]);
    assert!(one.figure("consistency").is_none() && !one.gate.may);
}

#[test]
fn words_are_classes() {
    let rows = [
        json!({"label": "red", "verdict": "red"}),
        json!({"label": "blue", "verdict": "green"}),
    ];
    let found = report(&rows);
    assert_eq!(
        (found.kind, found.figure("macro recall").unwrap().value),
        (Kind::Classes, Some(0.5))
    );
}

#[test]
fn numbers_correlate_over_the_data_set_and_in_groups() {
    let row = |group: &str, label: f64, score: f64| json!({"group": group, "label": label, "score": score});
    let rows = [
        row("a", 1.0, 2.0),
        row("a", 2.0, 3.0),
        row("a", 4.0, 9.0),
        row("b", 3.0, 1.0),
        row("b", 3.0, 5.0),
    ];
    let found = report(&rows);
    assert_eq!(found.kind, Kind::Numbers);
    let within = found.figure("Spearman, in groups").unwrap().value.unwrap();
    assert!((within - 1.0).abs() < 1e-12);
    assert!(
        found.table().contains("undefined in 1 of 2"),
        "{}",
        found.table()
    );
    assert!(found.gate.sentence().contains("--bar"));
}

#[test]
fn a_bar_makes_yes_and_no_of_numbers() {
    let text = "{\"label\": [4, 5], \"score\": 0.9}\n{\"label\": [1, 2], \"score\": 0.2}";
    let fields = Fields {
        score: Some("score".into()),
        ..Fields::default()
    };
    let items = read("rows.jsonl", text, &fields).unwrap();
    let found = Report::of(&items, Floor::default(), Some(0.5)).unwrap();
    assert_eq!(
        (found.kind, found.figure("accuracy").unwrap().value),
        (Kind::Binary, Some(0.5))
    );
}

#[test]
fn labels_and_scores_may_have_bars_of_their_own() {
    let text = "{\"label\": [4, 5], \"score\": 0.9}\n{\"label\": [1, 2], \"score\": 0.2}";
    let fields = Fields {
        score: Some("score".into()),
        ..Fields::default()
    };
    let items = read("rows.jsonl", text, &fields).unwrap();
    let bars = Bars {
        labels: Some(4.0),
        scores: Some(0.7),
    };
    let found = Report::of(&items, Floor::default(), bars).unwrap();
    assert_eq!(found.figure("accuracy").unwrap().value, Some(1.0));
    assert_eq!(found.bars, bars);
    let text = "{\"label\": \"yes\", \"score\": 0.9}\n{\"label\": \"no\", \"score\": 0.6}";
    let items = read("rows.jsonl", text, &fields).unwrap();
    let bars = Bars {
        labels: None,
        ..bars
    };
    let found = Report::of(&items, Floor::default(), bars).unwrap();
    assert_eq!(found.figure("accuracy").unwrap().value, Some(1.0));
}

#[test]
fn grades_agree_by_their_distance_and_by_their_order() {
    let row = |(label, score): (u32, u32)| json!({"label": label, "score": score});
    let pairs = [(1, 1), (2, 2), (3, 4), (4, 4), (5, 5), (3, 1)];
    let found = report(&pairs.map(row));
    let near = |name: &str, value: f64| {
        let figure = found.figure(name).unwrap();
        assert!((figure.value.unwrap() - value).abs() < 1e-12, "{figure:?}");
    };
    // By their formulas, in another program.
    near("kappa, quadratic", 0.8);
    near("alpha, ordinal", 0.823_333_333_333_333_4);
    let odd = report(&[
        json!({"label": 1, "score": 0.5}),
        json!({"label": 3, "score": 2}),
    ]);
    assert_eq!(odd.figure("kappa, quadratic"), None);
}

#[test]
fn labels_without_verdicts_are_an_error() {
    let items = read("rows.jsonl", "{\"label\": true}", &Fields::default()).unwrap();
    assert!(
        Report::of(&items, Floor::default(), None)
            .unwrap_err()
            .contains("--verdict")
    );
    let items = read(
        "rows.jsonl",
        "{\"label\": [true, false]}",
        &Fields::default(),
    )
    .unwrap();
    assert!(
        Report::of(&items, Floor::default(), None)
            .unwrap_err()
            .contains("--label")
    );
}
