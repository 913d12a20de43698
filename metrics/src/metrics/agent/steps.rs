//! What the metrics of agents ask alike.

use crate::grade::grade;
use crate::options::Options;
use crate::{EvalCx, Field, Metric, Result, Score, Template, trace_text, trace_tree, verdicts};
use serde_json::{Value, json};

/// What the agent did: the spans of the trace, of a component only its own. Where nothing was observed, the tool calls;
/// `None` where those are not stated either.
pub(super) fn steps(cx: &EvalCx<'_>) -> Option<String> {
    let outline = trace_text::outline(cx.trace, &trace_tree::spans(cx));
    if !outline.is_empty() {
        return Some(outline);
    }
    let calls = trace_text::calls(&cx.case.tools);
    if calls.is_empty() {
        return cx.case.states(Field::Tools).then(|| "(none)".to_string());
    }
    let numbered = calls.iter().zip(1..);
    let lines: Vec<String> = numbered.map(|(call, at)| format!("{at}. {call}")).collect();
    Some(lines.join("\n"))
}

/// As [`steps`], or the error that says how to observe them.
pub(super) fn need_steps(cx: &EvalCx<'_>, metric: &impl Metric) -> Result<String> {
    Ok(steps(cx).ok_or_else(|| trace_tree::missing(metric))?)
}

/// Has the judge write texts, each under its key.
pub(super) async fn texts<const N: usize>(
    cx: &EvalCx<'_>,
    template: Template,
    keys: [&str; N],
) -> Result<[String; N]> {
    let properties: serde_json::Map<String, Value> = keys
        .iter()
        .map(|key| ((*key).to_string(), json!({"type": "string"})))
        .collect();
    let prompt = template
        .schema(json!({
            "type": "object",
            "properties": properties,
            "required": keys.as_slice(),
            "additionalProperties": false,
        }))
        .prompt()?;
    let read = |value: &Value| -> Result<[String; N], String> {
        let mut texts = keys.map(str::to_string);
        for text in &mut texts {
            let found = value[text.as_str()].as_str().map(str::trim);
            let found = found.filter(|found| !found.is_empty());
            *text = found
                .ok_or_else(|| format!("`{text}` must be a text"))?
                .to_string();
        }
        Ok(texts)
    };
    let reply = cx
        .ask_checked::<Value>(prompt, |value| read(value).map(|_| ()))
        .await?;
    Ok(read(&reply.value)?)
}

/// Has the judge say what the task was, list the plan, and grade it: against the task alone, or `against_steps` against
/// what was done too.
pub(super) async fn grade_plan(
    cx: &EvalCx<'_>,
    metric: &impl Metric,
    options: &Options,
    against_steps: bool,
) -> Result<Score> {
    let input = cx.need(metric, Field::Input)?;
    cx.need(metric, Field::Output)?;
    let steps = need_steps(cx, metric)?;
    let template = options
        .template("task")
        .fenced("input", "input", input)
        .fenced("steps", "steps", &steps);
    let [task] = texts(cx, template, ["task"]).await?;
    let template = options
        .template("plan")
        .fenced("task", "task", &task)
        .fenced("steps", "steps", &steps);
    let plan = verdicts::list(cx, template, "plan", steps.len()).await?;
    if plan.is_empty() {
        return Ok(Score::new(1.0)
            .because("the run shows no plan")
            .detail("task", task));
    }
    let mut template = options
        .template("score")
        .fenced("task", "task", &task)
        .fenced("plan", "plan", verdicts::numbered(&plan));
    if against_steps {
        template = template.fenced("steps", "steps", steps);
    }
    let score = grade(cx, template).await?.into_score();
    Ok(options.clamp(score.detail("task", task).detail("plan", plan)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Asker, FakeJudge, Span, TestCase, ToolCall, Trace};

    #[test]
    fn steps_are_the_trace_or_else_the_tool_calls() {
        let asker = Asker::standalone(None);
        let trace = Trace {
            spans: vec![Span::new("search", "tool")],
        };
        let (empty, silent) = (Trace::default(), TestCase::new("q", "a"));
        let told = silent.clone().tools([]);
        let called = silent.clone().tools([ToolCall::new("book")]);
        let see = |case: &TestCase, trace: &Trace| steps(&EvalCx::new(case, trace, None, &asker));
        assert_eq!(see(&called, &trace).unwrap(), "1. tool `search`");
        assert_eq!(see(&called, &empty).unwrap(), "1. book()");
        assert_eq!(see(&told, &empty).unwrap(), "(none)");
        assert_eq!(see(&silent, &empty), None);
    }

    #[tokio::test]
    async fn a_blank_text_is_asked_again() {
        let judge = FakeJudge::new()
            .reply(r#"{"task": " ", "outcome": "done"}"#)
            .reply(r#"{"task": "book", "outcome": "done"}"#);
        let asker = Asker::standalone(Some(judge.clone().into()));
        let (case, trace) = (TestCase::default(), Trace::default());
        let cx = EvalCx::new(&case, &trace, None, &asker);
        let found = texts(&cx, Template::new("a/b", "?"), ["task", "outcome"]).await;
        assert_eq!(found.unwrap(), ["book", "done"]);
        assert!(judge.prompts()[1].text().contains("`task` must be a text"));
    }
}
