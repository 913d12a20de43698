//! Whole answers graded by criteria.

mod arena_g_eval;
mod comparison;
mod conversational_g_eval;
mod g_eval;
mod grading;
mod masks;
mod win_rate;

pub use arena_g_eval::ArenaGEval;
pub use comparison::{Comparison, Contestant, Pairing, Standing};
pub use conversational_g_eval::ConversationalGEval;
pub use g_eval::GEval;
pub(crate) use g_eval::{DEFAULT_FIELDS, fields_of};
pub use win_rate::{WinRate, WinRates};
