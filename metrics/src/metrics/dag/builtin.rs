//! The metrics of this crate by their names, for graphs in JSON.

use super::nodes::Node;
use crate::{
    AnswerCorrectness, AnswerRelevancy, ArgumentCorrectness, Bias, CitationFaithfulness, Contains,
    ContextEntitiesRecall, ContextualPrecision, ContextualRecall, ContextualRelevancy,
    ConversationCompleteness, ConversationalGEval, ExactMatch, Faithfulness, Field, GEval,
    GoalAccuracy, Hallucination, KnowledgeRetention, McpTaskCompletion, McpUse, Misuse,
    MultiTurnMcpUse, NonAdvice, PatternMatch, PiiLeakage, PlanAdherence, PlanQuality,
    PromptAlignment, Requirements, RoleAdherence, RoleViolation, StepEfficiency, Summarization,
    TaskCompletion, ToolCorrectness, ToolPermission, ToolSpec, ToolUse, TopicAdherence, Toxicity,
    TurnContextualPrecision, TurnContextualRecall, TurnContextualRelevancy, TurnFaithfulness,
    TurnRelevancy,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::ops::RangeInclusive;

/// A judged metric with the options that all of them share.
macro_rules! judged {
    ($metric:expr, $options:expr) => {{
        let mut metric = $metric;
        if $options.flag("strict")? {
            metric = metric.strict();
        }
        if let Some(language) = $options.text("language")? {
            metric = metric.language(language);
        }
        Node::from(metric)
    }};
}

/// A metric by criteria or steps.
macro_rules! graded {
    ($metric:ident, $options:expr) => {{
        let name = $options.filled("name")?;
        let mut metric = match ($options.text("criteria")?, $options.has("steps")) {
            (Some(criteria), false) => $metric::new(name, criteria),
            (Some(criteria), true) => $metric::new(name, criteria).steps($options.texts("steps")?),
            (None, true) => $metric::by_steps(name, $options.texts("steps")?),
            (None, false) => return Err("`criteria` or `steps` must be there".to_string()),
        };
        if let Some(fields) = $options.take::<Vec<Field>>("fields")? {
            if fields.is_empty() {
                return Err("`fields` is empty".to_string());
            }
            metric = metric.given(fields);
        }
        let scale = $options.scale()?;
        if let Some(scale) = &scale {
            metric = metric.scale(scale.clone());
        }
        if let Some(rubric) = $options.rubric(scale)? {
            metric = metric.rubric(rubric);
        }
        metric
    }};
}

/// A metric over windows of a conversation.
macro_rules! windowed {
    ($metric:expr, $options:expr) => {{
        let mut metric = $metric;
        match $options.take::<usize>("window")? {
            Some(0) => return Err("`window` must be at least 1".to_string()),
            Some(exchanges) => metric = metric.window(exchanges),
            None => {}
        }
        judged!(metric, $options)
    }};
}

/// The metric of this name, or what is wrong with its options.
pub(super) fn metric(name: &str, options: &Map<String, Value>) -> Result<Node, String> {
    let mut options = Options(options.clone());
    let node = match name {
        "answer_correctness" => judged!(AnswerCorrectness::new(), options),
        "answer_relevancy" => judged!(AnswerRelevancy::new(), options),
        "argument_correctness" => judged!(ArgumentCorrectness::new(), options),
        "bias" => judged!(Bias::new(), options),
        "citation_faithfulness" => judged!(CitationFaithfulness::new(), options),
        "contains" => Node::from(Contains::new(options.filled("text")?)),
        "context_entities_recall" => judged!(ContextEntitiesRecall::new(), options),
        "contextual_precision" => judged!(ContextualPrecision::new(), options),
        "contextual_recall" => judged!(ContextualRecall::new(), options),
        "contextual_relevancy" => judged!(ContextualRelevancy::new(), options),
        "conversation_completeness" => judged!(ConversationCompleteness::new(), options),
        "conversational_g_eval" => judged!(graded!(ConversationalGEval, options), options),
        "exact_match" => Node::from(ExactMatch::new()),
        "faithfulness" => {
            let mut metric = Faithfulness::new();
            if options.flag("penalize_ambiguous")? {
                metric = metric.penalize_ambiguous();
            }
            match options.take::<usize>("truths_limit")? {
                Some(0) => return Err("`truths_limit` must be at least 1".to_string()),
                Some(limit) => metric = metric.truths_limit(limit),
                None => {}
            }
            judged!(metric, options)
        }
        "g_eval" => judged!(graded!(GEval, options), options),
        "goal_accuracy" => judged!(GoalAccuracy::new(), options),
        "hallucination" => judged!(Hallucination::new(), options),
        "knowledge_retention" => judged!(KnowledgeRetention::new(), options),
        "mcp_task_completion" => judged!(McpTaskCompletion::new(), options),
        "mcp_use" => judged!(McpUse::new(), options),
        "misuse" => judged!(Misuse::new(options.filled("domain")?), options),
        "multi_turn_mcp_use" => judged!(MultiTurnMcpUse::new(), options),
        "non_advice" => judged!(NonAdvice::new(options.texts("kinds")?), options),
        "pii_leakage" => judged!(PiiLeakage::new(), options),
        "plan_adherence" => judged!(PlanAdherence::new(), options),
        "plan_quality" => judged!(PlanQuality::new(), options),
        "pattern_match" => {
            let pattern = options.filled("pattern")?;
            regex::Regex::new(pattern.trim()).map_err(|error| format!("`pattern`: {error}"))?;
            Node::from(PatternMatch::new(pattern))
        }
        "prompt_alignment" => {
            judged!(
                PromptAlignment::new(options.texts("instructions")?),
                options
            )
        }
        "role_adherence" => judged!(RoleAdherence::new(), options),
        "role_violation" => judged!(RoleViolation::new(options.filled("role")?), options),
        "requirements" => judged!(requirements(&mut options)?, options),
        "step_efficiency" => judged!(StepEfficiency::new(), options),
        "summarization" if options.has("assessment_questions") => {
            let questions = options.texts("assessment_questions")?;
            judged!(
                Summarization::new().assessment_questions(questions),
                options
            )
        }
        "summarization" => judged!(Summarization::new(), options),
        "task_completion" => {
            let mut metric = TaskCompletion::new();
            if let Some(task) = options.text("task")? {
                metric = metric.task(task);
            }
            judged!(metric, options)
        }
        "tool_correctness" => judged!(tool_correctness(&mut options)?, options),
        "tool_permission" => Node::from(tool_permission(&mut options)?),
        "tool_use" => {
            let tools = options.take::<Vec<ToolSpec>>("available_tools")?;
            let tools = tools.filter(|tools| !tools.is_empty());
            let tools = tools.ok_or("`available_tools` must hold at least one tool")?;
            judged!(ToolUse::new(tools), options)
        }
        "topic_adherence" => judged!(TopicAdherence::new(options.texts("topics")?), options),
        "toxicity" => judged!(Toxicity::new(), options),
        "turn_contextual_precision" => windowed!(TurnContextualPrecision::new(), options),
        "turn_contextual_recall" => windowed!(TurnContextualRecall::new(), options),
        "turn_contextual_relevancy" => windowed!(TurnContextualRelevancy::new(), options),
        "turn_faithfulness" => windowed!(TurnFaithfulness::new(), options),
        "turn_relevancy" => windowed!(TurnRelevancy::new(), options),
        _ => {
            return Err(
                "it is not known; `Dag::from_json_with` takes metrics of your own".to_string(),
            );
        }
    };
    options.finish()?;
    Ok(node)
}

fn requirements(options: &mut Options) -> Result<Requirements, String> {
    let mut metric = Requirements::new();
    for (key, must) in [("must", true), ("must_not", false)] {
        if !options.has(key) {
            continue;
        }
        for text in options.texts(key)? {
            metric = if must {
                metric.must(text)
            } else {
                metric.must_not(text)
            };
        }
    }
    Ok(metric)
}

fn tool_permission(options: &mut Options) -> Result<ToolPermission, String> {
    let allowed = options.has("allowed").then(|| options.texts("allowed"));
    let denied = options.has("denied").then(|| options.texts("denied"));
    Ok(match (allowed.transpose()?, denied.transpose()?) {
        (Some(allowed), Some(denied)) => ToolPermission::allowing(allowed).but_denying(denied),
        (Some(allowed), None) => ToolPermission::allowing(allowed),
        (None, Some(denied)) => ToolPermission::denying(denied),
        (None, None) => return Err("`allowed` or `denied` is missing".to_string()),
    })
}

fn tool_correctness(options: &mut Options) -> Result<ToolCorrectness, String> {
    let mut metric = ToolCorrectness::new();
    if options.flag("ordered")? {
        metric = metric.ordered();
    }
    if options.flag("exact")? {
        metric = metric.exact();
    }
    if options.flag("compare_arguments")? {
        metric = metric.compare_arguments();
    }
    if options.flag("compare_output")? {
        metric = metric.compare_output();
    }
    Ok(metric)
}

type Rubric = Vec<(RangeInclusive<u32>, String)>;

/// The options that are left to be read.
struct Options(Map<String, Value>);

impl Options {
    fn take<T: DeserializeOwned>(&mut self, key: &str) -> Result<Option<T>, String> {
        let Some(value) = self.0.remove(key) else {
            return Ok(None);
        };
        serde_json::from_value(value)
            .map(Some)
            .map_err(|error| format!("`{key}`: {error}"))
    }

    fn flag(&mut self, key: &str) -> Result<bool, String> {
        Ok(self.take::<bool>(key)?.unwrap_or_default())
    }

    /// A text that is not empty.
    fn text(&mut self, key: &str) -> Result<Option<String>, String> {
        match self.take::<String>(key)? {
            Some(text) if text.trim().is_empty() => Err(format!("`{key}` is empty")),
            text => Ok(text),
        }
    }

    fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    /// A text that must be there.
    fn filled(&mut self, key: &str) -> Result<String, String> {
        self.text(key)?.ok_or_else(|| format!("`{key}` is missing"))
    }

    /// Texts that must be there, at least one, and none that is empty.
    fn texts(&mut self, key: &str) -> Result<Vec<String>, String> {
        let texts: Vec<String> = self.take(key)?.unwrap_or_default();
        if texts.is_empty() || texts.iter().any(|text| text.trim().is_empty()) {
            return Err(format!(
                "`{key}` must hold at least one text, and none that is empty"
            ));
        }
        Ok(texts)
    }

    /// The lowest and the highest grade.
    fn scale(&mut self) -> Result<Option<RangeInclusive<u32>>, String> {
        match self.take::<[u32; 2]>("scale")? {
            Some([lowest, highest]) if lowest >= highest || highest > 100 => {
                Err("`scale` must go up and end at 100 at most".to_string())
            }
            scale => Ok(scale.map(|[lowest, highest]| lowest..=highest)),
        }
    }

    /// What ranges of grades mean: `[lowest, highest, text]`. They must stand on the scale and not overlap.
    fn rubric(&mut self, scale: Option<RangeInclusive<u32>>) -> Result<Option<Rubric>, String> {
        let Some(rubric) = self.take::<Vec<(u32, u32, String)>>("rubric")? else {
            return Ok(None);
        };
        let ranges = rubric.into_iter().map(|(from, to, text)| (from..=to, text));
        let mut rubric: Rubric = ranges.collect();
        rubric.sort_by_key(|(range, _)| *range.start());
        let set = scale.is_some();
        let scale = scale.unwrap_or(0..=10);
        let on_scale = |range: &RangeInclusive<u32>| {
            !range.is_empty() && scale.contains(range.start()) && scale.contains(range.end())
        };
        if let Some((range, _)) = rubric.iter().find(|(range, _)| !on_scale(range)) {
            return Err(format!(
                "`rubric` has the range {range:?}, which is not on the scale {scale:?}"
            ));
        }
        if rubric
            .windows(2)
            .any(|pair| pair[0].0.end() >= pair[1].0.start())
        {
            return Err("`rubric` has ranges that overlap".to_string());
        }
        match rubric.as_slice() {
            [(only, _)] if !set && only.start() == only.end() => {
                Err("`rubric` has only one grade; add others, or a `scale`".to_string())
            }
            _ => Ok(Some(rubric)),
        }
    }

    fn finish(self) -> Result<(), String> {
        match self.0.keys().next() {
            Some(key) => Err(format!("it has no option `{key}`")),
            None => Ok(()),
        }
    }
}
