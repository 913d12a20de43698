//! Reading labels and verdicts: JSON lines, CSV, and the records of runs.

use super::Mark;
use crate::dataset::escape_id;
use crate::text::{clean, clean_name};
use crate::{MeasurementRecord, Outcome, RunReport, TestRecord};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};

/// One item that people labelled.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Item {
    /// Its id, unique in its file; the number of its line where it has none.
    pub id: String,
    /// What it belongs to: a document, a conversation.
    pub group: Option<String>,
    /// What each person said; none where one did not.
    pub labels: Vec<Option<Mark>>,
    /// What the judge said each time; none where it gave no verdict.
    pub verdicts: Vec<Option<Mark>>,
    /// The judge's scores, each time.
    pub scores: Vec<f64>,
}

impl Item {
    /// Of a pair whose second verdict is in the numbering of the swapped answers, as they were shown: puts it in that of
    /// the data.
    pub fn unswapped(mut self) -> Self {
        if let Some(second) = self.verdicts.get_mut(1) {
            *second = match second.take() {
                Some(Mark::First) => Some(Mark::Second),
                Some(Mark::Second) => Some(Mark::First),
                other => other,
            };
        }
        self
    }
}

/// Where a row has what: the name of a column; a path such as `human.coherence`; or a JSON pointer such as
/// `/judges/*/verdict_pass`, in which `*` is every element of a list. A list of labels is one a person, a list of
/// verdicts one a repeat.
#[derive(Debug, Clone, PartialEq)]
pub struct Fields {
    /// The id; rows may lack it.
    pub id: String,
    /// What people said.
    pub label: String,
    /// What the judge said.
    pub verdict: String,
    /// The judge's score.
    pub score: Option<String>,
    /// What the row belongs to.
    pub group: Option<String>,
    /// What words of this data set mean, such as `1` for A.
    pub words: Vec<(String, Mark)>,
}

impl Default for Fields {
    fn default() -> Self {
        Self {
            id: "id".into(),
            label: "label".into(),
            verdict: "verdict".into(),
            score: None,
            group: None,
            words: Vec::new(),
        }
    }
}

/// Reads the text of a file: JSON lines, or CSV where `name` ends in `.csv`.
///
/// # Errors
///
/// Names the file and the line: what is no JSON object, has no label field, or has the id of another row. A file without
/// rows is an error too.
///
/// ```
/// use llmtest::trust::{Fields, Mark, read};
///
/// let rows = r#"{"id": "a", "label": "good", "verdict": [true, false, null]}"#;
/// let items = read("labels.jsonl", rows, &Fields::default()).unwrap();
/// assert_eq!(items[0].labels, [Some(Mark::Yes)]);
/// assert_eq!(items[0].verdicts, [Some(Mark::Yes), Some(Mark::No), None]);
/// ```
pub fn read(name: &str, text: &str, fields: &Fields) -> Result<Vec<Item>, String> {
    // Ids and names of fields are anybody's.
    items(name, text, fields).map_err(|error| clean(&error))
}

fn items(name: &str, text: &str, fields: &Fields) -> Result<Vec<Item>, String> {
    let rows = if name.to_lowercase().ends_with(".csv") {
        csv_rows(name, text)?
    } else {
        lines(name, text)?
    };
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut items = Vec::new();
    for (line, row) in rows {
        let item = fields
            .item(line, &row)
            .map_err(|problem| format!("{name}:{line}: {problem}"))?;
        if let Some(first) = seen.insert(item.id.clone(), line) {
            return Err(format!(
                "{name}:{line}: the id `{}` is already used on line {first}\nhint: name the field that tells rows apart with `--id`",
                item.id
            ));
        }
        items.push(item);
    }
    if items.is_empty() {
        return Err(format!(
            "{name}: has no rows\nhint: a row is {{\"id\": \"a\", \"label\": true, \"verdict\": true}}"
        ));
    }
    Ok(items)
}

