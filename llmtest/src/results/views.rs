//! What blame and cost need of a record in memory. Of one in a shard, their views read it from the text.

use super::{MeasurementRecord, TestRecord};
use crate::blame::view as blame;
use crate::cost::view as cost;
use llmtest_metrics::Span;
use serde::de::IgnoredAny;
use std::borrow::Cow;

impl<'a> From<&'a TestRecord> for blame::CaseView<'a> {
    fn from(record: &'a TestRecord) -> Self {
        let measurement = |m: &'a MeasurementRecord| blame::MeasurementView {
            component: m.component.as_deref().map(Cow::Borrowed),
            span: m.span,
            outcome: m.outcome,
            report_only: m.report_only,
            over: m.over.map(|_| IgnoredAny),
            part: m.part,
        };
        let span = |span: &'a Span| blame::SpanView {
            name: Cow::Borrowed(&span.name),
            parent: span.parent,
        };
        let trials = record.trials.iter().map(|trial| blame::TrialView {
            error: trial.error.as_deref().map(Cow::Borrowed),
            measurements: trial.measurements.iter().map(measurement).collect(),
            spans: trial.spans.iter().map(span).collect(),
        });
        Self {
            trials: trials.collect(),
        }
    }
}

impl From<&TestRecord> for cost::CostView {
    fn from(record: &TestRecord) -> Self {
        let trials = record.trials.iter().map(|trial| cost::TrialView {
            application: trial.application.clone(),
            measurements: trial
                .measurements
                .iter()
                .map(|measurement| cost::MeasurementView {
                    spending: measurement.spending.clone(),
                    over_budget: measurement.over_budget,
                })
                .collect(),
        });
        Self {
            trials: trials.collect(),
        }
    }
}
