//! What a judge is shown of a case that it judges as a whole.

use crate::{EvalCx, Field, Metric, Result, trace_text};

/// The texts under their titles: the chosen fields, or the conversation, or else input and output; the tool calls too, where
/// there are some.
pub(super) fn shown(
    cx: &EvalCx<'_>,
    metric: &impl Metric,
    chosen: &[Field],
) -> Result<Vec<(String, String)>> {
    let case = cx.case;
    let mut texts = Vec::new();
    if !chosen.is_empty() {
        for field in chosen {
            texts.push((field.name().to_string(), cx.need(metric, *field)?));
        }
        return Ok(texts);
    }
    if case.turns.is_empty() {
        for field in [Field::Input, Field::Output] {
            texts.push((field.name().to_string(), cx.need(metric, field)?));
        }
    } else {
        let transcript = trace_text::turns(&case.turns, 0..case.turns.len());
        texts.push(("conversation".to_string(), transcript));
    }
    if !case.tools.is_empty() {
        let calls = trace_text::calls(&case.tools).join("\n");
        texts.push(("tool calls".to_string(), calls));
    }
    Ok(texts)
}
