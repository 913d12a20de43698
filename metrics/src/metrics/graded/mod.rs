//! Whole answers graded by criteria.

mod conversational_g_eval;
mod g_eval;
mod grading;

pub use conversational_g_eval::ConversationalGEval;
pub use g_eval::GEval;
pub(crate) use g_eval::{DEFAULT_FIELDS, fields_of};
