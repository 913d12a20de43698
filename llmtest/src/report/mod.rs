//! The texts that show a run: pure functions of its records and, where there is one, of the gate's report.

#[cfg(feature = "cli")]
mod annotations;
mod blame;
#[cfg(feature = "cli")]
mod html;
#[cfg(feature = "cli")]
mod junit;
#[cfg(feature = "cli")]
mod markdown;
mod summary;
mod terminal;
mod tree;

#[cfg(feature = "cli")]
pub(crate) use annotations::Annotations;
#[cfg(feature = "cli")]
pub(crate) use html::{Html, Outputs};
#[cfg(feature = "cli")]
pub(crate) use junit::Junit;
#[cfg(feature = "cli")]
pub(crate) use markdown::{COMMENT, Markdown, SUMMARY};
#[cfg(feature = "cli")]
pub(crate) use summary::recorded_summary;
pub(crate) use summary::{Tally, summary};
pub(crate) use terminal::{Style, group_block, test_block};
