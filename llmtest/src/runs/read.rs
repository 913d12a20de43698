//! Reading reports case by case: however long their texts are, only what is compared is held.

use super::snapshot::{
    Basis, CaseKey, CaseSummary, MeasurementKey, MeasurementSummary, Snapshot, TrialSummary,
};
use crate::Result;
use crate::cost::{RunCost, Spending};
use crate::results::{GroupRecord, OPENED, Outcome, RunInfo, RunReport};
use llmtest_metrics::Bar;
use llmtest_metrics::hash::Hasher;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs::File;
use std::hash::Hash;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

impl Snapshot {
    /// Reads the report of a run, or a baseline, which is a report without its texts. Errors name the file.
    pub fn read(path: &Path) -> Result<Self> {
        let file =
            File::open(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Self::from_lines(BufReader::with_capacity(256 * 1024, file))
            .map_err(|error| format!("{}: {error}", path.display()).into())
    }

    /// Reads a report line by line, where each case is one: only the texts of one case are held at a time. One of another
    /// layout is read at once.
    fn from_lines(mut file: impl BufRead) -> Result<Self> {
        let mut around = Vec::new();
        file.read_until(b'\n', &mut around)?;
        if !around.trim_ascii_end().ends_with(OPENED) {
            file.read_to_end(&mut around)?;
            return Self::from_json(std::str::from_utf8(&around)?);
        }
        // Another format is refused before a case of it is read.
        let head = [around.trim_ascii_end(), b"]}"].concat();
        Self::from_json(std::str::from_utf8(&head)?)?;
        let (mut names, mut cases) = (Names::default(), Vec::new());
        let mut line = Vec::new();
        for number in 2.. {
            line.clear();
            if file.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            let text = line.trim_ascii();
            if text.first() == Some(&b']') {
                around.extend_from_slice(text);
                file.read_to_end(&mut around)?;
                let rest = Self::from_json(std::str::from_utf8(&around)?)?;
                return Ok(Self { cases, ..rest });
            }
            let text = text.strip_suffix(b",").unwrap_or(text);
            let raw: RawCase<'_> =
                serde_json::from_slice(text).map_err(|error| format!("line {number}: {error}"))?;
            cases.push(names.case(raw));
        }
        Err("the report ends in the middle of its cases\nhint: run the tests again".into())
    }

    /// Reads a report's text, and refuses a format that it does not know.
    pub fn from_json(text: &str) -> Result<Self> {
        let mut names = Names::default();
        let mut reader = serde_json::Deserializer::from_str(text);
        let (format, snapshot) = Document(&mut names).deserialize(&mut reader)?;
        reader.end()?;
        match format {
            Some(RunReport::FORMAT) => Ok(snapshot),
            found => {
                let found =
                    found.map_or_else(|| "no format".to_string(), |n| format!("format {n}"));
                let ours = RunReport::FORMAT;
                Err(format!("the report has {found}, and this llmtest reads format {ours}\nhint: run the tests again").into())
            }
        }
    }
}

/// What occurs often, each once.
#[derive(Default)]
struct Names {
    texts: HashSet<Arc<str>>,
    tags: HashSet<Arc<[String]>>,
    keys: HashSet<Arc<MeasurementKey>>,
    bases: HashSet<Arc<Basis>>,
}

impl Names {
    fn text(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.texts.insert(new.clone());
        new
    }

    fn once<T: Eq + Hash>(known: &mut HashSet<Arc<T>>, value: T) -> Arc<T> {
        if let Some(known) = known.get(&value) {
            return known.clone();
        }
        let new = Arc::new(value);
        known.insert(new.clone());
        new
    }

    fn tags(&mut self, tags: Vec<String>) -> Arc<[String]> {
        if let Some(known) = self.tags.get(tags.as_slice()) {
            return known.clone();
        }
        let new: Arc<[String]> = tags.into();
        self.tags.insert(new.clone());
        new
    }

    fn case(&mut self, raw: RawCase<'_>) -> CaseSummary {
        CaseSummary {
            key: CaseKey {
                binary: self.text(&raw.binary),
                test: self.text(&raw.test),
                // Rows are many and differ.
                row: raw.row.map(|row| Arc::from(&*row)),
            },
            position: raw.position,
            file: self.text(&raw.file),
            line: raw.line,
            tags: self.tags(raw.tags),
            cluster: None,
            outcome: raw.outcome,
            passes_needed: raw.passes_needed,
            duration: raw.duration,
            trials: fitted(raw.trials.into_iter().map(|raw| self.trial(raw))),
        }
    }

    fn trial(&mut self, raw: RawTrial<'_>) -> TrialSummary {
        TrialSummary {
            outcome: raw.outcome,
            error: raw.error,
            digest: digest(&raw.digest),
            cost: raw.application.known_cost(),
            duration: raw.duration,
            measurements: fitted(
                raw.measurements
                    .into_iter()
                    .filter(|raw| !raw.part)
                    .map(|raw| self.measurement(raw)),
            ),
        }
    }

    fn measurement(&mut self, raw: RawMeasurement<'_>) -> MeasurementSummary {
        let key = MeasurementKey {
            component: raw.component,
            metric: raw.metric,
            label: raw.label,
            nth: raw.nth,
        };
        let basis = Basis {
            judge: raw.judge,
            prompts: raw.prompts,
        };
        MeasurementSummary {
            key: Self::once(&mut self.keys, key),
            outcome: raw.outcome,
            score: raw.score,
            bar: raw.bar,
            report_only: raw.report_only,
            basis: Self::once(&mut self.bases, basis),
            digest: digest(&raw.digest),
            cost: raw.cost,
        }
    }
}

/// A digest as a number: reports write it with 16 hexadecimal digits.
pub(crate) fn digest(text: &str) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let number = |text: &str| u64::from_str_radix(text, 16).ok();
    number(text).or_else(|| {
        let mut hash = Hasher::new();
        hash.part(text.as_bytes());
        number(&hash.hex64())
    })
}

