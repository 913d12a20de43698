//! What a baseline that is a whole run had put out: what is committed as a baseline holds no texts.

use crate::results::TestRecord;
use crate::results::stream::Cases;
use serde_json::Value;
use std::collections::HashMap;

/// How many bytes are held in all, and of one text.
const MOST: usize = 64 << 20;
const TEXT: usize = 100_000;

/// The outputs of a run, by `binary::test::row`, trial and place.
#[derive(Default)]
pub(crate) struct Outputs {
    cases: HashMap<String, Vec<Vec<Option<String>>>>,
    bytes: usize,
}

fn outputs(case: &TestRecord) -> impl Iterator<Item = Vec<Option<&str>>> {
    case.trials.iter().map(|trial| {
        let texts = trial.cases.iter();
        texts.map(|case| case.get("output")?.as_str()).collect()
    })
}

impl Outputs {
    /// Those that differ from what the case says now; null where all are the same, or nothing is known.
    pub(super) fn before(&self, name: &str, case: &TestRecord) -> Value {
        let Some(then) = self.cases.get(name) else {
            return Value::Null;
        };
        let now: Vec<Vec<Option<&str>>> = outputs(case).collect();
        let mut differs = false;
        let trials = then.iter().enumerate().map(|(trial, texts)| {
            let texts = texts.iter().enumerate().map(|(at, text)| {
                let same = now.get(trial).and_then(|now| now.get(at)) == Some(&text.as_deref());
                differs |= !same && text.is_some();
                text.as_deref().filter(|_| !same).into()
            });
            Value::Array(texts.collect())
        });
        let trials = Value::Array(trials.collect());
        if differs { trials } else { Value::Null }
    }
}

impl Cases for Outputs {
    fn add(&mut self, case: &TestRecord) {
        let mut held = Vec::new();
        for trial in outputs(case) {
            let texts = trial.into_iter().map(|text| {
                let text =
                    text.filter(|text| text.len() <= TEXT && self.bytes + text.len() <= MOST);
                self.bytes += text.map_or(0, str::len);
                text.map(str::to_string)
            });
            held.push(texts.collect());
        }
        let known = held
            .iter()
            .any(|texts: &Vec<_>| texts.iter().any(Option::is_some));
        if known {
            let name = format!("{}::{}", case.binary, case.name());
            self.cases.insert(name, held);
        }
    }
}
