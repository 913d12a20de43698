//! Reading datasets: JSONL, a JSON array, CSV behind a feature, or a function.

use crate::entry::{Dataset, RowValue, TestEntry};
use serde_json::Value;
use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

/// A problem with a dataset, at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatasetError {
    /// The file; empty for a `dataset_fn`.
    pub path: PathBuf,
    /// The line, from one; the element of a JSON array or of a function's list. Zero for the whole file.
    pub line: usize,
    /// What is wrong.
    pub problem: String,
}

impl fmt::Display for DatasetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            path,
            line,
            problem,
        } = self;
        match (path.as_os_str().is_empty(), line) {
            (true, 0) => write!(f, "the dataset function: {problem}"),
            (true, line) => write!(f, "row {line} of the dataset function: {problem}"),
            (false, 0) => write!(f, "dataset `{}`: {problem}", path.display()),
            (false, line) => write!(f, "dataset `{}`, line {line}: {problem}", path.display()),
        }
    }
}

impl std::error::Error for DatasetError {}

/// A row, or what is wrong with it. A broken row is a case of its own, with an id made from its place.
pub(crate) struct RowResult {
    pub(crate) id: String,
    pub(crate) row: std::result::Result<RowValue, DatasetError>,
}

/// How many hex digits name a row that has no id.
const SHORT_HASH: usize = 8;

type Values = Box<dyn Iterator<Item = (usize, std::result::Result<Value, String>)> + Send>;

/// The rows of a test, one after the other; a file is read as it goes, so that large ones need no memory.
pub(crate) fn rows(
    entry: &TestEntry,
    manifest_dir: &Path,
) -> std::result::Result<impl Iterator<Item = RowResult> + Send + use<>, DatasetError> {
    numbered(entry.dataset, manifest_dir)
}

fn numbered(
    dataset: Dataset,
    manifest_dir: &Path,
) -> std::result::Result<impl Iterator<Item = RowResult> + Send + use<>, DatasetError> {
    let (path, mut values) = match dataset {
        Dataset::None => unreachable!("only asked for tests with a dataset"),
        Dataset::Rows(make) => {
            let rows = make().map_err(|error| DatasetError {
                path: PathBuf::new(),
                line: 0,
                problem: error.to_string(),
            })?;
            (
                PathBuf::new(),
                Box::new((1_usize..).zip(rows.into_iter().map(Ok))) as Values,
            )
        }
        Dataset::File(name) => {
            let path = manifest_dir.join(name);
            let values = open(&path).map_err(|problem| DatasetError {
                path: PathBuf::from(name),
                line: 0,
                problem,
            })?;
            (PathBuf::from(name), values)
        }
    };
    let first = values.next().ok_or_else(|| DatasetError {
        path: path.clone(),
        line: 0,
        problem: "has no rows\nhint: add a row such as {\"id\": \"first\", \"input\": \"…\"}; a test over nothing proves nothing".to_string(),
    })?;
    let mut seen = Seen::default();
    Ok(std::iter::once(first)
        .chain(values)
        .map(move |(line, value)| {
            let wrong = |problem: String| DatasetError {
                path: path.clone(),
                line,
                problem,
            };
            let value = match value {
                Ok(value) => value,
                Err(problem) => {
                    return RowResult {
                        id: format!("line-{line}"),
                        row: Err(wrong(problem)),
                    };
                }
            };
            let (mut id, hash) = if let Some(id) = row_id(&value) {
                (escape_id(&id), None)
            } else {
                let text = llmtest_metrics::json::text(&value);
                let hash = llmtest_metrics::hash::long(text.as_bytes());
                (hash[..SHORT_HASH].to_string(), Some(hash))
            };
            // Among 10,000 rows, two short hashes are equal in one of a hundred datasets; equal long ones are equal rows.
            if let (Some(hash), Some((_, Some(other)))) = (&hash, seen.get(&id))
                && rest_of(hash) != other
            {
                id.clone_from(hash);
            }
            if let Some((first, _)) = seen.get(&id) {
                let problem = format!(
                    "the id `{id}` is already used on line {first}\n\
                 hint: ids name rows in reports and baselines; give each its own"
                );
                return RowResult {
                    id: format!("{id}#line-{line}"),
                    row: Err(wrong(problem)),
                };
            }
            seen.insert(&id, line, hash.as_deref());
            RowResult {
                id: id.clone(),
                row: Ok(RowValue { id, value, line }),
            }
        }))
}

