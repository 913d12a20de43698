//! What a run leaves behind: records, and the pure functions that show them.

mod blame;
mod kept;
mod process;
mod record;
mod repeats;
mod shards;
mod summary;
mod terminal;
mod text;
mod tree;
mod whole;

pub(crate) use kept::{CaseName, Kept, latest_runs};
#[cfg(feature = "cli")]
pub(crate) use process::UsedKeys;
pub use process::{BinaryEnd, BinaryInfo};
pub use record::{
    GitState, GroupRecord, MeasurementRecord, Outcome, RunInfo, RunReport, TestRecord,
    TranscriptEntry, TrialRecord,
};
pub use repeats::{RepeatRates, Repeats, Stabilities};
#[cfg(feature = "cli")]
pub(crate) use shards::fold_folder;
pub(crate) use shards::{FailedLast, Shards, earlier_reports, failed_last};
pub(crate) use summary::{Tally, summary};
pub(crate) use terminal::{Style, group_block, test_block};
pub(crate) use text::{clean, clean_name, is_unsafe};
#[cfg(feature = "cli")]
pub(crate) use whole::write_whole;
