//! What a run leaves behind: records, and the pure functions that show them.

#[cfg(feature = "cli")]
mod annotations;
mod blame;
#[cfg(feature = "cli")]
mod html;
#[cfg(feature = "cli")]
mod junit;
mod kept;
#[cfg(feature = "cli")]
mod markdown;
mod places;
mod process;
mod record;
mod repeats;
mod shards;
#[cfg(feature = "cli")]
pub(crate) mod stream;
mod summary;
mod terminal;
mod text;
mod tree;
mod whole;

#[cfg(feature = "cli")]
pub(crate) use annotations::Annotations;
#[cfg(feature = "cli")]
pub(crate) use html::Html;
#[cfg(feature = "cli")]
pub(crate) use junit::Junit;
pub(crate) use kept::{CaseName, Kept, latest_runs};
#[cfg(feature = "cli")]
pub(crate) use markdown::{COMMENT, Markdown, SUMMARY};
#[cfg(feature = "cli")]
pub(crate) use process::UsedKeys;
pub use process::{BinaryEnd, BinaryInfo};
pub use record::{
    DatasetPlace, GitState, GroupRecord, MeasurementRecord, Outcome, RunInfo, RunReport,
    TestRecord, TranscriptEntry, TrialRecord,
};
pub use repeats::{RepeatRates, Repeats, Stabilities};
#[cfg(feature = "cli")]
pub(crate) use shards::fold_folder;
pub(crate) use shards::{FailedLast, Shards, earlier_reports, failed_last};
#[cfg(feature = "cli")]
pub(crate) use summary::recorded_summary;
pub(crate) use summary::{Tally, summary};
pub(crate) use terminal::{Style, group_block, test_block};
pub(crate) use text::{clean, clean_name, is_unsafe};
#[cfg(feature = "cli")]
pub(crate) use whole::write_whole;
