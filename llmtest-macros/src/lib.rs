//! The attributes of `llmtest`. Depend on `llmtest`, which exports them: what they expand to names only
//! `llmtest::__private`.

mod function;
mod llm_test;
mod observe;
mod problems;

use proc_macro::TokenStream;

/// Makes a function an LLM test: it returns what to check, and the runner checks it.
///
/// The function is `async` or not, and returns a `Check`, a list of them, or a `Result` of either. It is a test of the
/// ordinary harness and of `llmtest::main()`, from the same attribute.
///
/// | option | meaning |
/// | --- | --- |
/// | `dataset = "data/x.jsonl"` | runs the function once a row, which is its argument; relative to the crate's manifest |
/// | `dataset_fn = rows` | the same, with the rows a function returns |
/// | `pass_rate = 0.9` | the dataset is one test, which passes when that share of its rows does |
/// | `trials = 5` | runs every case that often |
/// | `passes = 4` | how many of the trials must pass; all of them if absent |
/// | `timeout = "60s"` | gives up on a case after that time: `"500ms"`, `"60s"`, `"2m"` |
/// | `budget = "$0.10"` | what its live judge calls may cost together, over all rows and trials; or `"200k tokens"` |
/// | `tags("must", "slow")` | words to select tests by |
/// | `crate = path` | where `llmtest` is, if it was renamed or re-exported |
///
/// `#[ignore]` and `#[ignore = "why"]` work as in any test.
///
/// ```
/// use llmtest::prelude::*;
///
/// #[llm_test(trials = 3, passes = 2, timeout = "30s", tags("must"))]
/// async fn answers_politely() -> Check {
///     let answer = String::from("You are welcome.");
///     TestCase::new("Thank you!", answer).expect(Contains::new("welcome"))
/// }
/// # fn main() {}
/// ```
#[proc_macro_attribute]
pub fn llm_test(options: TokenStream, item: TokenStream) -> TokenStream {
    llm_test::expand(options.into(), item.into()).into()
}

/// The same as `#[llm_test]`, under the name that `rstest`, `test_case` and other attributes look for.
///
/// ```
/// use llmtest::prelude::*;
///
/// #[llmtest::test]
/// async fn greets() -> Check {
///     TestCase::new("Hello", "Hello to you too.").expect(Contains::new("Hello"))
/// }
/// # fn main() {}
/// ```
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    llm_test::expand(options.into(), item.into()).into()
}

