//! The labels that a decision is made between, and which texts mean them.

use std::ops::RangeInclusive;

/// What a model puts before or after a label: white space, quotes, Markdown, and the marks of word starts that some
/// servers leave in their tokens.
const AROUND: &[char] = &[
    '"', '\'', '`', '*', '_', '.', ',', ':', ';', '!', '(', ')', '[', ']', '▁', 'Ġ', 'Ċ', '“', '”',
    '‘', '’',
];

/// The fewest characters of a word that name it when the rest is missing: a lone `T` may begin any sentence.
const SHORTEST: usize = 2;

/// A closed set of labels, each short enough to be known by its first token.
///
/// ```
/// use llmtest_metrics::probability::Labels;
///
/// let labels = Labels::words(["relevant", "irrelevant"]);
/// assert_eq!(labels.names(), ["relevant", "irrelevant"]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    names: Vec<String>,
    /// What means each label; the first is its name.
    variants: Vec<Vec<String>>,
    folded: bool,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Words,
    Letters,
    Digits,
}

/// What a text means that may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The label of this index.
    Label(usize),
    /// Nothing yet, or the beginning of several labels.
    Open,
    /// No label.
    Other,
}

impl Labels {
    /// `yes` and `no`, in this order. `true` and `false` mean them too.
    pub fn yes_no() -> Self {
        Self::words(["yes", "no"])
    }

    /// Words, whose case does not count. Among `yes` and `no`, `true` and `false` mean them too. Panics on fewer than
    /// two, on a blank one and on two that are equal.
    #[track_caller]
    pub fn words<S: Into<String>>(words: impl IntoIterator<Item = S>) -> Self {
        let names: Vec<String> = words.into_iter().map(Into::into).collect();
        let yes_no = ["yes", "no"]
            .iter()
            .all(|word| names.iter().any(|name| name.eq_ignore_ascii_case(word)));
        let variants = names.iter().map(|name| {
            let name = name.trim().to_lowercase();
            let other = match name.as_str() {
                "yes" if yes_no => Some("true"),
                "no" if yes_no => Some("false"),
                _ => None,
            };
            std::iter::once(name.clone())
                .chain(other.map(String::from))
                .collect()
        });
        Self {
            variants: variants.collect(),
            names,
            folded: true,
            kind: Kind::Words,
        }
        .checked()
    }

    /// Options that are asked for by letters, `A` for the first: one token each, however long they are. Case counts,
    /// since `a` is a word. Panics on fewer than two and on more than 26.
    #[track_caller]
    pub fn lettered<S: Into<String>>(options: impl IntoIterator<Item = S>) -> Self {
        let names: Vec<String> = options.into_iter().map(Into::into).collect();
        assert!(names.len() <= 26, "there are letters for 26 options only");
        Self {
            variants: ('A'..='Z')
                .zip(&names)
                .map(|(c, _)| vec![c.to_string()])
                .collect(),
            names,
            folded: false,
            kind: Kind::Letters,
        }
        .checked()
    }

    /// Digits in order. Panics on fewer than two and on numbers of two digits.
    #[track_caller]
    pub fn digits(range: RangeInclusive<u32>) -> Self {
        assert!(*range.end() <= 9, "a digit is 9 at most");
        let names: Vec<String> = range.map(|digit| digit.to_string()).collect();
        Self {
            variants: names.iter().map(|name| vec![name.clone()]).collect(),
            names,
            folded: false,
            kind: Kind::Digits,
        }
        .checked()
    }

    #[track_caller]
    fn checked(self) -> Self {
        assert!(
            self.names.len() >= 2,
            "a decision is between two labels at least"
        );
        let all: Vec<&String> = self.variants.iter().flatten().collect();
        let fine = all
            .iter()
            .enumerate()
            .all(|(at, text)| !text.is_empty() && !all[..at].contains(text));
        assert!(fine, "labels must not be blank or equal: {:?}", self.names);
        self
    }

    /// The labels, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How a prompt lists them.
    pub(super) fn listed(&self) -> String {
        let quoted = |name: &String| format!("`{name}`");
        match (self.kind, self.names.as_slice()) {
            (Kind::Letters, names) => ('A'..='Z')
                .zip(names)
                .map(|(letter, name)| format!("{letter}: {name}"))
                .collect::<Vec<_>>()
                .join("\n"),
            (_, [first @ .., last]) => {
                let first: Vec<String> = first.iter().map(quoted).collect();
                format!("{} or {}", first.join(", "), quoted(last))
            }
            (_, []) => String::new(),
        }
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// What the beginning of a reply means. A text that begins the variants of just one label means that label, for words
    /// may be several tokens; one that begins several means none of them yet.
    pub(super) fn meaning(&self, text: &str) -> Meaning {
        let text = text.trim_matches(|c: char| c.is_whitespace() || AROUND.contains(&c));
        if text.is_empty() {
            return Meaning::Open;
        }
        let text = if self.folded {
            text.to_lowercase()
        } else {
            text.to_string()
        };
        let whole = |variants: &Vec<String>| variants.contains(&text);
        if let Some(at) = self.variants.iter().position(whole) {
            return Meaning::Label(at);
        }
        let begun = |variants: &Vec<String>| variants.iter().any(|v| v.starts_with(&text));
        let mut begins = (0..self.variants.len()).filter(|at| begun(&self.variants[*at]));
        match (begins.next(), begins.next()) {
            (Some(at), None) if text.chars().count() >= SHORTEST => Meaning::Label(at),
            (Some(_), _) => Meaning::Open,
            (None, _) => Meaning::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_of_case_space_and_quotes_mean_their_label() {
        let labels = Labels::yes_no();
        for (text, meaning) in [
            (" Yes", Meaning::Label(0)),
            ("▁yes", Meaning::Label(0)),
            ("\"YES", Meaning::Label(0)),
            ("true", Meaning::Label(0)),
            ("\nNo.", Meaning::Label(1)),
            ("ĠFalse", Meaning::Label(1)),
            ("fal", Meaning::Label(1)),
            ("T", Meaning::Open),
            ("\n", Meaning::Open),
            ("`", Meaning::Open),
            ("None", Meaning::Other),
            ("{\"", Meaning::Other),
        ] {
            assert_eq!(labels.meaning(text), meaning, "{text:?}");
        }
    }

    #[test]
    fn a_beginning_means_a_label_only_where_no_other_label_begins_so() {
        let labels = Labels::words(["irrelevant", "irregular", "relevant"]);
        assert_eq!(labels.meaning("ir"), Meaning::Open);
        assert_eq!(labels.meaning("irrel"), Meaning::Label(0));
        assert_eq!(labels.meaning("re"), Meaning::Label(2));
    }

    #[test]
    fn true_means_yes_only_where_yes_is_a_label() {
        assert_eq!(
            Labels::words(["good", "bad"]).meaning("true"),
            Meaning::Other
        );
    }

    #[test]
    fn letters_count_their_case() {
        let labels = Labels::lettered(["refuses", "answers"]);
        assert_eq!(labels.meaning(" B)"), Meaning::Label(1));
        assert_eq!(labels.meaning("a"), Meaning::Other);
        assert_eq!(labels.listed(), "A: refuses\nB: answers");
    }

    #[test]
    #[should_panic(expected = "must not be blank or equal")]
    fn labels_differ_in_more_than_case() {
        Labels::words(["Yes", "yes"]);
    }
}
