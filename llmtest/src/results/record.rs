//! The record of a run: plain data, versioned, one document.

use super::process::BinaryInfo;
use crate::Blame;
use crate::Outcome;
use crate::cost::{RunCost, Spending};
use llmtest_metrics::hash::Hasher;
use llmtest_metrics::{Bar, Exchange, Over, Quantity, Span, Usage};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything that one run recorded: the fold of its shards.
///
/// The format is versioned: readers refuse a `format` that they do not know, and nothing written is reinterpreted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RunReport {
    /// The version of this format.
    pub format: u32,
    /// What ran.
    pub run: RunInfo,
    /// Every case: a test, or one row of a dataset.
    pub tests: Vec<TestRecord>,
    /// Datasets that are one test.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupRecord>,
    /// What its calls took and cost; none in the reports of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<RunCost>,
    /// Which stage cost the end score; none when no case with observed calls failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blame: Option<Blame>,
}

impl RunReport {
    /// The version that this crate writes and reads.
    pub const FORMAT: u32 = 1;

    /// Reads a report, and refuses a format that it does not know.
    pub fn from_json(text: &str) -> crate::Result<Self> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let found = serde_json::from_str::<Version>(text)?.format;
        if found != Self::FORMAT {
            let ours = Self::FORMAT;
            return Err(format!("the report has format {found}, and this llmtest reads format {ours}\nhint: run the tests again").into());
        }
        Ok(serde_json::from_str(text)?)
    }
}

/// What ran.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct RunInfo {
    /// The run's id: equal for all processes of one `cargo test` or nextest run.
    pub id: String,
    /// The version of llmtest.
    pub llmtest: String,
    /// How many processes recorded.
    pub processes: usize,
    /// The test binaries, as they were started; none in the reports of earlier versions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub binaries: Vec<BinaryInfo>,
    /// When its first process began: milliseconds since 1970, UTC; zero in the reports of earlier versions.
    #[serde(skip_serializing_if = "is_default")]
    pub started: u64,
    /// The state of the repository that it ran in; none outside of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<GitState>,
    /// The configured judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
    /// Spans that belong to no case, by name: calls on threads that the case was not carried to.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub unattributed_spans: BTreeMap<String, usize>,
}

/// A repository, as it was when a run began.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct GitState {
    /// The commit that was checked out, in hexadecimal; none before the first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The branch; none where a commit was checked out by itself, as in CI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Whether files that git follows were changed; none where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dirty: Option<bool>,
}

/// One case: a test without dataset, or one row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TestRecord {
    /// The test's path without the crate, such as `refunds`.
    pub test: String,
    /// The row's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub row: Option<String>,
    /// The row's place in its dataset, from zero.
    #[serde(default)]
    pub position: usize,
    /// The file that the row stands in; none where a function makes the rows, and in the reports of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dataset: Option<DatasetPlace>,
    /// The test binary, without its hash.
    pub binary: String,
    /// The source file.
    pub file: String,
    /// The line of the function.
    pub line: u32,
    /// The doc comment.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The tags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// How many trials had to pass.
    pub passes_needed: u32,
    /// nextest's attempt, from one.
    pub attempt: u32,
    /// Seconds, waiting for a free place excluded.
    pub duration: f64,
    /// The trials, at least one.
    pub trials: Vec<TrialRecord>,
}

impl TestRecord {
    /// The name as the harness lists it: `refunds` or `refunds::late`.
    pub fn name(&self) -> String {
        match &self.row {
            Some(row) => format!("{}::{row}", self.test),
            None => self.test.clone(),
        }
    }
}

/// Where a row stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DatasetPlace {
    /// The file, relative to the folder that the test's source file is relative to.
    pub file: String,
    /// The line, from one, in JSONL and CSV.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
}

impl DatasetPlace {
    /// The place of a row. The compiler names sources relative to a folder above the package: what it says of the package
    /// stands before the file.
    pub(crate) fn new(source: &str, package: &Path, file: &str, line: usize) -> Self {
        let named: Vec<_> = Path::new(source).components().collect();
        let folders: Vec<_> = package.components().collect();
        let most = named.len().min(folders.len());
        let shared = (0..=most)
            .rev()
            .find(|n| folders[folders.len() - n..] == named[..*n])
            .unwrap_or_default();
        let before: PathBuf = named[..shared].iter().collect();
        let by_line = Path::new(file).extension().is_none_or(|e| e != "json") && line > 0;
        Self {
            file: before.join(file).to_string_lossy().replace('\\', "/"),
            line: by_line.then_some(line),
        }
    }
}

