//! Token alternatives at the value of a JSON key.

use crate::probability::DEPTH;
use crate::{Prompt, Reply, TokenLogprob};
use std::ops::RangeInclusive;

/// Alternatives less likely than this are noise (as DeepEval 4.3.1).
const LEAST: f64 = 0.01;

/// The mean of the integer alternatives at the value of `key`, weighted by their probabilities:
/// `Σ s·p(s) / Σ p(s)` over alternatives on the scale, of probability at least 0.01, that are decimal digits (G-Eval,
/// Liu et al. 2023, section 2; thresholds as DeepEval 4.3.1, which counts alternatives outside of the scale too, and none
/// with a space before it).
///
/// The place is found by joining the tokens and looking for the key, so that a code fence or a prefix that the server
/// stripped from the text does not matter. Servers that enforce a grammar may give only the tokens that were sampled:
/// where the tokens lack the key, the place is the last token that is the value in the text. Models that write a digit a
/// token split `10` in two: the mass of a leading
/// `1` is then shared between 1 and 10 by the alternatives of the second token, where there is one. Where another digit
/// was written there is none, and a leading `1` counts as the nearer of 1 and 10, if the scale has a 10 and no
/// alternative has two digits. `None` when there is no such place, no alternative counts, or the value takes more than
/// two tokens.
pub fn weighted(reply: &Reply, key: &str, scale: &RangeInclusive<u32>) -> Option<f64> {
    let tokens = reply.logprobs.as_deref()?;
    let (start, end) = locate(tokens, &reply.text, key)?;
    let digit_tokens: Vec<_> = tokens[start..end].iter().collect();
    if digit_tokens.len() > 2 {
        return None;
    }
    let first = digit_tokens.first()?;
    let written = integer(&first.token)?;
    let a_digit_a_token = alternatives(first)
        .iter()
        .filter_map(|(text, _)| integer(text))
        .all(|value| value < 10);
    let one_may_be_ten =
        *scale.end() >= 10 && a_digit_a_token && digit_tokens.len() == 1 && written > 5;
    let mut weights: Vec<(u32, f64)> = Vec::new();
    for (text, logprob) in alternatives(first) {
        let Some(value) = integer(&text) else {
            continue;
        };
        let value = if one_may_be_ten && value == 1 {
            10
        } else {
            value
        };
        match digit_tokens.get(1) {
            // The second digit belongs to the alternative that was really written.
            Some(second) if written == value => {
                let mut alone = 1.0;
                for (next, next_logprob) in alternatives(second) {
                    let p = next_logprob.exp();
                    if let (true, Some(digit)) =
                        (next.bytes().all(|b| b.is_ascii_digit()), integer(&next))
                    {
                        weights.push((value * 10 + digit, logprob.exp() * p));
                        alone -= p;
                    }
                }
                weights.push((value, logprob.exp() * alone.max(0.0)));
            }
            _ => weights.push((value, logprob.exp())),
        }
    }
    // A float's sum may miss the bound by its last digit.
    weights.retain(|(value, p)| scale.contains(value) && *p >= LEAST * (1.0 - 1e-9));
    let mass: f64 = weights.iter().map(|(_, p)| p).sum();
    (mass > 0.0).then(|| {
        weights
            .iter()
            .map(|(value, p)| f64::from(*value) * p)
            .sum::<f64>()
            / mass
    })
}

fn alternatives(token: &TokenLogprob) -> Vec<(String, f64)> {
    let written = std::iter::once((token.token.clone(), token.logprob));
    if token.top.is_empty() {
        written.collect()
    } else {
        token.top.clone()
    }
}

