//! What a judge was found to be, and whether that still holds.

use super::{Bars, Confusion, Floor, Gate, Item, Kind, Line, Noise, Report};
use crate::calendar;
use crate::text::clean;
use llmtest_metrics::hash;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A judge's figures, with everything that they hold for: the model, the versions of the prompts, the schema, the
/// parameters and the labels. When one of these changes, the certificate is stale.
///
/// The format is versioned: readers refuse a `format` that they do not know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// The version of this format.
    pub format: u32,
    /// The metric that judged, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The judge's model.
    pub model: String,
    /// The version of every prompt, by purpose.
    #[serde(default)]
    pub prompts: BTreeMap<String, String>,
    /// One hash of all of them.
    pub prompts_hash: String,
    /// A hash of the schema that replies were held to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// The parameters of the calls, such as the temperature.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    /// A hash of ids and labels, whatever their order.
    pub labels_hash: String,
    /// How many items are labelled.
    pub labels: usize,
    /// The day, such as `2026-11-23`, UTC.
    pub date: String,
    /// What the labels are.
    pub kind: Kind,
    /// What made yes and no of numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bars: Option<Bars>,
    /// What was asked of it.
    pub floor: Floor,
    /// Whether it may gate.
    pub gate: Gate,
    /// Of labels of yes and no: the counts with which pass rates are corrected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confusion: Option<Confusion>,
    /// Its own noise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise: Option<Noise>,
    /// The figures.
    pub figures: Vec<Line>,
}

/// How things are now; what is none is not compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Current {
    /// The metric.
    pub metric: Option<String>,
    /// The judge's model.
    pub model: Option<String>,
    /// The version of every prompt, by purpose.
    pub prompts: Option<BTreeMap<String, String>>,
    /// The hash of the schema.
    pub schema: Option<String>,
    /// The parameters.
    pub params: Option<Map<String, Value>>,
    /// The hash of the labels.
    pub labels_hash: Option<String>,
}

/// Whether a certificate still holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Freshness {
    /// Nothing that was compared has changed.
    Fresh,
    /// What has changed.
    Stale(Vec<String>),
}

impl fmt::Display for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fresh => f.write_str("fresh"),
            Self::Stale(changes) => write!(f, "stale: {}", clean(&changes.join("; "))),
        }
    }
}

impl Certificate {
    /// The version that this crate writes and reads.
    pub const FORMAT: u32 = 1;

    /// Certifies what a report found of `items`, for how things are: `current` names the model and, as far as they are
    /// known, prompts, schema and parameters; its `labels_hash` is computed. `date` is a day such as [`today`].
    pub fn new(
        report: Report,
        items: &[Item],
        floor: Floor,
        current: Current,
        date: String,
    ) -> Self {
        let prompts = current.prompts.unwrap_or_default();
        let mut hasher = hash::Hasher::new();
        for (purpose, version) in &prompts {
            hasher.part(purpose.as_bytes());
            hasher.part(version.as_bytes());
        }
        Self {
            format: Self::FORMAT,
            metric: current.metric,
            model: current.model.unwrap_or_default(),
            prompts,
            prompts_hash: hasher.hex64(),
            schema: current.schema,
            params: current.params.unwrap_or_default(),
            labels_hash: labels_hash(items),
            labels: report.labelled,
            date,
            kind: report.kind,
            bars: Some(report.bars).filter(|bars| *bars != Bars::default()),
            floor,
            gate: report.gate,
            confusion: report.confusion,
            noise: report.noise,
            figures: report.figures,
        }
    }

    /// Reads a certificate.
    ///
    /// # Errors
    ///
    /// Fails for what is none, or has a format that this version does not know.
    pub fn from_json(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let broken = |error: serde_json::Error| {
            format!("is no certificate: {error}\nhint: `judge-trust certify` writes one")
        };
        let Version { format } = serde_json::from_str(text).map_err(broken)?;
        if format != Self::FORMAT {
            return Err(format!(
                "has format {format}, and this llmtest reads format {}\nhint: certify again",
                Self::FORMAT
            ));
        }
        serde_json::from_str(text).map_err(broken)
    }

    /// What has changed since.
    pub fn check(&self, current: &Current) -> Freshness {
        let mut changes = Vec::new();
        let mut differ = |what: &str, was: Option<&str>, is: Option<&str>| {
            if let Some(is) = is.filter(|is| was != Some(*is)) {
                changes.push(format!(
                    "{what} changed from `{}` to `{is}`",
                    was.unwrap_or("none")
                ));
            }
        };
        differ(
            "the metric",
            self.metric.as_deref(),
            current.metric.as_deref(),
        );
        differ("the model", Some(&self.model), current.model.as_deref());
        differ(
            "the schema",
            self.schema.as_deref(),
            current.schema.as_deref(),
        );
        if let Some(prompts) = &current.prompts {
            for (purpose, version) in prompts {
                if self.prompts.get(purpose) != Some(version) {
                    changes.push(format!("the prompt of {purpose} changed"));
                }
            }
            let gone = self
                .prompts
                .keys()
                .filter(|purpose| !prompts.contains_key(*purpose));
            changes
                .extend(gone.map(|purpose| format!("the prompt of {purpose} is no longer used")));
        }
        if let Some(params) = current
            .params
            .as_ref()
            .filter(|params| **params != self.params)
        {
            let keys = params
                .keys()
                .chain(self.params.keys())
                .filter(|key| params.get(*key) != self.params.get(*key));
            let mut keys: Vec<&str> = keys.map(String::as_str).collect();
            keys.sort_unstable();
            keys.dedup();
            changes.push(format!("parameters changed: {}", keys.join(", ")));
        }
        if current
            .labels_hash
            .as_ref()
            .is_some_and(|labels| *labels != self.labels_hash)
        {
            changes.push("the labels changed".to_string());
        }
        if changes.is_empty() {
            Freshness::Fresh
        } else {
            Freshness::Stale(changes)
        }
    }
}

impl Current {
    /// With the labels of these items.
    pub fn labels(mut self, items: &[Item]) -> Self {
        self.labels_hash = Some(labels_hash(items));
        self
    }
}

/// A hash of ids and labels, whatever the order of rows; verdicts do not count.
fn labels_hash(items: &[Item]) -> String {
    let mut rows: Vec<(&str, String)> = items
        .iter()
        .map(|item| {
            let said = item
                .labels
                .iter()
                .map(|mark| mark.as_ref().map(super::Mark::text));
            (
                item.id.as_str(),
                serde_json::json!(said.collect::<Vec<_>>()).to_string(),
            )
        })
        .collect();
    rows.sort();
    let mut hasher = hash::Hasher::new();
    for (id, labels) in rows {
        hasher.part(id.as_bytes());
        hasher.part(labels.as_bytes());
    }
    hasher.hex64()
}

/// The day that it is, UTC: `2026-11-23`.
pub fn today() -> String {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    calendar::date(since.as_secs() / 86_400)
}

#[cfg(test)]
#[path = "certificate_tests.rs"]
mod tests;