/// Records the calls of a function while a test runs: its arguments, result, duration and place in the trace.
///
/// It goes on production code, and costs one relaxed atomic load when no test listens. It works on functions and
/// methods, `async` or not, generic ones, those that return `impl Future` or a boxed future, a stream or a `Result` of
/// one, and under `#[async_trait]`.
///
/// | option | meaning |
/// | --- | --- |
/// | `llm`, `tool`, `retriever`, `agent` | the kind of the span; also another word, or `kind = "x"` |
/// | `name = "search"` | the span's name; the function's if absent |
/// | `skip(a, b)` | leaves arguments out; `skip(result)` leaves the result out |
/// | `redact(a)` | records `"[redacted]"` for the argument; also `redact(result)` |
/// | `replay` | a recorded result can stand in for the call |
/// | `key = &self.model` | what else the result depends on: another value is another recording |
/// | `stream` | the result is a stream although its type does not say so; see below |
/// | `join` | the items of the stream are pieces of one text |
/// | `crate = path` | where `llmtest` is, if it was renamed or re-exported |
///
/// Values are recorded through `Serialize`, else `Debug`, else as the name of their type, with no bound on the
/// signature; in a generic function only the bounds it declares count. `Ok(v)` is recorded as `v`, and an `Err` as the
/// span's error.
///
/// With `replay`, arguments must be `Serialize`, and the result (of a `Result`, what is in `Ok`) also `Deserialize`.
/// An error is replayed when its type is both, or is `From<llmtest::ReplayedError>`, as a boxed error is. Another body
/// of the function is another recording; what it depends on outside of its arguments belongs in `key`, each value of
/// which has recordings of its own. So has each instance of a generic function, and each type of `self`, by the names
/// that [`type_name`](core::any::type_name) has for them; type parameters of the `impl` of a function without `self`
/// are not seen. Two functions of one name in one module need a `name` each. What a call gives must not hold the text of
/// an argument under `redact`: it is not recorded then, and the case cannot count. The recording
/// keeps the body's text, so that a test whose stage was edited can say what changed in it; white space and comments
/// do not count, and neither do functions that the body calls.
///
/// A test can put a result in place of the function's own with `llmtest::substitute`, also without `replay`, if the
/// result (of a `Result`, what is in `Ok`) is `Deserialize`.
///
/// # Telemetry
///
/// With the feature `tracing` of `llmtest` every call is a span of `tracing` too, in production and in tests, so that it
/// shows in the telemetry which the application has: target `llmtest::observe`, level `INFO`, entered at each poll, with
/// `otel.name` as its name. It has OpenTelemetry's names for what is known: `gen_ai.operation.name` (`chat` for `llm`,
/// `embeddings`, `execute_tool`, `invoke_agent`, `retrieval`), `gen_ai.tool.name` or `gen_ai.agent.name`,
/// `gen_ai.usage.input_tokens` and `gen_ai.usage.output_tokens`, `otel.status_code` and `error.type` (`error`, `panic`,
/// `cancelled`), and where the function is.
///
/// Arguments, results and the texts of errors never go into it, since telemetry leaves the machine and they are the
/// user's: record on a span of your own what may be seen. If no subscriber wants these spans, a call costs a nanosecond
/// more.
///
/// The way back, spans of other crates as components of a test, is `llmtest::CaptureLayer` (feature `tracing-capture`).
///
/// ```
/// #[llmtest::observe(retriever)]
/// async fn retrieve(question: &str) -> Vec<String> {
///     vec![format!("a passage about {question}")]
/// }
///
/// struct Client {
///     model: String,
///     secret: String,
/// }
///
/// impl Client {
///     #[llmtest::observe(llm, name = "complete", replay, key = &self.model)]
///     async fn call(&self, prompt: &str) -> Result<String, std::io::Error> {
///         Ok(format!("{} says {prompt}", self.model))
///     }
/// }
/// # let _ = (retrieve(""), &Client { model: String::new(), secret: String::new() }.secret);
/// ```
///
/// # Streams
///
/// A function that returns a stream has ended before its result is there, so its span stays open while the stream is
/// consumed, and closes with it. Streams are `impl Stream<Item = T>`, `Pin<Box<dyn Stream<Item = T>>>` (also with `Send`,
/// or with `Send + Sync`), `BoxStream<'_, T>` and `LocalBoxStream<'_, T>`; a name of your own for one of these needs the
/// option `stream`. A struct that is a stream cannot be put into another one: return `impl Stream` in its place.
///
/// - The output is the array of the items that were consumed, at most 10,000 (a note says how many there were). With
///   `join`, where every item is text, it is one text, of at most 100,000 pieces: what metrics read.
/// - Of items that are results, an `Ok(v)` is recorded as `v`; the first `Err` is the span's error.
/// - The time to the first item is kept as `time_to_first`.
/// - A stream that is dropped before its end is no error. The span has what was consumed, and a note:
///   `dropped after 3 items`. A panic in the stream ends it as `panicked`.
/// - What the stream calls while it is polled is under its span, also in another task.
/// - An `impl Stream` is boxed, at the cost of an allocation per call, whether a test listens or not.
///
/// With `replay`, items must be `Serialize` and `Deserialize` (of a `Result`, what is in `Ok`); errors come back at their
/// places among them, if they can be rebuilt. The items come as fast as they are asked for. A stream that was dropped
/// early is recorded with what was taken: whoever then asks for more has no recording.
///
/// ```
/// use futures_util::stream::{self, BoxStream, Stream, StreamExt};
///
/// #[llmtest::observe(llm, join)]
/// async fn complete(prompt: &str) -> std::io::Result<impl Stream<Item = std::io::Result<String>> + use<>> {
///     let words: Vec<_> = prompt.split_inclusive(' ').map(|word| Ok(word.to_uppercase())).collect();
///     Ok(stream::iter(words))
/// }
///
/// type Passages = BoxStream<'static, String>;
///
/// #[llmtest::observe(retriever, stream, replay)]
/// fn passages(question: &str) -> Passages {
///     stream::iter([format!("a passage about {question}")]).boxed()
/// }
/// # fn main() -> std::io::Result<()> {
/// # futures_util::FutureExt::now_or_never(async {
///
/// let mut answer = complete("you are welcome").await?;
/// assert_eq!(answer.next().await.transpose()?, Some("YOU ".to_string()));
/// assert_eq!(passages("shoes").count().await, 1);
/// # Ok(())
/// # }).unwrap()
/// # }
/// ```
#[proc_macro_attribute]
pub fn observe(options: TokenStream, item: TokenStream) -> TokenStream {
    observe::expand(options.into(), item.into()).into()
}
