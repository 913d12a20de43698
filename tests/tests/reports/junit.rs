//! `JUnit` XML: its structure, its counts, and that nothing breaks it.

use super::{as_in_file, hostile, shown};
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, XmlVersion};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What may stand in what, and in which order; `*` any number of times, `?` at most once.
const CHILDREN: &[(&str, &str)] = &[
    ("testsuites", "testsuite*"),
    ("testsuite", "properties? testcase* system-out? system-err?"),
    (
        "testcase",
        "properties? skipped? error? failure? rerunFailure* rerunError* system-out? system-err?",
    ),
    ("properties", "property*"),
];

/// The attributes of each element: those it must have, and those it may have.
const ATTRIBUTES: &[(&str, &str, &str)] = &[
    (
        "testsuites",
        "tests failures errors",
        "name skipped time timestamp",
    ),
    (
        "testsuite",
        "name tests failures errors",
        "skipped time timestamp",
    ),
    ("testcase", "name classname", "time file line"),
    ("property", "name value", ""),
    ("failure", "type message", ""),
    ("error", "type message", ""),
    ("skipped", "", "type message"),
    ("rerunFailure", "type message", "time"),
    ("rerunError", "type message", "time"),
];

struct Element {
    name: String,
    attributes: BTreeMap<String, String>,
    text: String,
    children: Vec<Element>,
}

impl Element {
    fn of(start: &BytesStart<'_>) -> Self {
        let attributes = start.attributes().map(|attribute| {
            let attribute = attribute.expect("an attribute");
            let name = String::from_utf8(attribute.key.as_ref().to_vec()).expect("UTF-8");
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .expect("an escaped value");
            (name, value.into_owned())
        });
        Self {
            name: String::from_utf8(start.name().as_ref().to_vec()).expect("UTF-8"),
            attributes: attributes.collect(),
            text: String::new(),
            children: Vec::new(),
        }
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    fn number(&self, name: &str) -> usize {
        self.attributes[name].parse().expect("a number")
    }

    fn property(&self, name: &str) -> Option<&str> {
        let all = self.all("properties").flat_map(|all| &all.children);
        let mut named = all.filter(|property| property.attributes["name"] == name);
        Some(&named.next()?.attributes["value"])
    }

    fn check(&self) {
        let shape = CHILDREN.iter().find(|(name, _)| *name == self.name);
        let mut found = self
            .children
            .iter()
            .map(|child| child.name.as_str())
            .peekable();
        for part in shape.map_or("", |(_, parts)| parts).split_whitespace() {
            let (name, many) = part.split_at(part.len() - 1);
            if many == "*" {
                while found.next_if_eq(&name).is_some() {}
            } else {
                found.next_if_eq(&name);
            }
        }
        assert_eq!(found.next(), None, "out of place in `{}`", self.name);
        if let Some((_, must, may)) = ATTRIBUTES.iter().find(|(name, ..)| *name == self.name) {
            for name in must.split_whitespace() {
                assert!(
                    self.attributes.contains_key(name),
                    "`{}` has no `{name}`",
                    self.name
                );
            }
            for name in self.attributes.keys() {
                let known = must.split_whitespace().chain(may.split_whitespace());
                assert!(
                    known.clone().any(|known| known == name),
                    "`{name}` of `{}`",
                    self.name
                );
            }
        } else {
            assert!(self.attributes.is_empty(), "attributes of `{}`", self.name);
        }
        for name in ["time", "line"] {
            if let Some(number) = self.attributes.get(name) {
                assert!(number.parse::<f64>().expect("a number") >= 0.0);
            }
        }
        self.children.iter().for_each(Self::check);
    }
}

/// Reads a document, and checks its structure.
pub(crate) fn checked(xml: &str) -> Root {
    // The characters of XML 1.0.
    let held = |c: char| matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert_eq!(xml.chars().find(|c| !held(*c)), None);
    let mut reader = Reader::from_str(xml);
    let mut open = vec![Element::of(&BytesStart::new("document"))];
    loop {
        match reader.read_event().expect("well-formed XML") {
            Event::Start(start) => open.push(Element::of(&start)),
            Event::Empty(start) => {
                let parent = open.last_mut().expect("a parent");
                parent.children.push(Element::of(&start));
            }
            Event::End(_) => {
                let done = open.pop().expect("an open element");
                open.last_mut().expect("a parent").children.push(done);
            }
            Event::Text(text) => {
                let text = text.decode().expect("UTF-8");
                open.last_mut().expect("a parent").text.push_str(&text);
            }
            Event::GeneralRef(_) | Event::Decl(_) => {}
            Event::Eof => break,
            other => panic!("not expected: {other:?}"),
        }
    }
    let mut document = open.pop().expect("the document");
    assert!(open.is_empty() && document.children.len() == 1);
    let root = document.children.remove(0);
    assert_eq!(root.name, "testsuites");
    root.check();
    for (attribute, element) in [
        ("failures", "failure"),
        ("errors", "error"),
        ("skipped", "skipped"),
    ] {
        let mut all = 0;
        for suite in root.all("testsuite") {
            let count = suite
                .all("testcase")
                .flat_map(|case| case.all(element))
                .count();
            assert_eq!(suite.number(attribute), count, "{attribute}");
            assert_eq!(suite.number("tests"), suite.all("testcase").count());
            all += count;
        }
        assert_eq!(root.number(attribute), all, "{attribute}");
    }
    Root(root)
}

pub(crate) struct Root(Element);

impl Root {
    fn case(&self, name: &str) -> &Element {
        let mut cases = self
            .0
            .all("testsuite")
            .flat_map(|suite| suite.all("testcase"));
        let found = cases.find(|case| case.attributes["name"] == name);
        found.unwrap_or_else(|| panic!("no case `{name}`"))
    }

