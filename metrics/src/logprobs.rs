//! Token alternatives at the value of a JSON key.

use crate::{Reply, TokenLogprob};

/// Alternatives less likely than this are noise (as DeepEval 4.3.1).
const LEAST: f64 = 0.01;

/// The mean of the integer alternatives at the value of `key`, weighted by their probabilities:
/// `Σ s·p(s) / Σ p(s)` over alternatives of probability at least 0.01 that are decimal digits (G-Eval, Liu et al. 2023,
/// section 2; thresholds as DeepEval 4.3.1).
///
/// The place is found by joining the tokens and looking for the key, so that a code fence or a prefix that the server
/// stripped from the text does not matter. Models that write a digit a token split `10` in two: the mass of a leading
/// `1` is then shared between 1 and 10 by the alternatives of the second token, where there is one. Where another digit
/// was written there is none, and a leading `1` counts as the nearer of 1 and 10, if `highest` is at least 10 and no
/// alternative has two digits. `None` when there is no such place, no alternative counts, or the value takes more than
/// two tokens.
pub fn weighted(tokens: &[TokenLogprob], key: &str, highest: u32) -> Option<f64> {
    let (start, end) = locate(tokens, key)?;
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
    let one_may_be_ten = highest >= 10 && a_digit_a_token && digit_tokens.len() == 1 && written > 5;
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
    weights.retain(|(_, p)| *p >= LEAST * (1.0 - 1e-9));
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

/// The tokens that spell the integer value of the last `"key":` in the joined text, as a half-open range. A value with
/// a fraction has no integer alternatives: `None`.
pub fn locate(tokens: &[TokenLogprob], key: &str) -> Option<(usize, usize)> {
    let joined: String = tokens.iter().map(|token| token.token.as_str()).collect();
    let quoted = format!("\"{key}\"");
    let value_at = joined.rmatch_indices(&quoted).find_map(|(at, _)| {
        if joined[..at].ends_with('\\') {
            return None;
        }
        let after = &joined[at + quoted.len()..];
        let value = after
            .trim_start()
            .strip_prefix(':')?
            .trim_start()
            .trim_start_matches('"')
            .trim_start();
        value
            .starts_with(|c: char| c.is_ascii_digit())
            .then(|| joined.len() - value.len())
    })?;
    let digits = joined[value_at..]
        .bytes()
        .take_while(u8::is_ascii_digit)
        .count();
    if joined[value_at + digits..].starts_with('.') {
        return None;
    }
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

impl Reply {
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
        if let Some((start, end)) = locate(&tokens, key) {
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
        assert!((weighted(&tokens, "score", 10).unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn a_score_quoted_in_the_reason_is_not_the_score() {
        let tokens = [
            plain(r#"{"score": "#),
            graded("4", &[("4", 1.0)]),
            plain(r#", "reason": "it wrote \"score\": 9"}"#),
        ];
        assert!((weighted(&tokens, "score", 10).unwrap() - 4.0).abs() < 1e-12);
    }

    #[test]
    fn ten_may_be_one_token_or_two() {
        let one = [
            plain("{\"score\":"),
            graded("10", &[("10", 0.5), ("9", 0.5)]),
        ];
        assert!((weighted(&one, "score", 10).unwrap() - 9.5).abs() < 1e-12);
        let two = [
            plain("{\"score\": "),
            graded("1", &[("1", 0.8), ("9", 0.2)]),
            graded("0", &[("0", 0.75), ("}", 0.25)]),
        ];
        let expected = (10.0 * 0.6 + 1.0 * 0.2 + 9.0 * 0.2) / 1.0;
        assert!((weighted(&two, "score", 10).unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn a_lone_leading_one_is_the_nearer_of_one_and_ten() {
        let score = |written: &str, highest| {
            let tokens = [
                plain("{\"score\": "),
                graded(written, &[(written, 0.5), ("1", 0.5)]),
                plain("}"),
            ];
            weighted(&tokens, "score", highest).unwrap()
        };
        assert!((score("9", 10) - 9.5).abs() < 1e-12);
        assert!((score("3", 10) - 2.0).abs() < 1e-12);
        assert!((score("9", 9) - 5.0).abs() < 1e-12);
    }

    #[test]
    fn no_place_or_a_fraction_has_no_weighted_mean() {
        assert_eq!(weighted(&[plain("{\"grade\": 7}")], "score", 10), None);
        assert_eq!(
            weighted(
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
        let whole = weighted(&tokens, "score", 10);
        let short = Reply::new("")
            .logprobs(tokens)
            .keep_alternatives_at(Some("score"))
            .logprobs
            .unwrap();
        assert_eq!(short.len(), 3);
        assert_eq!(weighted(&short, "score", 10), whole);
    }
}