fn lines(name: &str, text: &str) -> Result<Vec<(usize, Value)>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| match serde_json::from_str(line) {
            Ok(row @ Value::Object(_)) => Ok((number, row)),
            Ok(_) => Err(format!(
                "{name}:{number}: is no JSON object\nhint: each line is one"
            )),
            Err(error) => Err(format!(
                "{name}:{number}: is not JSON: {error}\nhint: each line is one JSON object"
            )),
        })
        .collect()
}

#[cfg(feature = "csv")]
fn csv_rows(name: &str, text: &str) -> Result<Vec<(usize, Value)>, String> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let headers = reader
        .headers()
        .map_err(|error| format!("{name}: {error}"))?
        .clone();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| format!("{name}: {error}"))?;
        let line = record.position().map_or(0, csv::Position::line);
        let cells = headers
            .iter()
            .zip(&record)
            .map(|(header, cell)| (header.to_string(), Value::from(cell)));
        rows.push((
            usize::try_from(line).unwrap_or(usize::MAX),
            Value::Object(cells.collect()),
        ));
    }
    Ok(rows)
}

#[cfg(not(feature = "csv"))]
fn csv_rows(name: &str, _text: &str) -> Result<Vec<(usize, Value)>, String> {
    Err(format!(
        "{name}: CSV is read by the feature `csv`\nhint: cargo run --features cli,csv --bin judge-trust"
    ))
}

impl Fields {
    fn item(&self, line: usize, row: &Value) -> Result<Item, String> {
        let absent = |what: &str, field: &str| {
            let known = row.as_object().map(|row| {
                row.keys()
                    .map(String::as_str)
                    .collect::<Vec<_>>()
                    .join("`, `")
            });
            format!(
                "has no {what} `{field}`\nhint: `--{what}` names the field; the row has `{}`",
                known.unwrap_or_default()
            )
        };
        let text = |value: &Value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Null => None,
            other => Some(other.to_string()),
        };
        let one = |field: &str| found(row, field).first().and_then(|value| text(value));
        let labels = found(row, &self.label);
        if labels.is_empty() {
            return Err(absent("label", &self.label));
        }
        let group = match &self.group {
            Some(field) => Some(one(field).ok_or_else(|| absent("group", field))?),
            None => None,
        };
        let scores = self
            .score
            .as_ref()
            .map(|field| found(row, field))
            .unwrap_or_default();
        Ok(Item {
            id: one(&self.id).unwrap_or_else(|| line.to_string()),
            group,
            labels: self.marks(&labels),
            verdicts: self.marks(&found(row, &self.verdict)),
            scores: scores
                .into_iter()
                .filter_map(|value| Mark::read(value)?.number())
                .collect(),
        })
    }

    /// A list is flattened: one mark an element.
    fn marks(&self, values: &[&Value]) -> Vec<Option<Mark>> {
        values
            .iter()
            .flat_map(|value| {
                value
                    .as_array()
                    .map_or_else(|| vec![*value], |list| list.iter().collect())
            })
            .map(|value| {
                let mark = Mark::read(value)?;
                let known = self
                    .words
                    .iter()
                    .find(|(word, _)| *word == mark.text() || value.as_str() == Some(word));
                Some(known.map_or(mark, |(_, means)| means.clone()))
            })
            .collect()
    }
}

/// Everything at a place of a row.
fn found<'a>(row: &'a Value, field: &str) -> Vec<&'a Value> {
    if let Some(value) = row.get(field) {
        return vec![value];
    }
    let path: Vec<String> = match field.strip_prefix('/') {
        Some(pointer) => pointer
            .split('/')
            .map(|part| part.replace("~1", "/").replace("~0", "~"))
            .collect(),
        None => field.split('.').map(str::to_string).collect(),
    };
    path.iter().fold(vec![row], |values, part| {
        values
            .into_iter()
            .flat_map(|value| match (value, part.as_str()) {
                (Value::Array(list), "*") => list.iter().collect(),
                (Value::Array(list), part) => part
                    .parse::<usize>()
                    .ok()
                    .and_then(|n| list.get(n))
                    .into_iter()
                    .collect(),
                (value, part) => value.get(part).into_iter().collect::<Vec<_>>(),
            })
            .collect()
    })
}

/// Verdict and score of one trial, where it has them.
pub type Said = (Option<Mark>, Option<f64>);

