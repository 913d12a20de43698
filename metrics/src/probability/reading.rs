//! From the first tokens of a reply to the probability of every label.

use super::labels::{Labels, Meaning};
use crate::{Reply, TokenLogprob};
use serde_json::{Map, Value};

/// Below this share of the probability on labels, a reply is not read.
pub const FLOOR: f64 = 0.5;

/// How many tokens are looked at: white space or a quote may come first, and a label may be several tokens.
pub(crate) const DEPTH: usize = 3;

/// How likely each label is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Distribution {
    /// The labels with their probabilities, which sum to 1.
    pub probabilities: Vec<(String, f64)>,
    /// The share of the model's own probability that was on labels at all, in `0.0..=1.0`.
    pub covered: f64,
}

impl Distribution {
    /// The probability of a label; 0 where there is no such label.
    pub fn of(&self, label: &str) -> f64 {
        let mut all = self.probabilities.iter();
        all.find(|(name, _)| name == label).map_or(0.0, |(_, p)| *p)
    }

    /// The index of the likeliest label; the first of equals.
    pub fn likeliest(&self) -> usize {
        let all = self.probabilities.iter().enumerate();
        all.fold((0, f64::NEG_INFINITY), |best, (at, (_, p))| {
            if *p > best.1 { (at, *p) } else { best }
        })
        .0
    }

    /// The index of the label that is chosen: the likeliest, unless `threshold` is given and `yes` is a label: then `yes`
    /// from this probability on, else the likeliest of the others.
    pub fn chosen(&self, threshold: Option<f64>) -> usize {
        let yes = self
            .probabilities
            .iter()
            .position(|(name, _)| name == "yes");
        let (Some(threshold), Some(yes)) = (threshold, yes) else {
            return self.likeliest();
        };
        if self.probabilities[yes].1 >= threshold {
            return yes;
        }
        let mut others = self.clone();
        others.probabilities[yes].1 = f64::NEG_INFINITY;
        others.likeliest()
    }

    /// The mean of labels that are numbers, weighted by their probabilities.
    pub(crate) fn mean(&self) -> f64 {
        let value = |name: &String| name.parse::<f64>().unwrap_or_default();
        self.probabilities
            .iter()
            .map(|(name, p)| value(name) * p)
            .sum()
    }

    /// The probabilities by label, for the record.
    pub(crate) fn json(&self) -> Value {
        let entry = |(name, p): &(String, f64)| (name.clone(), rounded(*p).into());
        self.probabilities
            .iter()
            .map(entry)
            .collect::<Map<_, _>>()
            .into()
    }
}

/// Four decimals, for records.
pub(crate) fn rounded(p: f64) -> f64 {
    (p * 1e4).round() / 1e4
}

/// Why a reply cannot be read as probabilities.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Unread {
    /// The judge gives no log-probabilities, or none of alternatives.
    NoLogprobs,
    /// Only this share of the probability was on labels.
    Uncovered(f64),
}

/// Reads the probability of every label from the first tokens of a reply: the probabilities of all texts that mean a label
/// are summed (case, space and quotes aside; [`Labels`] says which), and divided by the sum over all labels. Where the
/// token that was written is white space, a quote or the beginning of several labels, its probability is shared out by
/// the alternatives of the next token. What is none of this lowers the covered share.
///
/// ```
/// use llmtest_metrics::probability::{Labels, read};
/// use llmtest_metrics::{Reply, TokenLogprob};
///
/// let token = TokenLogprob {
///     token: "Yes".to_string(),
///     logprob: 0.6_f64.ln(),
///     top: [("Yes", 0.6), (" yes", 0.12), ("no", 0.18), ("The", 0.1)]
///         .map(|(text, p)| (text.to_string(), f64::ln(p)))
///         .to_vec(),
/// };
/// let read = read(&Reply::new("Yes").logprobs(vec![token]), &Labels::yes_no()).unwrap();
/// assert!((read.of("yes") - 0.8).abs() < 1e-9);
/// assert!((read.covered - 0.9).abs() < 1e-9);
/// ```
pub fn read(reply: &Reply, labels: &Labels) -> Result<Distribution, Unread> {
    let tokens = reply.logprobs.as_deref().unwrap_or_default();
    // One that lists only what was written says nothing of the other labels.
    if tokens.iter().take(DEPTH).all(|token| token.top.len() < 2) {
        return Err(Unread::NoLogprobs);
    }
    let mut mass = vec![0.0; labels.names().len()];
    let (mut prefix, mut weight) = (String::new(), 1.0);
    for token in tokens.iter().take(DEPTH) {
        let mut next = None;
        for (text, logprob) in alternatives(token) {
            let so_far = format!("{prefix}{text}");
            let p = weight * logprob.exp();
            match labels.meaning(&so_far) {
                Meaning::Label(at) => mass[at] += p,
                Meaning::Open if text == token.token => next = Some((so_far, p)),
                Meaning::Open | Meaning::Other => {}
            }
        }
        match next {
            Some(further) => (prefix, weight) = further,
            None => break,
        }
    }
    let all: f64 = mass.iter().sum();
    // Rounded log-probabilities may sum to a little more.
    let covered = all.min(1.0);
    if covered.is_nan() || covered < FLOOR {
        return Err(Unread::Uncovered(covered));
    }
    let names = labels.names().iter().cloned();
    Ok(Distribution {
        probabilities: names.zip(mass).map(|(name, p)| (name, p / all)).collect(),
        covered,
    })
}

