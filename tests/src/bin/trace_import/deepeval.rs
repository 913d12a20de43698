//! The span trees of DeepEval: the file itself is what they are compared with.

use crate::{Report, lines};
use llmtest::import::{self, ImportedTrace};
use serde_json::Value;

const LISTS: [(&str, &str); 5] = [
    ("baseSpans", "function"),
    ("agentSpans", "agent"),
    ("llmSpans", "llm"),
    ("retrieverSpans", "retriever"),
    ("toolSpans", "tool"),
];

pub(crate) fn run(text: &str, report: &mut Report) -> Result<(), String> {
    let imported = import::deepeval(text).map_err(|error| error.to_string())?;
    let files = lines(text)?;
    if imported.len() != files.len() || files.is_empty() {
        return Err(format!(
            "{} trees were read, and the file has {}",
            imported.len(),
            files.len()
        ));
    }
    for (trace, file) in imported.iter().zip(&files) {
        let id = file["id"].as_str().unwrap_or_default();
        compare(id, trace, &file["trace"], report);
        report.line(id);
    }
    Ok(())
}

fn compare(id: &str, trace: &ImportedTrace, file: &Value, report: &mut Report) {
    report.check(
        id,
        "name",
        trace.id == id && file.get("name").is_none_or(|name| trace.name == *name),
        || trace.name.clone(),
    );
    let mut all = 0;
    for (list, kind) in LISTS {
        let spans = file[list].as_array().map_or(&[][..], Vec::as_slice);
        all += spans.len();
        let count = trace
            .trace
            .spans
            .iter()
            .filter(|span| span.kind.as_str() == kind)
            .count();
        report.check(id, list, count == spans.len(), || {
            format!("{count}, not {}", spans.len())
        });
        for span in spans {
            one(id, trace, span, report);
        }
    }
    let count = trace.trace.spans.len();
    report.check(id, "spans", count == all, || format!("{count}, not {all}"));
    report.order(id, trace);
    tools(id, trace, file, report);
    let golden = trace.golden();
    report.check(
        id,
        "golden",
        !golden.input.is_empty() && golden.expected.is_some(),
        || {
            format!(
                "asked `{}`, answered `{:?}`; {:?}",
                golden.input, golden.expected, trace.problems
            )
        },
    );
    report.round_trip(id, trace);
}

fn one(id: &str, trace: &ImportedTrace, told: &Value, report: &mut Report) {
    let own = told["uuid"].as_str().unwrap_or_default();
    let Some(at) = trace.span_ids.iter().position(|known| known == own) else {
        report.check(id, &format!("span {own}"), false, || {
            "is missing".to_string()
        });
        return;
    };
    let span = &trace.trace.spans[at];
    let parent = span.parent.map(|parent| trace.span_ids[parent].as_str());
    report.check(
        id,
        &format!("parent {own}"),
        parent == told["parentUuid"].as_str(),
        || format!("{parent:?}, not {}", told["parentUuid"]),
    );
    // A tool without an input may have its arguments beside it.
    let listed = &told["toolsCalled"][0]["inputParameters"];
    let input = if told["input"].is_null() && !listed.is_null() && span.kind.as_str() == "tool" {
        listed
    } else {
        &told["input"]
    };
    let tokens = |key: &str| told[key].as_f64();
    let usage = span
        .usage
        .map(|usage| (usage.prompt_tokens as f64, usage.completion_tokens as f64));
    let given = (tokens("inputTokenCount"), tokens("outputTokenCount"));
    let expected =
        (given != (None, None)).then(|| (given.0.unwrap_or(0.0), given.1.unwrap_or(0.0)));
    let holds = span.name == told["name"]
        && span.input == *input
        && span.output == told["output"]
        && span.model.as_deref() == told["model"].as_str()
        && usage == expected
        && span.error.is_none() == (told["status"] == "SUCCESS");
    report.check(id, &format!("fields {own}"), holds, || {
        format!("{span:?}\nis not\n{told}")
    });
}

/// One call for every tool's span, in the order of their start; without such spans, what is listed on the trace.
fn tools(id: &str, trace: &ImportedTrace, file: &Value, report: &mut Report) {
    let spans = file["toolSpans"].as_array().map_or(&[][..], Vec::as_slice);
    let listed = file["toolsCalled"].as_array().map_or(0, Vec::len);
    let expected = if spans.is_empty() {
        listed
    } else {
        spans.len()
    };
    if expected > 0 {
        report.check(id, "tools", trace.tools.len() == expected, || {
            format!("{:?}, not {expected}", trace.tools)
        });
    }
    for call in file["toolsCalled"].as_array().into_iter().flatten() {
        let found = trace
            .tools
            .iter()
            .any(|known| known.name == call["name"] && known.arguments == call["inputParameters"]);
        report.check(
            id,
            &format!("call {}", call["name"].as_str().unwrap_or_default()),
            found,
            || format!("{call} is not in {:?}", trace.tools),
        );
    }
}