/// What a run says of a metric.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Judged {
    /// Verdicts and scores, by the row's id: one a trial.
    pub rows: BTreeMap<String, Vec<Said>>,
    /// The judges' models.
    pub models: Vec<String>,
    /// The versions of the prompts, by purpose.
    pub prompts: BTreeMap<String, String>,
}

impl Judged {
    /// Puts the run's verdicts beside the labels, by id; an item that did not run has none.
    pub fn join(&self, items: &mut [Item]) -> usize {
        let mut joined = 0;
        for item in items {
            let found = self
                .rows
                .get(&item.id)
                .or_else(|| self.rows.get(&escape_id(&item.id)));
            joined += usize::from(found.is_some());
            let said = found.map_or(&[][..], Vec::as_slice);
            item.verdicts = said.iter().map(|(mark, _)| mark.clone()).collect();
            item.scores = said.iter().filter_map(|(_, score)| *score).collect();
        }
        joined
    }
}

/// What the record of a run says of a metric, by its name or by the label given with `.named(…)`. A case that errored or
/// was skipped has no verdict.
///
/// # Errors
///
/// Fails if the metric was not measured, and names those that were; and where it is not known which of several measurements
/// a label of an id is about: those of tests that have rows of one id, or of several components.
pub fn read_run(report: &RunReport, metric: &str) -> Result<Judged, String> {
    let mut judged = Judged::default();
    let mut known = std::collections::BTreeSet::new();
    let mut models = HashSet::new();
    let mut tests: HashMap<String, &TestRecord> = HashMap::new();
    for test in &report.tests {
        let id = test.row.clone().unwrap_or_else(|| test.test.clone());
        for trial in &test.trials {
            let mut before: Option<&MeasurementRecord> = None;
            for m in trial.measurements.iter().filter(|m| !m.part) {
                known.insert(m.metric.as_str());
                if m.metric != metric && m.label.as_deref() != Some(metric) {
                    continue;
                }
                if let Some(first) = before.replace(m) {
                    return Err(twice(metric, &id, first, m));
                }
                let other = tests
                    .insert(id.clone(), test)
                    .filter(|other| (&other.binary, &other.test) != (&test.binary, &test.test));
                if let Some(other) = other {
                    return Err(in_two(metric, &id, other, test));
                }
                let mark = match m.outcome {
                    Outcome::Passed => Some(Mark::Yes),
                    Outcome::Failed => Some(Mark::No),
                    Outcome::Skipped | Outcome::Errored => None,
                };
                judged
                    .rows
                    .entry(id.clone())
                    .or_default()
                    .push((mark, m.score));
                judged.prompts.extend(m.prompts.clone());
                judged.models.extend(
                    m.judge
                        .iter()
                        .filter(|model| models.insert((*model).clone()))
                        .cloned(),
                );
            }
        }
    }
    if judged.rows.is_empty() {
        let known: Vec<&str> = known.into_iter().collect();
        return Err(format!(
            "the run did not measure `{metric}`\nhint: it measured `{}`",
            known.join("`, `")
        ));
    }
    Ok(judged)
}

fn twice(metric: &str, id: &str, first: &MeasurementRecord, second: &MeasurementRecord) -> String {
    let of = |m: &MeasurementRecord| match &m.component {
        Some(component) => format!("of the component `{}`", clean_name(component)),
        None => "of the whole".to_string(),
    };
    format!(
        "`{metric}` was measured more than once in a trial of `{}`: {}, and {}\n\
         hint: give each a name in the test, `.named(\"…\")`, and ask for that",
        clean_name(id),
        of(first),
        of(second)
    )
}

fn in_two(metric: &str, id: &str, first: &TestRecord, second: &TestRecord) -> String {
    let shown = |test: &TestRecord| clean_name(&format!("{}::{}", test.binary, test.test));
    format!(
        "`{metric}` was measured of `{}` in two tests, `{}` and `{}`\n\
         hint: say which one the labels are of: `--test {}`",
        clean_name(id),
        shown(first),
        shown(second),
        clean_name(&first.test)
    )
}

#[cfg(test)]
#[path = "input_tests.rs"]
mod tests;
