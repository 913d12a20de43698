//! Agents, their conversations, MCP.

use super::{Live, live};
use llmtest::{
    ArgumentCorrectness, GoalAccuracy, McpServer, McpTaskCompletion, McpUse, MultiTurnMcpUse,
    PlanAdherence, PlanQuality, Span, StepEfficiency, TaskCompletion, TestCase, ToolCall, ToolKind,
    ToolSpec, ToolUse, TopicAdherence, Trace, Turn,
};
use serde_json::json;

pub(super) fn cases() -> Vec<Live> {
    let mut cases = single();
    cases.extend(conversations());
    cases.extend(mcp());
    cases
}

/// A call of the weather tool.
fn weather(city: &str) -> ToolCall {
    ToolCall::new("weather")
        .arguments(json!({"city": city}))
        .output("sunny, 20 degrees")
}

/// A run of an agent: each step is a tool's name, its input and its output.
fn run(steps: &[(&str, &str, &str)]) -> Trace {
    let span = |(name, input, output): &(&str, &str, &str)| {
        let mut span = Span::new(*name, "tool");
        span.input = json!({ "input": input });
        span.output = json!(output);
        span
    };
    Trace {
        spans: steps.iter().map(span).collect(),
    }
}

fn single() -> Vec<Live> {
    let asked = "What is the weather in Lyon?";
    let table = "Book a table for four at 7 pm.";
    let answered = || TestCase::new(asked, "It is sunny in Lyon, 20 degrees.");
    let booked = || TestCase::new(table, "Your table for four at 7 pm is booked.");
    let search = ("search_tables", "four people, 7 pm", "table 3 is free");
    let book = ("book_table", "table 3, four people, 7 pm", "booked");
    let plan = (
        "write_plan",
        table,
        "Plan: 1. Search a free table for four at 7 pm. 2. Book it.",
    );
    let bad_plan = (
        "write_plan",
        table,
        "Plan: 1. Read the news. 2. Sing a song.",
    );
    let song = ("sing_song", "a sea shanty", "la la la");
    let news = ("read_news", "today", "nothing new");
    vec![
        live(
            ArgumentCorrectness::new,
            answered().tools([weather("Lyon")]),
            answered().tools([weather("Tokyo")]),
        ),
        live(
            TaskCompletion::new,
            booked().tools([ToolCall::new("book_table")
                .arguments(json!({"people": 4, "hour": "19:00"}))
                .output("booked")]),
            TestCase::new(table, "I cannot book tables. Bananas are yellow.").tools([]),
        ),
        live(StepEfficiency::new, booked(), booked()).traced(
            run(&[search, book]),
            run(&[song, news, search, search, search, news, song, book]),
        ),
        live(PlanQuality::new, booked(), booked())
            .traced(run(&[plan, search, book]), run(&[bad_plan, news, song])),
        live(PlanAdherence::new, booked(), booked())
            .traced(run(&[plan, search, book]), run(&[plan, news, song])),
    ]
}

fn conversations() -> Vec<Live> {
    let talk = |turns: [Turn; 2]| TestCase::default().turns(turns);
    let asked = || Turn::user("What is the weather in Lyon?");
    let tools = || {
        ToolUse::new([
            ToolSpec::new("weather").description("The weather in a city."),
            ToolSpec::new("delete_account").description("Deletes the user's account."),
        ])
    };
    let deleted = ToolCall::new("delete_account").output("deleted");
    vec![
        live(
            tools,
            talk([
                asked(),
                Turn::assistant("Sunny, 20 degrees.").tools([weather("Lyon")]),
            ]),
            talk([
                asked(),
                Turn::assistant("Your account is gone.").tools([deleted]),
            ]),
        ),
        live(
            GoalAccuracy::new,
            talk([
                asked(),
                Turn::assistant("It is sunny in Lyon, 20 degrees.").tools([weather("Lyon")]),
            ]),
            talk([asked(), Turn::assistant("I do not care. Cats sleep a lot.")]),
        ),
        live(
            || TopicAdherence::new(["weather"]),
            talk([asked(), Turn::assistant("It is sunny in Lyon, 20 degrees.")]),
            talk([
                Turn::user("How do I bake bread?"),
                Turn::assistant("Mix flour, water, salt and yeast, then bake it for 40 minutes."),
            ]),
        ),
    ]
}

fn mcp() -> Vec<Live> {
    let server = || {
        McpServer::new("files").tools([
            ToolSpec::new("read_file").description("Reads the file at a path."),
            ToolSpec::new("delete_file").description("Deletes the file at a path."),
        ])
    };
    let call = |name: &str, path: &str, output: &str| {
        ToolCall::new(name)
            .kind(ToolKind::Mcp)
            .arguments(json!({ "path": path }))
            .output(output)
    };
    let read = || call("read_file", "readme.md", "Hello, world!");
    let deleted = || call("delete_file", "photos.zip", "deleted");
    let asked = "Read readme.md to me.";
    let good = || {
        TestCase::default().mcp_servers([server()]).turns([
            Turn::user(asked),
            Turn::assistant("I read it.").tools([read()]),
            Turn::assistant("readme.md says: Hello, world!"),
        ])
    };
    let bad = || {
        TestCase::default().mcp_servers([server()]).turns([
            Turn::user(asked),
            Turn::assistant("I delete photos.zip.").tools([deleted()]),
            Turn::assistant("I have no idea what it says."),
        ])
    };
    vec![
        live(
            McpUse::new,
            TestCase::new(asked, "It says: Hello, world!")
                .mcp_servers([server()])
                .tools([read()]),
            TestCase::new(asked, "I have no idea what it says.")
                .mcp_servers([server()])
                .tools([deleted()]),
        ),
        live(MultiTurnMcpUse::new, good(), bad()),
        live(McpTaskCompletion::new, good(), bad()),
    ]
}
