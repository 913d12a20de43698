//! The judged part of tool correctness: the choice of tools.

use super::{Live, live};
use llmtest::{TestCase, ToolCall, ToolCorrectness, ToolSpec};

pub(super) fn cases() -> Vec<Live> {
    let case = |tool: &str| {
        TestCase::new(
            "What will the weather be in Oslo tomorrow?",
            "Rain, 8 degrees.",
        )
        .tools([ToolCall::new(tool)])
        .expected_tools([ToolCall::new(tool)])
    };
    let metric = || {
        ToolCorrectness::new().available_tools([
            ToolSpec::new("weather_forecast")
                .description("Tells the weather of a city for the next days."),
            ToolSpec::new("send_money").description("Sends money to another bank account."),
        ])
    };
    vec![live(metric, case("weather_forecast"), case("send_money"))]
}
