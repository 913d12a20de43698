//! What one test process says of itself: how it was started, which recordings it used, and that it ended.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// One test binary of a run, as it was started. What the tests of a whole run did not use is stale, so that the record
/// tells whether a run was whole.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct BinaryInfo {
    /// The test binary, without its hash.
    pub binary: String,
    /// The source file of its first test, where it could be found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<PathBuf>,
    /// When it began: milliseconds since 1970, UTC.
    pub started: u64,
    /// What its command line says on which tests to run: filters, `--skip=…`, `--exact`, `--ignored`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<String>,
    /// What cargo's command line says on which binaries to run, such as `--test evals`; empty where it is not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// `LLMTEST_TAGS`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// `LLMTEST_FAILED`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub only_failed: bool,
    /// Whether it is one of nextest's, with one test of the binary.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub nextest: bool,
    /// Whether it has only measured outside of tests, with `llmtest::measure`: then nothing says whether it ended.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub outside: bool,
    /// `auto`, `replay`, `record` or `live`.
    pub mode: String,
    /// The folder of its recordings.
    pub recordings: PathBuf,
    /// The configured judge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub judge: Option<String>,
    /// The judge's first seed: trials and repeated samples count up from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// The version of the package that was tested, where cargo says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Which resumption of the run it belongs to, from one; zero where the run was begun.
    #[serde(skip_serializing_if = "is_zero")]
    pub resumption: u32,
    /// How it ended; none where it was killed, or is still running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<BinaryEnd>,
}

/// How a test binary ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct BinaryEnd {
    /// Tests that its command line, `LLMTEST_TAGS` or `LLMTEST_FAILED` left out.
    pub left_out: usize,
    /// Tests that are ignored and did not run.
    pub ignored: usize,
    /// Cases that are Errored: they may have asked less than they otherwise do.
    pub errored: usize,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Which entries a process used: keys by file.
pub(crate) type UsedKeys = BTreeMap<String, Vec<String>>;

impl BinaryInfo {
    fn is_beside(&self, other: &Self) -> bool {
        self.binary == other.binary && self.resumption == other.resumption
    }
}

/// Under nextest there is a process a test: those of a binary are told as one, which ended when all did.
pub(super) fn merged(all: impl Iterator<Item = BinaryInfo>) -> Vec<BinaryInfo> {
    let mut merged: Vec<BinaryInfo> = Vec::new();
    for mut info in all {
        let known = merged
            .iter_mut()
            .find(|known| known.nextest && info.nextest && known.is_beside(&info));
        let Some(known) = known else {
            if info.nextest {
                // Each has one test: that it left out the others says nothing.
                info.filters.clear();
                if let Some(end) = &mut info.ended {
                    end.left_out = 0;
                }
            }
            merged.push(info);
            continue;
        };
        known.started = known.started.min(info.started);
        known.ended = known.ended.zip(info.ended).map(|(a, b)| BinaryEnd {
            left_out: 0,
            ignored: 0,
            errored: a.errored + b.errored,
        });
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processes_of_nextest_are_told_as_one_that_ended_when_all_did() {
        let of = |filter: &str, nextest, errored: Option<usize>| BinaryInfo {
            binary: "evals".to_string(),
            filters: vec![filter.to_string()],
            nextest,
            ended: errored.map(|errored| BinaryEnd {
                errored,
                left_out: 7,
                ..BinaryEnd::default()
            }),
            ..BinaryInfo::default()
        };
        let all = [of("a", true, Some(1)), of("b", true, Some(2))];
        let one = merged(all.clone().into_iter());
        assert_eq!(one.len(), 1);
        assert!(one[0].filters.is_empty());
        assert_eq!(one[0].ended.unwrap().errored, 3);
        assert_eq!(one[0].ended.unwrap().left_out, 0);

        let killed = all.into_iter().chain([of("c", true, None)]);
        assert_eq!(merged(killed)[0].ended, None);
        // Two processes of one binary are two otherwise.
        assert_eq!(
            merged([of("a", false, None), of("b", false, None)].into_iter()).len(),
            2
        );
    }
}
