//! The registry: what `#[llm_test]` leaves behind for the harness, and the few functions that its expansion calls.

use crate::{BoxError, Check, Golden, IntoChecks, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

/// Everything known about one `#[llm_test]` function. Made by the macro, as a static.
pub struct TestEntry {
    /// The function's name, as libtest lists it: `r#match` stays raw.
    pub name: &'static str,
    /// Its module, with the crate as first segment.
    pub module: &'static str,
    /// The source file, as the compiler names it.
    pub file: &'static str,
    /// The line of the function's name.
    pub line: u32,
    /// The folder of the crate's manifest when it was compiled.
    pub manifest_dir: &'static str,
    /// Whether it carries `#[ignore]`.
    pub ignored: bool,
    /// The reason given with `#[ignore = "…"]`.
    pub ignore_reason: Option<&'static str>,
    /// Where its rows come from.
    pub dataset: Dataset,
    /// The share of rows that must pass, in `0.0..=1.0`; makes the dataset one test.
    pub pass_rate: Option<f64>,
    /// How often each case runs.
    pub trials: u32,
    /// How many trials must pass; all when `None`.
    pub passes: Option<u32>,
    /// The time limit of one body.
    pub timeout: Option<Duration>,
    /// What all its cases may spend together, as `$0.10` or `200k tokens`.
    pub budget: Option<&'static str>,
    /// Tags for `LLMTEST_TAGS`.
    pub tags: &'static [&'static str],
    /// The doc comment.
    pub description: &'static str,
    /// The function.
    pub body: Body,
}

impl TestEntry {
    /// The name as `cargo test` shows it: the module without the crate, and the function.
    pub(crate) fn path(&self) -> String {
        match self.module.split_once("::") {
            Some((_, module)) => format!("{module}::{}", self.name),
            None => self.name.to_string(),
        }
    }

    /// The crate that the test is in.
    pub(crate) fn crate_name(&self) -> &'static str {
        self.module
            .split_once("::")
            .map_or(self.module, |(name, _)| name)
    }
}

/// Where the rows of a test come from.
#[derive(Clone, Copy)]
pub enum Dataset {
    /// A test without argument.
    None,
    /// A file, relative to the crate's manifest.
    File(&'static str),
    /// A function.
    Rows(fn() -> Result<Vec<Value>>),
}

/// What the body of a test is given.
pub type Row = Option<RowValue>;

/// One row: its JSON and its id.
#[derive(Debug, Clone)]
pub struct RowValue {
    pub(crate) id: String,
    pub(crate) value: Value,
    /// Its line in the dataset; zero where that is not known.
    pub(crate) line: usize,
}

/// What the body of a test returns, in one shape.
pub type Produced = Result<Vec<Check>>;

/// The function of a test, in one shape.
pub enum Body {
    /// A plain function; it runs on a thread of its own.
    Sync(fn(Row) -> Produced),
    /// An async function.
    Async(fn(Row) -> Pin<Box<dyn Future<Output = Produced> + Send>>),
}

/// An entry in the registry.
pub struct Registered(pub &'static TestEntry);

inventory::collect!(Registered);

/// Every registered test, by file and line; the registry itself has no order.
pub(crate) fn all() -> &'static [&'static TestEntry] {
    // Under libtest every test asks.
    static ALL: OnceLock<Vec<&'static TestEntry>> = OnceLock::new();
    ALL.get_or_init(|| {
        let mut entries: Vec<_> = inventory::iter::<Registered>
            .into_iter()
            .map(|registered| registered.0)
            .collect();
        entries.sort_by_key(|entry| (entry.file, entry.line, entry.name));
        entries
    })
}

/// Reads the row as the type of the test's argument. A [`Golden`] is given the row's id.
pub fn decode<T: DeserializeOwned + 'static>(row: Row) -> Result<T> {
    let row = row.ok_or("this test takes a dataset row, and was run without one")?;
    let mut value: T = serde_json::from_value(row.value).map_err(|error| -> BoxError {
        format!("row `{}` is not a `{}`: {error}\nhint: correct the row, or the type of the test's argument", row.id, short_type_name::<T>()).into()
    })?;
    if let Some(golden) = (&mut value as &mut dyn Any).downcast_mut::<Golden>() {
        golden.id = row.id;
    }
    Ok(value)
}

fn short_type_name<T>() -> &'static str {
    let name = std::any::type_name::<T>();
    name.rsplit("::").next().unwrap_or(name)
}

/// The checks of a body, in one shape.
pub fn produced<R: IntoChecks>(returned: R) -> Produced {
    returned.into_checks()
}

/// What a `dataset_fn` may return: rows, or a `Result` of them.
#[diagnostic::on_unimplemented(
    message = "a `dataset_fn` must return rows: a `Vec<T>` where `T: Serialize`, or a `Result` of one",
    label = "`{Self}` is not a list of rows"
)]
pub trait IntoRows {
    /// The rows as JSON.
    fn into_rows(self) -> Result<Vec<Value>>;
}

impl<T: Serialize> IntoRows for Vec<T> {
    fn into_rows(self) -> Result<Vec<Value>> {
        self.into_iter()
            .map(|row| Ok(serde_json::to_value(row)?))
            .collect()
    }
}

impl<T: Serialize, E: Into<BoxError>> IntoRows for std::result::Result<Vec<T>, E> {
    fn into_rows(self) -> Result<Vec<Value>> {
        self.map_err(Into::into)?.into_rows()
    }
}

/// The rows of a `dataset_fn`, in one shape.
pub fn rows<R: IntoRows>(returned: R) -> Result<Vec<Value>> {
    returned.into_rows()
}
