//! The knobs that judged metrics share: strictness, the language of the judge, and prompts that a user may replace.

use crate::{Bar, Score, Template};
use std::borrow::Cow;

/// Added to a prompt when a language is set.
const LANGUAGE: &str = include_str!("../prompts/language.md");

/// The options of a judged metric.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    metric: &'static str,
    strict: bool,
    language: Option<String>,
    steps: Vec<(&'static str, Cow<'static, str>)>,
}

impl Options {
    /// Default options and the prompts that come with the metric; see [`options!`].
    pub(crate) fn new(metric: &'static str, steps: &[(&'static str, &'static str)]) -> Self {
        Self {
            metric,
            strict: false,
            language: None,
            steps: steps
                .iter()
                .map(|(step, text)| (*step, Cow::Borrowed(*text)))
                .collect(),
        }
    }

    pub(crate) fn set_strict(&mut self) {
        self.strict = true;
    }

    pub(crate) fn strict(&self) -> bool {
        self.strict
    }

    #[track_caller]
    pub(crate) fn set_language(&mut self, language: String) {
        assert!(
            !language.trim().is_empty(),
            "`{}` needs the name of a language, such as `.language(\"German\")`",
            self.metric
        );
        self.language = Some(language);
    }

    pub(crate) fn language(&self) -> Option<&str> {
        self.language.as_deref()
    }

    /// The steps whose prompts were replaced, with their texts.
    pub(crate) fn replaced(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.steps.iter().filter_map(|(step, text)| match text {
            Cow::Owned(text) => Some((*step, text.as_str())),
            Cow::Borrowed(_) => None,
        })
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

    /// The text of a step's prompt, with the language.
    pub(crate) fn text(&self, step: &str) -> Cow<'_, str> {
        let found = self.steps.iter().find(|(name, _)| *name == step);
        let text: &str = found.map(|(_, text)| text.as_ref()).unwrap_or_default();
        match &self.language {
            None => Cow::Borrowed(text),
            Some(language) => Cow::Owned(format!(
                "{}\n\n{}",
                text.trim_end(),
                LANGUAGE.replace("{{language}}", language)
            )),
        }
    }

    /// A prompt under construction for a step.
    pub(crate) fn template(&self, step: &str) -> Template {
        Template::new(format!("{}/{step}", self.metric), self.text(step))
    }

    /// The bar: at least 1 when strict.
    pub(crate) fn bar(&self) -> Bar {
        Bar::AtLeast(if self.strict { 1.0 } else { 0.5 })
    }

    /// What strictness makes of a score: below 1 becomes 0.
    pub(crate) fn clamp(&self, mut score: Score) -> Score {
        if self.strict && score.value < 1.0 {
            score.value = 0.0;
        }
        score
    }
}

/// The options of a metric whose prompts are the files `prompts/<metric>/<step>.md`:
/// `options!("faithfulness": "truths", "claims", "verdicts")`.
macro_rules! options {
    ($metric:literal: $($step:literal),+ $(,)?) => {
        $crate::options::Options::new(
            $metric,
            &[$((
                $step,
                include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/prompts/", $metric, "/", $step, ".md")),
            )),+],
        )
    };
}
pub(crate) use options;

/// The methods of a metric with a field `options`: `.strict()`, `.prompt(…)` and `.language(…)`. With `default`, also
/// `Default` by `new()`; with `asking`, all but `.strict()`, for metrics whose best score is not 1.
macro_rules! knobs {
    ($metric:ident, default) => {
        impl Default for $metric {
            fn default() -> Self {
                Self::new()
            }
        }

        $crate::options::knobs!($metric);
    };
    ($metric:ident) => {
        impl $metric {
            /// Makes every score below 1 a 0, and sets the bar to 1.
            pub fn strict(mut self) -> Self {
                self.options.set_strict();
                self
            }
        }

        $crate::options::knobs!($metric, asking);
    };
    ($metric:ident, asking) => {
        impl $metric {
            /// Has the judge write in this language, such as `German`; the words that are counted stay as they are.
            /// Panics on an empty name.
            #[track_caller]
            pub fn language(mut self, language: impl Into<String>) -> Self {
                self.options.set_language(language.into());
                self
            }

            /// Replaces the prompt of a step; the prompts are the files in `prompts/` of this crate, in the folder of the
            /// metric. The new text must use the same placeholders. Panics on a step that the metric does not have,
            /// with a list of those it has.
            #[track_caller]
            pub fn prompt(mut self, step: &str, text: impl Into<String>) -> Self {
                self.options.replace(step, text.into());
                self
            }
        }
    };
}
pub(crate) use knobs;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replaced_prompt_or_a_language_is_a_version_of_its_own() {
        let mut options = Options::new("tone", &[("verdict", "Is it kind?\n")]);
        let before = options.template("verdict").prompt().unwrap();
        options.replace("verdict", "Is it friendly?".to_string());
        let after = options.template("verdict").prompt().unwrap();
        assert_eq!(after.purpose, "tone/verdict");
        assert_ne!(after.version, before.version);
        options.set_language("German".to_string());
        let german = options.template("verdict").prompt().unwrap();
        assert_ne!(german.version, after.version);
        assert!(
            german.text().contains("Is it friendly?\n\n") && german.text().contains("in German"),
            "{}",
            german.text()
        );
    }

    #[test]
    #[should_panic(
        expected = "`tone` has no prompt `verdicts`; its prompts are `steps`, `verdict`"
    )]
    fn an_unknown_step_names_the_steps() {
        Options::new("tone", &[("steps", ""), ("verdict", "")]).replace("verdicts", String::new());
    }

    #[test]
    fn strict_takes_a_perfect_score_or_none() {
        let mut options = Options::new("tone", &[]);
        assert_eq!(options.clamp(Score::new(0.9)).value, 0.9);
        options.set_strict();
        assert_eq!(options.bar(), Bar::AtLeast(1.0));
        assert_eq!(options.clamp(Score::new(0.9)).value, 0.0);
        assert_eq!(options.clamp(Score::new(1.0)).value, 1.0);
    }
}
