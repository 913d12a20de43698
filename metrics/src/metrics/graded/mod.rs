//! Whole answers graded by criteria.

mod g_eval;

pub use g_eval::GEval;
pub(crate) use g_eval::{DEFAULT_FIELDS, fields_of};