/// Where each id was seen. Hashes stand for the ids, so that a million rows take 35 MB: two of a million different ids are
/// taken for one in one of thirty million datasets.
#[derive(Default)]
struct Seen {
    by: RandomState,
    /// The line, and of a row without an id the rest of its longer hash, which is zero for the others.
    ids: HashMap<u64, (u32, u32)>,
}

impl Seen {
    fn get(&self, id: &str) -> Option<(u32, Option<u32>)> {
        let (line, rest) = *self.ids.get(&self.by.hash_one(id))?;
        Some((line, (rest > 0).then_some(rest)))
    }

    fn insert(&mut self, id: &str, line: usize, hash: Option<&str>) {
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        let rest = hash.map_or(0, rest_of);
        self.ids.insert(self.by.hash_one(id), (line, rest));
    }
}

/// The digits of a row's hash behind its short one, as a number above zero.
fn rest_of(hash: &str) -> u32 {
    let digits = hash.get(SHORT_HASH..2 * SHORT_HASH).unwrap_or_default();
    u32::from_str_radix(digits, 16).unwrap_or_default().max(1)
}

fn open(path: &Path) -> std::result::Result<Values, String> {
    if path.is_dir() {
        return Err("is a folder\nhint: name a file in it, such as `rows.jsonl`".to_string());
    }
    let file = File::open(path).map_err(|error| {
        let hint = nearest_sibling(path).map_or_else(
            || {
                format!(
                    "create {}; the path is relative to the crate's Cargo.toml",
                    path.display()
                )
            },
            |sibling| {
                format!("did you mean `{sibling}`? the path is relative to the crate's Cargo.toml")
            },
        );
        format!("cannot be read: {error}\nhint: {hint}")
    })?;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => array(file),
        Some("csv") => csv(file),
        _ => Ok(lines(file)),
    }
}

fn lines(file: File) -> Values {
    let lines = BufReader::new(file)
        .lines()
        .enumerate()
        .filter_map(|(at, line)| match line {
            Ok(line) if line.trim().is_empty() => None,
            Ok(line) => {
                let line = line.strip_prefix('\u{feff}').unwrap_or(&line);
                Some((
                    at + 1,
                    serde_json::from_str(line).map_err(|error| {
                        format!("is not JSON: {error}\nhint: each line is one JSON object")
                    }),
                ))
            }
            Err(error) => Some((at + 1, Err(format!("cannot be read: {error}")))),
        });
    Box::new(lines)
}

fn array(file: File) -> std::result::Result<Values, String> {
    let rows: Vec<Value> = serde_json::from_reader(BufReader::new(file)).map_err(|error| {
        format!(
            "is not a JSON array: {error}\nhint: a file with one object a line is named `.jsonl`"
        )
    })?;
    Ok(Box::new((1_usize..).zip(rows.into_iter().map(Ok))))
}

#[cfg(feature = "csv")]
fn csv(file: File) -> std::result::Result<Values, String> {
    let mut reader = csv::Reader::from_reader(BufReader::new(file));
    let headers = reader
        .headers()
        .map_err(|error| format!("has no header row: {error}"))?
        .clone();
    let rows = reader.into_records().map(move |record| match record {
        Ok(record) => {
            let line = record.position().map_or(0, |position| {
                usize::try_from(position.line()).unwrap_or_default()
            });
            let fields = headers
                .iter()
                .zip(record.iter())
                .filter(|(_, cell)| !cell.is_empty());
            (
                line,
                Ok(Value::Object(
                    fields
                        .map(|(header, cell)| (header.trim().to_string(), cell_value(cell)))
                        .collect(),
                )),
            )
        }
        Err(error) => {
            let line = error.position().map_or(0, |position| {
                usize::try_from(position.line()).unwrap_or_default()
            });
            (line, Err(format!("is not CSV: {error}")))
        }
    });
    Ok(Box::new(rows))
}