/// One trial of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrialRecord {
    /// How it ended.
    pub outcome: Outcome,
    /// What kept the body from returning a check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// The cases that the body returned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cases: Vec<Value>,
    /// What was measured, in the order of the source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measurements: Vec<MeasurementRecord>,
    /// The observed calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<Span>,
    /// Observed calls that may replay: how many did, and how many there were.
    #[serde(default, skip_serializing_if = "is_default")]
    pub stages: (u32, u32),
    /// What the observed calls took, as far as they say so: not the judge's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub application: Spending,
    /// When it began: milliseconds since 1970, UTC; zero in the reports of earlier versions.
    #[serde(default)]
    pub started: u64,
    /// The hash of `cases`, 16 hex digits: trials with the same digest gave the same to be measured. Empty in the reports of
    /// earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Seconds of the body.
    pub duration: f64,
}

impl TrialRecord {
    /// Writes down the digests of what was returned and of how it was judged.
    pub(crate) fn sign(&mut self) {
        let mut hash = Hasher::new();
        for case in &self.cases {
            hash.part(case.to_string().as_bytes());
        }
        hash.part(self.error.as_deref().unwrap_or_default().as_bytes());
        self.digest = hash.hex64();
        for measurement in &mut self.measurements {
            measurement.digest = measurement.signature();
        }
    }
}

/// One metric of one case or component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MeasurementRecord {
    /// The metric's name.
    pub metric: String,
    /// The label given with `.named(…)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The component: the name or path of its spans, with a word where not each of them is meant, as in
    /// `search (worst)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// The index in the trial's `spans` of the span that was measured, or that decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span: Option<usize>,
    /// How the spans of the component decided together; its parts follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Over>,
    /// The measurement of one of several spans that decide together: it decides nothing and counts in no mean. Its judge
    /// calls and tokens are counted here, not in the whole.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub part: bool,
    /// Which of the trial's `cases` it is about.
    #[serde(default)]
    pub case: usize,
    /// Tells equal keys apart: the n-th with this component, metric and label, from one. Parts count by themselves.
    pub nth: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// The score in `0.0..=1.0`; none when errored or skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// The quantity behind the score.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<Quantity>,
    /// What was asked of it.
    pub bar: Bar,
    /// Measured and shown, but never fails the test.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub report_only: bool,
    /// Why; for Errored, what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A block of text, such as a diff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exhibit: Option<String>,
    /// Named facts: how the score was obtained, steps, verdicts.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
    /// Fallbacks and the like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The judge's model, where a judge was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
    /// Calls of the judge.
    #[serde(default, skip_serializing_if = "is_default")]
    pub judge_calls: u32,
    /// Calls that came out of a recording.
    #[serde(default, skip_serializing_if = "is_default")]
    pub replayed_calls: u32,
    /// What live calls of the judge cost, in US dollars; none where no judge was asked, or where that is not known of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<f64>,
    /// What calls that came out of a recording would have cost; none where there were none, or where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed_cost: Option<f64>,
    /// The answered calls of each judge, by its model.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub spending: BTreeMap<String, Spending>,
    /// Whether it is Errored for a budget that was reached, or that no price could be held against.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over_budget: bool,
    /// Tokens of the judge.
    #[serde(default, skip_serializing_if = "is_default")]
    pub usage: Usage,
    /// The version of every prompt used, by purpose.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub prompts: BTreeMap<String, String>,
    /// What the judges were asked and what they answered, in order. Recorded always; shown with `LLMTEST_SHOW=all`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transcript: Vec<TranscriptEntry>,
    /// The hash of what was asked of judges, of what they answered and of what came of it, 16 hex digits: of equal digests,
    /// nothing changed. Empty in the reports of earlier versions.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// Seconds.
    pub duration: f64,
}