/// The integer that a token spells, with white space around it.
fn integer(token: &str) -> Option<u32> {
    let digits = token.trim();
    (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        .then(|| digits.parse().ok())
        .flatten()
}

/// The tokens that spell the integer value of `key`, as a half-open range.
fn locate(tokens: &[TokenLogprob], text: &str, key: &str) -> Option<(usize, usize)> {
    let joined: String = tokens.iter().map(|token| token.token.as_str()).collect();
    if !joined.contains(&quoted(key)) {
        let (at, digits) = value_of(text, key)?;
        let written = &text[at..at + digits];
        let alone = tokens
            .iter()
            .rposition(|token| token.token.trim() == written)?;
        return Some((alone, alone + 1));
    }
    let (value_at, digits) = value_of(&joined, key)?;
    let mut offset = 0;
    let mut range: Option<(usize, usize)> = None;
    for (index, token) in tokens.iter().enumerate() {
        let (from, to) = (offset, offset + token.token.len());
        offset = to;
        if to > value_at && from < value_at + digits {
            range = Some((range.map_or(index, |(start, _)| start), index + 1));
        }
    }
    range
}

fn quoted(key: &str) -> String {
    format!("\"{key}\"")
}

/// Where the digits of the last `"key":` stand, and how many there are. A value with a fraction has no integer
/// alternatives: `None`.
fn value_of(text: &str, key: &str) -> Option<(usize, usize)> {
    let quoted = quoted(key);
    let value_at = text.rmatch_indices(&quoted).find_map(|(at, _)| {
        if text[..at].ends_with('\\') {
            return None;
        }
        let after = &text[at + quoted.len()..];
        let value = after
            .trim_start()
            .strip_prefix(':')?
            .trim_start()
            .trim_start_matches('"')
            .trim_start();
        value
            .starts_with(|c: char| c.is_ascii_digit())
            .then(|| text.len() - value.len())
    })?;
    let digits = text[value_at..]
        .bytes()
        .take_while(u8::is_ascii_digit)
        .count();
    (!text[value_at + digits..].starts_with('.')).then_some((value_at, digits))
}

impl Reply {
    /// Keeps the tokens with their alternatives that `prompt` asked for.
    pub fn keep_alternatives_for(mut self, prompt: &Prompt) -> Self {
        if prompt.alternatives.is_none() {
            return self.keep_alternatives_at(prompt.graded.as_deref());
        }
        if let Some(tokens) = &mut self.logprobs {
            tokens.truncate(DEPTH);
        }
        self
    }

    /// Keeps the alternatives at the value of `key` and joins the other tokens, so that a recording stays small. What is
    /// computed from the reply stays the same.
    pub fn keep_alternatives_at(mut self, key: Option<&str>) -> Self {
        let (Some(tokens), Some(key)) = (self.logprobs.take(), key) else {
            return self;
        };
        let joined = |tokens: &[TokenLogprob]| TokenLogprob {
            token: tokens.iter().map(|token| token.token.as_str()).collect(),
            logprob: tokens.iter().map(|token| token.logprob).sum(),
            top: Vec::new(),
        };
        if let Some((start, end)) = locate(&tokens, &self.text, key) {
            let mut kept = vec![joined(&tokens[..start])];
            kept.extend_from_slice(&tokens[start..end]);
            kept.push(joined(&tokens[end..]));
            kept.retain(|token| !token.token.is_empty());
            self.logprobs = Some(kept);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proptesting;
    use proptest::prelude::*;

    fn mean(tokens: &[TokenLogprob], key: &str, highest: u32) -> Option<f64> {
        let reply = Reply::new("").logprobs(tokens.to_vec());
        weighted(&reply, key, &(0..=highest))
    }

    fn plain(text: &str) -> TokenLogprob {
        TokenLogprob {
            token: text.to_string(),
            logprob: -0.1,
            top: Vec::new(),
        }
    }

    fn graded(text: &str, top: &[(&str, f64)]) -> TokenLogprob {
        TokenLogprob {
            token: text.to_string(),
            logprob: -0.1,
            top: top
                .iter()
                .map(|(token, p)| ((*token).to_string(), p.ln()))
                .collect(),
        }
    }

    #[test]
    fn the_mean_is_weighted_by_probability() {
        let tokens = [
            plain("```json\n"),
            plain("{\"reason\": \"a 3\", \"score"),
            plain("\": "),
            graded("7", &[("7", 0.6), (" 8", 0.2), ("x", 0.1), ("1", 0.005)]),
            plain("}"),
        ];
        let expected = (7.0 * 0.6 + 8.0 * 0.2) / 0.8;
        assert!((mean(&tokens, "score", 10).unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn a_score_quoted_in_the_reason_is_not_the_score() {
        let tokens = [
            plain(r#"{"score": "#),
            graded("4", &[("4", 1.0)]),
            plain(r#", "reason": "it wrote \"score\": 9"}"#),
        ];
        assert!((mean(&tokens, "score", 10).unwrap() - 4.0).abs() < 1e-12);
    }

    #[test]
    fn ten_may_be_one_token_or_two() {
        let one = [
            plain("{\"score\":"),
            graded("10", &[("10", 0.5), ("9", 0.5)]),
        ];
        assert!((mean(&one, "score", 10).unwrap() - 9.5).abs() < 1e-12);
        let two = [
            plain("{\"score\": "),
            graded("1", &[("1", 0.8), ("9", 0.2)]),
            graded("0", &[("0", 0.75), ("}", 0.25)]),
        ];
        let expected = (10.0 * 0.6 + 1.0 * 0.2 + 9.0 * 0.2) / 1.0;
        assert!((mean(&two, "score", 10).unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn a_lone_leading_one_is_the_nearer_of_one_and_ten() {
        let score = |written: &str, highest| {
            let tokens = [
                plain("{\"score\": "),
                graded(written, &[(written, 0.5), ("1", 0.5)]),
                plain("}"),
            ];
            mean(&tokens, "score", highest).unwrap()
        };
        assert!((score("9", 10) - 9.5).abs() < 1e-12);
        assert!((score("3", 10) - 2.0).abs() < 1e-12);
        assert!((score("9", 9) - 5.0).abs() < 1e-12);
    }

    #[test]
    fn no_place_or_a_fraction_has_no_weighted_mean() {
        assert_eq!(mean(&[plain("{\"grade\": 7}")], "score", 10), None);
        assert_eq!(
            mean(
                &[
                    plain("{\"score\": "),
                    graded("7", &[("7", 1.0)]),
                    plain(".5}")
                ],
                "score",
                10
            ),
            None
        );
    }

    #[test]
    fn a_shortened_reply_gives_the_same_score() {
        let tokens = vec![
            plain("{"),
            plain("\"score\""),
            plain(":"),
            graded(" 7", &[("7", 0.7), ("8", 0.3)]),
            plain("}"),
            plain("\n"),
        ];
        let whole = mean(&tokens, "score", 10);
        let short = Reply::new("")
            .logprobs(tokens)
            .keep_alternatives_at(Some("score"))
            .logprobs
            .unwrap();
        assert_eq!(short.len(), 3);
        assert_eq!(mean(&short, "score", 10), whole);
    }

    #[test]
    fn where_the_tokens_lack_the_key_the_last_one_that_is_the_value_counts() {
        let sampled = [
            plain("8"),
            plain("{"),
            graded("8", &[("8", 0.6), ("9", 0.4)]),
        ];
        let score = |text: &str| {
            let reply = Reply::new(text).logprobs(sampled.to_vec());
            let short = reply.clone().keep_alternatives_at(Some("score"));
            let mean = weighted(&reply, "score", &(0..=10));
            assert_eq!(weighted(&short, "score", &(0..=10)), mean);
            mean
        };
        assert!((score(r#"{"reason": "r", "score": 8}"#).unwrap() - 8.4).abs() < 1e-12);
        assert_eq!(score(r#"{"reason": "r", "score": 7}"#), None);
        assert_eq!(score(r#"{"reason": "r", "score": 8.0}"#), None);
    }

    #[test]
    fn alternatives_outside_of_the_scale_do_not_count() {
        let tokens = vec![
            plain("{\"score\": "),
            graded("4", &[("4", 0.5), ("100", 0.2), ("0", 0.2), ("5", 0.1)]),
            plain("}"),
        ];
        let reply = Reply::new("").logprobs(tokens);
        let mean = weighted(&reply, "score", &(1..=5)).unwrap();
        assert!((mean - (4.0 * 0.5 + 5.0 * 0.1) / 0.6).abs() < 1e-12);
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn the_mean_lies_between_the_alternatives_and_does_not_depend_on_their_order(
            top in prop::collection::vec((0_u32..=9, 0.02_f64..1.0), 1..6),
        ) {
            let score = |top: &[(u32, f64)]| {
                let tokens = vec![
                    plain("{\"score\": "),
                    TokenLogprob {
                        token: top[0].0.to_string(),
                        logprob: top[0].1.ln(),
                        top: top.iter().map(|(s, p)| (s.to_string(), p.ln())).collect(),
                    },
                    plain("}"),
                ];
                weighted(&Reply::new("").logprobs(tokens), "score", &(0..=9)).unwrap()
            };
            let (least, most) = (top.iter().map(|t| t.0).min().unwrap(), top.iter().map(|t| t.0).max().unwrap());
            let mean = score(&top);
            prop_assert!(mean >= f64::from(least) - 1e-9 && mean <= f64::from(most) + 1e-9);
            let reversed: Vec<_> = top.iter().rev().copied().collect();
            prop_assert!((score(&reversed) - mean).abs() < 1e-9);
        }

        #[test]
        fn more_weight_on_the_best_grade_never_lowers_the_mean(rest in 0_u32..=9, p in 0.02_f64..0.5, more in 0.0_f64..0.5) {
            let score = |p: f64| {
                let tokens = [plain("{\"score\": "), graded(&rest.to_string(), &[(&rest.to_string(), 0.3), ("9", p)]), plain("}")];
                mean(&tokens, "score", 9).unwrap()
            };
            prop_assert!(score(p + more) >= score(p) - 1e-12);
        }
    }
}