/// A cell is text, unless it holds a JSON list or object, as for `context`.
#[cfg(feature = "csv")]
fn cell_value(cell: &str) -> Value {
    let json = cell
        .trim_start()
        .starts_with(['[', '{'])
        .then(|| serde_json::from_str(cell).ok())
        .flatten();
    json.unwrap_or_else(|| Value::String(cell.to_string()))
}

#[cfg(not(feature = "csv"))]
fn csv(_file: File) -> std::result::Result<Values, String> {
    Err(
        "CSV needs a feature\nhint: llmtest = { version = \"…\", features = [\"csv\"] }"
            .to_string(),
    )
}

/// The row's `id`, or eight hex digits of the row's hash.
fn row_id(value: &Value) -> Option<String> {
    match value.get("id") {
        Some(Value::String(id)) if !id.is_empty() => Some(id.clone()),
        Some(Value::Number(id)) => Some(id.to_string()),
        _ => None,
    }
}

/// An id that is safe in test names: `::`, white space, control and direction characters are escaped; long ids are cut
/// and end in a hash.
pub(crate) fn escape_id(id: &str) -> String {
    use std::fmt::Write;
    let mut safe = String::with_capacity(id.len());
    for c in id.replace("::", "%3A%3A").chars() {
        if c.is_whitespace() || crate::text::is_unsafe(c) {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(safe, "%{byte:02X}");
            }
        } else {
            safe.push(c);
        }
    }
    if safe.chars().count() > 120 {
        let short: String = safe.chars().take(100).collect();
        return format!("{short}…{}", llmtest_metrics::hash::short(id.as_bytes()));
    }
    safe
}

fn nearest_sibling(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let names = std::fs::read_dir(path.parent()?)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    names
        .map(|candidate| (strsim::jaro_winkler(name, &candidate), candidate))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Where the crate of this test is: where it was compiled, or where the runner says it is now (an archived test run).
pub(crate) fn manifest_dir(entry: &TestEntry, now: Option<&Path>) -> PathBuf {
    let compiled = Path::new(entry.manifest_dir);
    match now {
        Some(now) if !compiled.is_dir() => now.to_path_buf(),
        _ => compiled.to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_whose_short_hashes_are_equal_have_ids_of_their_own() {
        #[expect(clippy::unnecessary_wraps, reason = "the type of a dataset function")]
        fn make() -> crate::Result<Vec<Value>> {
            let rows = [100_266, 103_142, 1, 100_266];
            let row = |n: i32| serde_json::json!({"input": format!("question {n}")});
            Ok(rows.map(row).into())
        }
        let ids: Vec<_> = numbered(Dataset::Rows(make), Path::new(""))
            .unwrap()
            .map(|row| (row.id, row.row.is_ok()))
            .collect();
        let (first, longer) = ("61e9cd25".to_string(), "61e9cd25");
        assert_eq!(ids[0], (first, true));
        assert!(ids[1].0.starts_with(longer) && ids[1].0.len() == 16 && ids[1].1);
        assert_eq!((ids[2].0.len(), ids[2].1), (8, true));
        assert!(ids[3].0.contains("line-4") && !ids[3].1, "{ids:?}");
    }

    #[test]
    fn hostile_ids_become_harmless_names() {
        assert_eq!(escape_id("a b::c\u{1b}[31m\n"), "a%20b%3A%3Ac%1B[31m%0A");
        assert_eq!(escape_id("\u{202e}x"), "%E2%80%AEx");
        assert!(escape_id(&"x".repeat(5000)).chars().count() < 120);
        assert_eq!(escape_id("späte-Rückgabe"), "späte-Rückgabe");
    }
}
