//! What a run leaves behind: its records, the shards that its processes write, and the report they are folded into.

mod kept;
mod places;
mod process;
mod record;
mod repeats;
mod shards;
#[cfg(feature = "cli")]
pub(crate) mod stream;
mod views;
mod whole;

pub(crate) use crate::outcome::Outcome;
pub(crate) use kept::{CaseName, Kept, latest_runs};
#[cfg(feature = "cli")]
pub(crate) use process::UsedKeys;
pub use process::{BinaryEnd, BinaryInfo};
pub use record::{
    DatasetPlace, GitState, GroupRecord, MeasurementRecord, RunInfo, RunReport, TestRecord,
    TranscriptEntry, TrialRecord,
};
pub use repeats::{RepeatRates, Repeats, Stabilities};
pub(crate) use shards::{FailedLast, Shards, earlier_reports, failed_last};
#[cfg(feature = "cli")]
pub(crate) use shards::{fold_folder, shards_in, unreadable};
#[cfg(feature = "cli")]
pub(crate) use whole::write_whole;

/// How the line ends that the cases begin after: the fold writes each case on a line of its own.
pub(crate) const OPENED: &[u8] = b"\"tests\":[";
