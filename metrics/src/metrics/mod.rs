//! The metrics, one a file, by what they are about.

mod agent;
mod combine;
mod content;
mod conversation;
mod dag;
mod exact;
mod graded;
mod limits;
mod mcp;
mod rag;
mod ranking;
mod text;

pub use agent::*;
pub use combine::*;
pub use content::*;
pub use conversation::*;
pub use dag::*;
pub use exact::*;
pub use graded::*;
pub use limits::*;
pub use mcp::*;
pub use rag::*;
pub use ranking::*;
pub use text::*;
