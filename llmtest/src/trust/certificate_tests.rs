use super::*;
use crate::trust::{Fields, read};

const ROWS: &str = "{\"id\": 1, \"label\": true, \"verdict\": true}\n{\"id\": 2, \"label\": false, \"verdict\": false}";

fn items(rows: &str) -> Vec<Item> {
    read("rows.jsonl", rows, &Fields::default()).unwrap()
}

fn now() -> Current {
    let prompts = [("g_eval".to_string(), "ab12".to_string())].into();
    Current {
        model: Some("tiny".into()),
        prompts: Some(prompts),
        params: Some(serde_json::from_str("{\"temperature\": 0}").unwrap()),
        ..Current::default()
    }
}

fn certificate() -> Certificate {
    let items = items(ROWS);
    let report = Report::of(&items, Floor::default(), None).unwrap();
    Certificate::new(report, &items, Floor::default(), now(), "2026-11-23".into())
}

#[test]
fn a_certificate_is_read_as_it_was_written() {
    let text = serde_json::to_string(&certificate()).unwrap();
    assert_eq!(Certificate::from_json(&text).unwrap(), certificate());
    let other = text.replacen("\"format\":1", "\"format\":2", 1);
    assert!(
        Certificate::from_json(&other)
            .unwrap_err()
            .contains("format 2")
    );
    assert!(
        Certificate::from_json("{}")
            .unwrap_err()
            .contains("certify")
    );
}

#[test]
fn what_has_changed_makes_it_stale_and_what_is_unknown_does_not() {
    let found = certificate();
    assert_eq!(found.check(&now()), Freshness::Fresh);
    assert_eq!(found.check(&Current::default()), Freshness::Fresh);
    let mut current = now();
    current
        .prompts
        .as_mut()
        .unwrap()
        .insert("g_eval".into(), "cd34".into());
    assert_eq!(
        found.check(&current).to_string(),
        "stale: the prompt of g_eval changed"
    );
    current.prompts = Some(BTreeMap::new());
    current.model = Some("huge".into());
    current.params = Some(Map::new());
    let said = found.check(&current).to_string();
    for part in [
        "the model changed from `tiny` to `huge`",
        "no longer used",
        "parameters changed: temperature",
    ] {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn labels_count_and_their_order_and_the_verdicts_do_not() {
    let of = |rows: &str| certificate().check(&now().labels(&items(rows))).to_string();
    let (first, second) = ROWS.split_once('\n').unwrap();
    assert_eq!(of(ROWS), "fresh");
    assert_eq!(
        of(&format!("{second}\n{first}").replace("\"verdict\": true", "\"verdict\": false")),
        "fresh"
    );
    assert_eq!(
        of(&ROWS.replace("\"label\": true", "\"label\": false")),
        "stale: the labels changed"
    );
    assert_eq!(of(first), "stale: the labels changed");
}

#[test]
fn today_is_a_day_after_this_was_written() {
    assert!(today().as_str() > "2026-11-22" && today().len() == 10);
}
