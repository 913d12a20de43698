//! A run as one page: self-contained, without a network, and with what models wrote as text and never as markup.
//!
//! The numbers of all cases stand in one JSON document, the texts of each on a line of its own that is parsed when the case
//! is opened. The page's policy allows our own style and script by their hashes, and nothing else.

mod escape;
mod index;
mod outputs;

use crate::Result;
use crate::gate::GateReport;
use crate::results::Outcome;
use crate::results::stream::Cases;
use crate::results::{RunReport, TestRecord};
use crate::runs::Snapshot;
use escape::{harmless, source};
use index::{Before, Index};
pub(crate) use outputs::Outputs;
use serde_json::{Value, json};
use std::io::Write;

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");
const BODY: &str = include_str!("page.html");

/// How long the lines of one chunk are together: what is split when a case is opened.
const CHUNK: usize = 1 << 20;

/// From where on the texts of cases that passed are left out.
#[derive(Debug, Clone, Copy)]
struct Most {
    cases: usize,
    bytes: usize,
}

const MOST: Most = Most {
    cases: 50_000,
    bytes: 200 << 20,
};

/// The page, as it is written: case by case, then what is around them.
pub(crate) struct Html<'a> {
    gate: Option<&'a GateReport>,
    baseline: Option<&'a Snapshot>,
    before: Option<Before<'a>>,
    outputs: Outputs,
    out: &'a mut dyn Write,
    index: Index,
    most: Most,
    bytes: usize,
    left_out: usize,
    /// The chunk that is open, its bytes and its lines.
    chunk: (usize, usize, usize),
    /// What kept it from being written: told at the end.
    failed: Option<std::io::Error>,
}

impl<'a> Html<'a> {
    /// Begins a page. With a baseline, every case is shown beside its own there, and what it put out beside `outputs`.
    pub(crate) fn new(
        gate: Option<&'a GateReport>,
        baseline: Option<&'a Snapshot>,
        outputs: Outputs,
        out: &'a mut dyn Write,
    ) -> Result<Self> {
        let (style, script) = (source(STYLE), source(SCRIPT));
        write!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src {style}; script-src {script}; \
             img-src data:; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n<title>llmtest report</title>\n\
             <link rel=\"icon\" href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n<body>\n{BODY}"
        )?;
        Ok(Self {
            gate,
            baseline,
            before: baseline.map(Before::new),
            outputs,
            out,
            index: Index::default(),
            most: MOST,
            bytes: 0,
            left_out: 0,
            chunk: (0, 0, 0),
            failed: None,
        })
    }

    fn line(&mut self, case: &TestRecord) -> std::io::Result<()> {
        let (chunk, bytes, lines) = self.chunk;
        let mut before = self.index.add(case, (chunk, lines), self.before.as_mut());
        let long = self.index.rows.len() > self.most.cases || self.bytes > self.most.bytes;
        let cut = long && case.outcome == Outcome::Passed;
        if !before.is_null() && !cut {
            let name = format!("{}::{}", case.binary, case.name());
            let then = self.outputs.before(&name, case);
            if !then.is_null() {
                before["outputs"] = then;
            }
        }
        let kept = cut.then(|| without_texts(case));
        let mut line = json!({"c": kept.as_ref().unwrap_or(case)});
        if !before.is_null() {
            line["b"] = before;
        }
        if cut {
            self.left_out += 1;
            line["cut"] = true.into();
        }
        let line = harmless(&line.to_string());
        if lines == 0 {
            write!(
                self.out,
                "<script type=\"application/json\" id=\"k{chunk}\">"
            )?;
        } else {
            self.out.write_all(b"\n")?;
        }
        self.out.write_all(line.as_bytes())?;
        self.bytes += line.len();
        self.chunk = (chunk, bytes + line.len(), lines + 1);
        if self.chunk.1 >= CHUNK {
            self.close()?;
        }
        Ok(())
    }

    fn close(&mut self) -> std::io::Result<()> {
        if self.chunk.2 > 0 {
            self.out.write_all(b"</script>\n")?;
            self.chunk = (self.chunk.0 + 1, 0, 0);
        }
        Ok(())
    }

    /// Writes the rest. `report` is what stands around the cases.
    pub(crate) fn finish(mut self, report: &RunReport) -> Result<()> {
        if let Some(error) = self.failed.take() {
            return Err(error.into());
        }
        self.close()?;
        self.index.finish();
        let removed = self.before.as_ref().map(Before::removed);
        let data = json!({
            "run": report.run,
            "cost": report.cost,
            "blame": report.blame,
            "groups": report.groups,
            "gate": self.gate,
            "compared": self.baseline.map(|baseline| &baseline.run),
            "removed": removed.unwrap_or_default(),
            "warnings": self.warnings(report),
            "tests": self.index.tests,
            "metrics": self.index.metrics,
            "cases": self.index.rows,
        });
        write!(
            self.out,
            "<script type=\"application/json\" id=\"data\">{}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
            harmless(&data.to_string())
        )?;
        Ok(())
    }

    /// What has to be known before any number.
    fn warnings(&self, report: &RunReport) -> Vec<String> {
        let mut warnings = self
            .gate
            .map(|gate| gate.warnings.clone())
            .unwrap_or_default();
        if let (None, Some(baseline)) = (self.gate, self.baseline) {
            let word = |judge: &Option<String>| judge.clone().unwrap_or_else(|| "none".into());
            let (then, now) = (&baseline.run.judge, &report.run.judge);
            if then != now {
                warnings.push(format!(
                    "The judge changed from {} to {}: scores of both do not say the same.",
                    word(then),
                    word(now)
                ));
            }
        }
        for (name, n) in &report.run.unattributed_spans {
            warnings.push(format!(
                "{n} calls of `{name}` belong to no case: they ran on threads that the case was not carried to."
            ));
        }
        let over = report.cost.as_ref().map_or(0, |cost| cost.over_budget);
        if over > 0 {
            warnings.push(format!(
                "{over} measurements are missing since a budget was reached."
            ));
        }
        if self.left_out > 0 {
            warnings.push(format!(
                "The run is long: the texts of {} cases that passed are left out here. They are in report.json.",
                self.left_out
            ));
        }
        warnings
    }
}

impl Cases for Html<'_> {
    fn add(&mut self, case: &TestRecord) {
        if self.failed.is_none() {
            self.failed = self.line(case).err();
        }
    }
}

/// The case with its outcomes, scores and times alone.
fn without_texts(case: &TestRecord) -> TestRecord {
    let mut case = case.clone();
    for trial in &mut case.trials {
        trial.cases =
            vec![Value::Object(serde_json::Map::new()); usize::from(!trial.cases.is_empty())];
        trial.spans.clear();
        for measurement in &mut trial.measurements {
            measurement.case = 0;
            measurement.reason = None;
            measurement.exhibit = None;
            measurement.details.clear();
            measurement.transcript.clear();
        }
    }
    case
}

#[cfg(test)]
mod tests;