/// The alternatives of a token, what was written among them, each once.
fn alternatives(token: &TokenLogprob) -> Vec<(&str, f64)> {
    let mut all: Vec<(&str, f64)> = Vec::with_capacity(token.top.len() + 1);
    let written = (token.token.as_str(), token.logprob);
    let top = token
        .top
        .iter()
        .map(|(text, logprob)| (text.as_str(), *logprob));
    for (text, logprob) in top {
        if logprob.is_finite() && !all.contains(&(text, logprob)) {
            all.push((text, logprob.min(0.0)));
        }
    }
    if written.1.is_finite() && all.iter().all(|(text, _)| *text != written.0) {
        all.push((written.0, written.1.min(0.0)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proptesting;
    use proptest::prelude::*;

    fn token(top: &[(&str, f64)]) -> TokenLogprob {
        TokenLogprob {
            token: top[0].0.to_string(),
            logprob: top[0].1.ln(),
            top: top
                .iter()
                .map(|(t, p)| ((*t).to_string(), p.ln()))
                .collect(),
        }
    }

    fn of(tokens: &[TokenLogprob], labels: &Labels) -> Result<Distribution, Unread> {
        read(&Reply::new("").logprobs(tokens.to_vec()), labels)
    }

    #[test]
    fn variants_are_summed_and_renormalised() {
        let first = token(&[
            ("true", 0.4),
            ("Yes", 0.2),
            (" yes", 0.1),
            ("No", 0.1),
            ("{", 0.2),
        ]);
        let read = of(&[first], &Labels::yes_no()).unwrap();
        assert!((read.of("yes") - 0.875).abs() < 1e-9);
        assert!((read.covered - 0.8).abs() < 1e-9);
    }

    #[test]
    fn white_space_before_the_label_is_looked_through() {
        let tokens = [
            token(&[("\n", 0.5), ("yes", 0.3), ("no", 0.2)]),
            token(&[("no", 0.8), ("yes", 0.2)]),
        ];
        let read = of(&tokens, &Labels::yes_no()).unwrap();
        assert!((read.of("yes") - 0.4).abs() < 1e-9);
        assert!((read.covered - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_beginning_of_two_labels_is_shared_out_by_the_next_token() {
        let labels = Labels::words(["unsafe", "unclear", "safe"]);
        let tokens = [
            token(&[("un", 0.8), ("safe", 0.2)]),
            token(&[("clear", 0.75), ("safe", 0.25)]),
        ];
        let read = of(&tokens, &labels).unwrap();
        assert!((read.of("unclear") - 0.6).abs() < 1e-9);
        assert!((read.of("unsafe") - 0.2).abs() < 1e-9);
        assert_eq!(
            of(&tokens[..1], &labels),
            Err(Unread::Uncovered(0.2_f64.ln().exp()))
        );
    }

    #[test]
    fn a_reply_without_alternatives_or_labels_is_not_read() {
        let labels = Labels::yes_no();
        assert_eq!(read(&Reply::new("yes"), &labels), Err(Unread::NoLogprobs));
        assert_eq!(
            of(&[token(&[("yes", 0.9)])], &labels),
            Err(Unread::NoLogprobs)
        );
        let prose = token(&[("The", 0.7), ("yes", 0.2), ("no", 0.1)]);
        assert!(
            matches!(of(&[prose], &labels), Err(Unread::Uncovered(p)) if (p - 0.3).abs() < 1e-9)
        );
    }

    #[test]
    fn the_threshold_is_on_yes_and_the_others_are_ranked() {
        let read = |top: &[(&str, f64)]| {
            of(&[token(top)], &Labels::words(["yes", "no", "borderline"])).unwrap()
        };
        let close = read(&[("yes", 0.4), ("no", 0.25), ("borderline", 0.35)]);
        assert_eq!(close.chosen(None), 0);
        assert_eq!(close.chosen(Some(0.4 - 1e-9)), 0);
        assert_eq!(close.chosen(Some(0.6)), 2);
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn probabilities_sum_to_one_and_do_not_depend_on_the_order_of_labels_or_alternatives(
            masses in prop::collection::vec(0.05_f64..1.0, 4), other in 0.0_f64..0.1,
        ) {
            let texts = ["red", " Green", "blue", "RED"];
            let all: f64 = masses.iter().sum::<f64>() + other;
            let mut top: Vec<(&str, f64)> = texts.iter().copied().zip(masses.iter().map(|p| p / all)).collect();
            top.push(("The", other / all + 1e-6));
            let there = of(&[token(&top)], &Labels::words(["red", "green", "blue"])).unwrap();
            top.reverse();
            let back = of(&[token(&top)], &Labels::words(["blue", "red", "green"])).unwrap();
            let sum: f64 = there.probabilities.iter().map(|(_, p)| p).sum();
            prop_assert!((sum - 1.0).abs() < 1e-9);
            prop_assert!((0.0..=1.0).contains(&there.covered));
            for label in ["red", "green", "blue"] {
                prop_assert!((there.of(label) - back.of(label)).abs() < 1e-9);
            }
        }
    }
}
