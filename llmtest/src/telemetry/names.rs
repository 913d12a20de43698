//! The names of attributes, all in one place: the conventions are in development and move.

/// The current names of OpenTelemetry's conventions for generative AI.
pub(super) mod gen_ai {
    pub(crate) const OPERATION: &str = "gen_ai.operation.name";
    pub(crate) const PROVIDER: &str = "gen_ai.provider.name";
    pub(crate) const REQUEST_MODEL: &str = "gen_ai.request.model";
    pub(crate) const RESPONSE_MODEL: &str = "gen_ai.response.model";
    pub(crate) const TIME_TO_FIRST: &str = "gen_ai.response.time_to_first_chunk";
    pub(crate) const INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
    pub(crate) const OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
    pub(crate) const INPUT_MESSAGES: &str = "gen_ai.input.messages";
    pub(crate) const OUTPUT_MESSAGES: &str = "gen_ai.output.messages";
    pub(crate) const SYSTEM_INSTRUCTIONS: &str = "gen_ai.system_instructions";
    pub(crate) const AGENT_NAME: &str = "gen_ai.agent.name";
    pub(crate) const TOOL_NAME: &str = "gen_ai.tool.name";
    pub(crate) const TOOL_ARGUMENTS: &str = "gen_ai.tool.call.arguments";
    pub(crate) const TOOL_RESULT: &str = "gen_ai.tool.call.result";
    pub(crate) const QUERY: &str = "gen_ai.retrieval.query.text";
    pub(crate) const DOCUMENTS: &str = "gen_ai.retrieval.documents";
    pub(crate) const EVALUATION: &str = "gen_ai.evaluation.result";
    pub(crate) const EVALUATION_NAME: &str = "gen_ai.evaluation.name";
    pub(crate) const EVALUATION_SCORE: &str = "gen_ai.evaluation.score.value";
    pub(crate) const EVALUATION_LABEL: &str = "gen_ai.evaluation.score.label";
    pub(crate) const EVALUATION_WHY: &str = "gen_ai.evaluation.explanation";
}

/// Names that only importers meet: earlier conventions, and those of single libraries.
pub(super) mod others {
    pub(crate) const MODELS: [&str; 6] = [
        super::gen_ai::REQUEST_MODEL,
        super::gen_ai::RESPONSE_MODEL,
        "llm.model_name",
        "embedding.model_name",
        "ai.model.id",
        "langfuse.observation.model.name",
    ];
    pub(crate) const INPUT_TOKENS: [&str; 5] = [
        super::gen_ai::INPUT_TOKENS,
        "gen_ai.usage.prompt_tokens",
        "llm.token_count.prompt",
        "ai.usage.promptTokens",
        "llm.usage.prompt_tokens",
    ];
    pub(crate) const OUTPUT_TOKENS: [&str; 5] = [
        super::gen_ai::OUTPUT_TOKENS,
        "gen_ai.usage.completion_tokens",
        "llm.token_count.completion",
        "ai.usage.completionTokens",
        "llm.usage.completion_tokens",
    ];
    pub(crate) const COSTS: [&str; 3] = ["gen_ai.usage.cost", "llm.cost.total", "operation.cost"];
    /// Where an input or output stands, the most telling first.
    pub(crate) const INPUTS: [&str; 11] = [
        super::INPUT_VALUE,
        "langfuse.observation.input",
        super::gen_ai::INPUT_MESSAGES,
        super::gen_ai::TOOL_ARGUMENTS,
        super::gen_ai::QUERY,
        "gen_ai.prompt",
        "ai.prompt.messages",
        "ai.prompt",
        "ai.toolCall.args",
        "traceloop.entity.input",
        "tool_arguments",
    ];
    pub(crate) const OUTPUTS: [&str; 12] = [
        super::OUTPUT_VALUE,
        "langfuse.observation.output",
        super::gen_ai::OUTPUT_MESSAGES,
        super::gen_ai::TOOL_RESULT,
        super::gen_ai::DOCUMENTS,
        "gen_ai.completion",
        "ai.response.text",
        "ai.response.toolCalls",
        "ai.response.object",
        "ai.toolCall.result",
        "traceloop.entity.output",
        "tool_response",
    ];
    pub(crate) const TOOL_NAMES: [&str; 3] =
        [super::gen_ai::TOOL_NAME, "tool.name", "ai.toolCall.name"];
}

pub(super) const ERROR_TYPE: &str = "error.type";
pub(super) const INPUT_VALUE: &str = "input.value";
pub(super) const INPUT_MIME: &str = "input.mime_type";
pub(super) const OUTPUT_VALUE: &str = "output.value";
pub(super) const OUTPUT_MIME: &str = "output.mime_type";
pub(super) const OPENINFERENCE_KIND: &str = "openinference.span.kind";
pub(super) const LANGFUSE_TYPE: &str = "langfuse.observation.type";
pub(super) const TRACELOOP_KIND: &str = "traceloop.span.kind";

/// Our own names: what no convention has, so that an export can be read back whole.
pub(super) mod own {
    /// Only on the span of a test: its name.
    pub(crate) const TEST: &str = "llmtest.test.name";
    pub(crate) const ROW: &str = "llmtest.test.row";
    pub(crate) const TRIAL: &str = "llmtest.test.trial";
    pub(crate) const OUTCOME: &str = "llmtest.test.outcome";
    pub(crate) const EXPECTED: &str = "llmtest.test.expected";
    pub(crate) const KIND: &str = "llmtest.span.kind";
    /// Its index in the trace.
    pub(crate) const PLACE: &str = "llmtest.span.index";
    /// The other fields, as JSON.
    pub(crate) const REST: &str = "llmtest.span.rest";
}