    /// How many cases there are.
    pub(crate) fn cases(&self) -> usize {
        self.0.number("tests")
    }
}

fn junit(run: &Value) -> String {
    shown(run, None, &["--format", "junit"])
}

#[test]
fn the_document_is_whole_whatever_the_texts_are() {
    let text = junit(&hostile::run());
    let root = checked(&text);
    assert_eq!(root.cases(), 5);
    assert!(text.len() < 100_000, "{} bytes", text.len());
    let late = root.case("late <b>@all</b> |`#5`");
    assert_eq!(late.attributes["classname"], "evals::refunds");
    assert_eq!(
        (&*late.attributes["file"], &*late.attributes["line"]),
        ("tests/evals.rs", "12")
    );
    assert_eq!(late.property("score.faithfulness"), Some("0.2000"));
    assert_eq!(late.property("dataset"), Some("data/rows.jsonl:7"));
    let failure = late.all("failure").next().expect("a failure");
    assert_eq!(
        failure.attributes["message"],
        "faithfulness 0.20, at least 0.70 expected"
    );
    assert!(failure.text.contains("because "), "{}", failure.text);
    // Escape codes go with their parameters.
    assert!(text.contains("\nred ") && !text.contains("[31m"), "{text}");
    assert!(!text.contains('\u{202e}'));
    let suite = root.0.all("testsuite").next().expect("a suite");
    assert_eq!(suite.property("llmtest.run"), Some("r-1"));
    as_in_file("hostile.junit.xml", &text);
}

#[test]
fn trials_that_did_not_pass_are_reruns_and_a_dataset_excuses_its_rows() {
    let mut run = hostile::run();
    let failed = run["tests"][0]["trials"][0].clone();
    run["tests"][0]["trials"] = json!([failed, failed, failed]);
    let root = checked(&junit(&run));
    let case = root.case("late <b>@all</b> |`#5`");
    assert_eq!(case.all("rerunFailure").count(), 2);
    assert_eq!(case.property("trials.passed"), Some("0"));
    let message = &case.all("failure").next().expect("a failure").attributes["message"];
    assert!(
        message.starts_with("0 of 3 trials passed, 1 needed"),
        "{message}"
    );

    let group = |outcome: &str| {
        json!([{"test": "refunds", "binary": "evals", "file": "tests/evals.rs", "line": 12, "outcome": outcome,
            "pass_rate": 0.0, "rows": {"failed": 1}, "attempt": 1}])
    };
    run["groups"] = group("passed");
    let root = checked(&junit(&run));
    let row = root.case("late <b>@all</b> |`#5`");
    assert_eq!(
        (row.all("failure").count(), row.property("outcome")),
        (0, Some("failed"))
    );
    assert_eq!(root.case("refunds").all("failure").count(), 0);
    run["groups"] = group("failed");
    let root = checked(&junit(&run));
    assert_eq!(root.0.number("failures"), 2);
}
