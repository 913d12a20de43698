//! What an answer says and how: quality of content, safety, labels and requirements.

mod bias;
mod classifier;
mod classifier_presets;
mod misuse;
mod non_advice;
mod pii_leakage;
mod prompt_alignment;
mod requirements;
mod role_violation;
mod shown;
mod summarization;
mod toxicity;
mod violations;

pub use bias::Bias;
pub use classifier::Classifier;
pub use misuse::Misuse;
pub use non_advice::NonAdvice;
pub use pii_leakage::PiiLeakage;
pub use prompt_alignment::PromptAlignment;
pub use requirements::{Requirement, Requirements};
pub use role_violation::RoleViolation;
pub use summarization::Summarization;
pub use toxicity::Toxicity;
