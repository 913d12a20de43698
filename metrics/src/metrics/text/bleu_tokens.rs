//! How [`Bleu`](super::Bleu) splits a text into tokens: the tokenizers of sacrebleu 2.6.0.

use super::words;
use regex::Regex;
use std::sync::LazyLock;

/// How BLEU splits a text into tokens, by sacrebleu's names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BleuTokens {
    /// `13a`, as WMT's mteval-v13a: ASCII punctuation stands alone, but not inside numbers.
    #[default]
    Wmt13a,
    /// `intl`, as mteval-v14: every punctuation and symbol of Unicode stands alone, but not inside numbers.
    International,
    /// `char`: every character is a token.
    Characters,
    /// `zh`: Chinese characters stand alone, the rest as `13a`.
    Chinese,
    /// `none`: split at white space only.
    Spaces,
}

/// A pattern and what it is replaced with, in order.
type Rules = LazyLock<Vec<(Regex, &'static str)>>;

fn rules(rules: &[(&str, &'static str)]) -> Vec<(Regex, &'static str)> {
    rules
        .iter()
        .map(|(pattern, with)| (Regex::new(pattern).expect("a pattern of this file"), *with))
        .collect()
}

/// Of mteval-v13a: punctuation, then period and comma away from digits, then the dash after a digit.
static WESTERN: Rules = LazyLock::new(|| {
    rules(&[
        (r"([{-~\[-` -&(-+:-@/])", " $1 "),
        (r"([^0-9])([.,])", "$1 $2 "),
        (r"([.,])([^0-9])", " $1 $2"),
        (r"([0-9])(-)", "$1 $2 "),
    ])
});

/// Of mteval-v14.
static INTERNATIONAL: Rules = LazyLock::new(|| {
    rules(&[
        (r"(\P{N})(\p{P})", "$1 $2 "),
        (r"(\p{P})(\P{N})", " $1 $2"),
        (r"(\p{S})", " $1 "),
    ])
});

/// What sacrebleu takes for a Chinese character. The two rows of five-digit code points are written there as a four-digit
/// one and a digit, so that they reach from U+2001 to U+2A6D and from U+2F81 to U+2FA1: punctuation such as U+2019 stands
/// alone as well.
const CHINESE: &[(char, char)] = &[
    ('\u{3400}', '\u{4db5}'),
    ('\u{4e00}', '\u{9fbb}'),
    ('\u{f900}', '\u{fa2d}'),
    ('\u{fa30}', '\u{fa6a}'),
    ('\u{fa70}', '\u{fad9}'),
    ('\u{2001}', '\u{2a6d}'),
    ('\u{2f81}', '\u{2fa1}'),
    ('\u{ff00}', '\u{ffef}'),
    ('\u{2e80}', '\u{2eff}'),
    ('\u{3000}', '\u{303f}'),
    ('\u{31c0}', '\u{31ef}'),
    ('\u{2f00}', '\u{2fdf}'),
    ('\u{2ff0}', '\u{2fff}'),
    ('\u{3100}', '\u{312f}'),
    ('\u{31a0}', '\u{31bf}'),
    ('\u{fe10}', '\u{fe1f}'),
    ('\u{fe30}', '\u{fe4f}'),
    ('\u{3200}', '\u{33ff}'),
];

impl BleuTokens {
    /// The tokens of a text.
    ///
    /// ```
    /// use llmtest_metrics::BleuTokens;
    ///
    /// assert_eq!(BleuTokens::Wmt13a.split("1,000 apples, please."), ["1,000", "apples", ",", "please", "."]);
    /// ```
    pub fn split(self, text: &str) -> Vec<String> {
        let text = text.trim_end_matches(super::is_space);
        let split = match self {
            Self::Wmt13a => apply(&WESTERN, format!(" {} ", unescaped(text))),
            Self::International => apply(&INTERNATIONAL, text.to_string()),
            Self::Characters => text.chars().flat_map(|c| [c, ' ']).collect(),
            Self::Chinese => apply(&WESTERN, apart(text)),
            Self::Spaces => text.to_string(),
        };
        words(&split).into_iter().map(str::to_string).collect()
    }
}

fn apply(rules: &[(Regex, &'static str)], mut text: String) -> String {
    for (pattern, with) in rules {
        text = pattern.replace_all(&text, *with).into_owned();
    }
    text
}

/// Without line ends and the escapes of XML.
fn unescaped(text: &str) -> String {
    text.replace("<skipped>", "")
        .replace("-\n", "")
        .replace('\n', " ")
        .replace("&quot;", "\"")
        .replace("&amp;", "&")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
}

/// With spaces around every Chinese character.
fn apart(text: &str) -> String {
    let mut spaced = String::with_capacity(text.len());
    for c in text.trim_matches(super::is_space).chars() {
        if CHINESE.iter().any(|&(from, to)| (from..=to).contains(&c)) {
            spaced.extend([' ', c, ' ']);
        } else {
            spaced.push(c);
        }
    }
    spaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tokenizer_splits_as_sacrebleu_does() {
        use BleuTokens::{Characters, Chinese, International, Spaces, Wmt13a};
        let text = "It's 3.5% «off» — 我爱, &amp; 10-12.";
        let table = [
            (Wmt13a, "It's|3.5|%|«off»|—|我爱|,|&|10|-|12|."),
            (
                International,
                "It|'|s|3.5|%|«|off|»|—|我爱|,|&|amp|;|10-12.",
            ),
            (Chinese, "It's|3.5|%|«off»|—|我|爱|,|&|amp|;|10|-|12."),
            (Spaces, "It's|3.5%|«off»|—|我爱,|&amp;|10-12."),
        ];
        for (tokens, expected) in table {
            assert_eq!(tokens.split(text).join("|"), expected, "{tokens:?}");
        }
        assert_eq!(Characters.split("a  b\n").join("|"), "a|b");
    }
}