/// `collect` takes over the memory of what was read, which is several times as large; shrunk, it leaves holes that nothing
/// fits in.
fn fitted<T>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut own = Vec::with_capacity(all.size_hint().1.unwrap_or_default());
    own.extend(all);
    own
}

#[derive(Deserialize)]
struct RawCase<'a> {
    #[serde(borrow)]
    test: Cow<'a, str>,
    #[serde(borrow, default)]
    row: Option<Cow<'a, str>>,
    #[serde(default)]
    position: usize,
    #[serde(borrow)]
    binary: Cow<'a, str>,
    #[serde(borrow)]
    file: Cow<'a, str>,
    line: u32,
    #[serde(default)]
    tags: Vec<String>,
    outcome: Outcome,
    passes_needed: u32,
    duration: f64,
    #[serde(borrow)]
    trials: Vec<RawTrial<'a>>,
}

#[derive(Deserialize)]
struct RawTrial<'a> {
    outcome: Outcome,
    #[serde(default)]
    error: Option<String>,
    #[serde(borrow, default)]
    digest: Cow<'a, str>,
    #[serde(default)]
    application: Spending,
    duration: f64,
    #[serde(borrow, default)]
    measurements: Vec<RawMeasurement<'a>>,
}

#[derive(Deserialize)]
struct RawMeasurement<'a> {
    metric: String,
    #[serde(default)]
    label: Option<String>,
    #[serde(default)]
    component: Option<String>,
    #[serde(default)]
    part: bool,
    nth: u32,
    outcome: Outcome,
    #[serde(default)]
    score: Option<f64>,
    bar: Bar,
    #[serde(default)]
    report_only: bool,
    #[serde(default)]
    judge: Option<String>,
    #[serde(default)]
    prompts: BTreeMap<String, String>,
    #[serde(borrow, default)]
    digest: Cow<'a, str>,
    #[serde(default)]
    cost: Option<f64>,
}

/// The whole report.
struct Document<'n>(&'n mut Names);

impl<'de> DeserializeSeed<'de> for Document<'_> {
    type Value = (Option<u32>, Snapshot);

    fn deserialize<D: Deserializer<'de>>(
        self,
        reader: D,
    ) -> std::result::Result<Self::Value, D::Error> {
        reader.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Document<'_> {
    type Value = (Option<u32>, Snapshot);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the report of a run")
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut map: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        let (mut format, mut snapshot) = (None, Snapshot::default());
        while let Some(field) = map.next_key::<Cow<'de, str>>()? {
            match &*field {
                "format" => {
                    let found = map.next_value()?;
                    format = Some(found);
                    if found != RunReport::FORMAT {
                        // Nothing else is known of it.
                        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                        break;
                    }
                }
                "run" => snapshot.run = map.next_value::<RunInfo>()?,
                "tests" => snapshot.cases = map.next_value_seed(Cases(&mut *self.0))?,
                "groups" => snapshot.groups = map.next_value::<Vec<GroupRecord>>()?,
                "cost" => snapshot.cost = map.next_value::<Option<RunCost>>()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok((format, snapshot))
    }
}

/// Its cases, one at a time.
struct Cases<'n>(&'n mut Names);

impl<'de> DeserializeSeed<'de> for Cases<'_> {
    type Value = Vec<CaseSummary>;

    fn deserialize<D: Deserializer<'de>>(
        self,
        reader: D,
    ) -> std::result::Result<Self::Value, D::Error> {
        reader.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Cases<'_> {
    type Value = Vec<CaseSummary>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cases")
    }

    fn visit_seq<A: SeqAccess<'de>>(
        self,
        mut seq: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        let mut cases = Vec::new();
        while let Some(raw) = seq.next_element::<RawCase<'de>>()? {
            cases.push(self.0.case(raw));
        }
        Ok(cases)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASE: &str = r#"{"test":"a","binary":"b","file":"f.rs","line":1,"outcome":"passed","passes_needed":1,"attempt":1,"duration":0.1,"trials":[]}"#;

    #[test]
    fn a_report_of_lines_and_one_that_another_tool_laid_out_read_the_same() {
        let lines = format!(
            "{{\"format\":1,\"run\":{{\"id\":\"r\"}},\"tests\":[\n{CASE},\n{CASE}\n],\"groups\":[]}}\n"
        );
        let value: serde_json::Value = serde_json::from_str(&lines).unwrap();
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let read = Snapshot::from_lines(lines.as_bytes()).unwrap();
        assert_eq!((read.cases.len(), read.run.id.as_str()), (2, "r"));
        assert_eq!(read, Snapshot::from_lines(pretty.as_bytes()).unwrap());
        assert_eq!(read, Snapshot::from_json(&lines).unwrap());
    }

    #[test]
    fn a_report_that_was_cut_off_or_is_broken_or_of_another_format_is_refused() {
        let error = |text: &str| {
            let read = Snapshot::from_lines(text.as_bytes());
            read.unwrap_err().to_string()
        };
        let cut = format!("{{\"format\":1,\"run\":{{}},\"tests\":[\n{CASE},\n");
        assert!(error(&cut).contains("ends in the middle"));
        assert!(error("{\"format\":1,\"run\":{},\"tests\":[\n{\"test\":\n]}").contains("line 2"));
        assert!(error("{\"format\":9,\"run\":{},\"tests\":[\n{}\n]}").contains("format 9"));
    }
}