/// One call of a judge, as it is kept in the record of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TranscriptEntry {
    /// The judge's model.
    pub judge: String,
    /// Metric and step, such as `g_eval/score`.
    pub purpose: String,
    /// What it was asked, without the first message that all prompts share; cut where it is longer than `max-value` of
    /// `[observe]`.
    pub prompt: String,
    /// What it answered, cut in the same way.
    pub reply: String,
    /// Whether the reply came out of a recording.
    #[serde(default, skip_serializing_if = "is_default")]
    pub replayed: bool,
    /// Whether it was asked since an earlier reply could not be used, with that reply before it.
    #[serde(default, skip_serializing_if = "is_default")]
    pub re_ask: bool,
    /// Where the call is recorded: the file in the folder of the recordings, and the key of the entry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<(String, String)>,
    /// Tokens, where they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What the provider calls the model that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered_by: Option<String>,
}

impl TranscriptEntry {
    /// The entry of a call; texts are cut to so many bytes, which each then says of itself.
    pub(crate) fn new(exchange: Exchange, most: usize) -> Self {
        let Exchange {
            judge,
            prompt,
            reply,
            ..
        } = exchange;
        let said = prompt
            .messages
            .iter()
            .filter(|message| message.role != "system");
        let texts: Vec<&str> = said.map(|message| message.content.as_str()).collect();
        Self {
            judge,
            purpose: prompt.purpose.clone(),
            prompt: cut(&texts.join("\n\n"), most),
            reply: cut(&reply.text, most),
            replayed: reply.replayed,
            re_ask: prompt.messages.iter().any(|said| said.role == "assistant"),
            recorded: None,
            usage: reply.usage,
            answered_by: reply.model,
        }
    }
}

/// The text, or as many bytes of it and how many there were.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_string();
    }
    let end = (0..=most)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or_default();
    format!("{}… ({} bytes)", &text[..end], text.len())
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl MeasurementRecord {
    /// Its digest. What only says how it came about (time, money, whether a call was replayed) is left out.
    fn signature(&self) -> String {
        let mut hash = Hasher::new();
        let mut part = |text: &str| hash.part(text.as_bytes());
        part(&self.title());
        part(self.outcome.as_str());
        part(&format!("{:?} {:?}", self.score, self.bar));
        part(self.reason.as_deref().unwrap_or_default());
        part(self.judge.as_deref().unwrap_or_default());
        for (purpose, version) in &self.prompts {
            part(purpose);
            part(version);
        }
        for call in &self.transcript {
            part(&call.judge);
            part(&call.prompt);
            part(&call.reply);
        }
        hash.hex64()
    }

    /// `retrieve › contextual_relevancy (label) #2`; of a part, `search (worst) › equals, span 2`.
    pub fn title(&self) -> String {
        let mut title = self
            .component
            .as_ref()
            .map(|component| format!("{component} › "))
            .unwrap_or_default();
        title.push_str(&self.metric);
        if let Some(label) = &self.label {
            title = format!("{title} ({label})");
        }
        if self.part {
            title = format!("{title}, span {}", self.nth);
        } else if self.nth > 1 {
            title = format!("{title} #{}", self.nth);
        }
        title
    }
}

/// A dataset that is one test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GroupRecord {
    /// The test's path without the crate.
    pub test: String,
    /// The test binary, without its hash.
    pub binary: String,
    /// The source file.
    pub file: String,
    /// The line of the function.
    pub line: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// The share of rows that must pass.
    pub pass_rate: f64,
    /// Rows by outcome.
    pub rows: BTreeMap<String, usize>,
    /// What kept the rows from being read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// nextest's attempt, from one.
    pub attempt: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_row_is_named_as_the_source_of_its_test_is() {
        let at = |source, package: &str, file, line| {
            let place = DatasetPlace::new(source, Path::new(package), file, line);
            (place.file, place.line)
        };
        let found = at("tests/evals.rs", "/home/me/app", "data/rows.jsonl", 7);
        assert_eq!(found, ("data/rows.jsonl".to_string(), Some(7)));
        let found = at("app/tests/evals.rs", "/home/me/app", "rows.csv", 2);
        assert_eq!(found, ("app/rows.csv".to_string(), Some(2)));
        let found = at("crates/app/src/x.rs", "/w/crates/app", "rows.json", 3);
        assert_eq!(found, ("crates/app/rows.json".to_string(), None));
    }
}
