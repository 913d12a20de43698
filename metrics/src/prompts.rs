//! The prompts of a metric, each of which a user may replace.

use crate::Template;
use std::borrow::Cow;

/// The prompts of a metric by step.
#[derive(Debug, Clone)]
pub(crate) struct Prompts {
    metric: &'static str,
    steps: Vec<(&'static str, Cow<'static, str>)>,
}

impl Prompts {
    /// The prompts that come with the metric.
    pub(crate) fn new(metric: &'static str, steps: &[(&'static str, &'static str)]) -> Self {
        Self {
            metric,
            steps: steps
                .iter()
                .map(|(step, text)| (*step, Cow::Borrowed(*text)))
                .collect(),
        }
    }

    /// Replaces the prompt of a step. Panics on a step that the metric does not have.
    #[track_caller]
    pub(crate) fn replace(&mut self, step: &str, text: String) {
        let known = self
            .steps
            .iter()
            .map(|(step, _)| format!("`{step}`"))
            .collect::<Vec<_>>()
            .join(", ");
        match self.steps.iter_mut().find(|(name, _)| *name == step) {
            Some((_, prompt)) => *prompt = Cow::Owned(text),
            None => panic!(
                "`{}` has no prompt `{step}`; its prompts are {known}",
                self.metric
            ),
        }
    }

    /// The text of a step.
    pub(crate) fn text(&self, step: &str) -> &str {
        self.steps
            .iter()
            .find(|(name, _)| *name == step)
            .map(|(_, text)| text.as_ref())
            .unwrap_or_default()
    }

    /// A prompt under construction for a step.
    pub(crate) fn template(&self, step: &str) -> Template {
        Template::new(format!("{}/{step}", self.metric), self.text(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_prompt_has_a_version_of_its_own() {
        let mut prompts = Prompts::new("tone", &[("verdict", "Is it kind?")]);
        let before = prompts.template("verdict").prompt().unwrap();
        prompts.replace("verdict", "Is it friendly?".to_string());
        let after = prompts.template("verdict").prompt().unwrap();
        assert_eq!(after.purpose, "tone/verdict");
        assert_ne!(after.version, before.version);
    }

    #[test]
    #[should_panic(
        expected = "`tone` has no prompt `verdicts`; its prompts are `steps`, `verdict`"
    )]
    fn an_unknown_step_names_the_steps() {
        Prompts::new("tone", &[("steps", ""), ("verdict", "")]).replace("verdicts", String::new());
    }
}
