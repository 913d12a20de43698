//! `NumericCloseness`.

use crate::{Bar, EvalCx, Field, Metric, Result, Score, reason};

/// Measures whether the number in the output is the expected one, within a tolerance: 1 or 0. Needs no judge.
///
/// It passes where `|output - expected|` is at most the absolute tolerance, or at most the relative one times
/// `|expected|`; both are 0 unless told otherwise, but for the last digit of a float. [`graded`](Self::graded) scores how
/// near it is instead.
///
/// Of several numbers in a text the last counts, since answers end with their result; see [`first`](Self::first). A number
/// is digits with an optional sign, decimal point and exponent, wherever no letter stands right before it: `GPT4` and
/// `H2O` have none. (Letters of scripts without upper and lower case do not count: 答案是42 has one.) Commas, apostrophes, underscores and thin spaces between groups of three digits are thousands separators. Currency
/// and unit may stand around it (`$1,299.50`, `12km`), `%` divides by 100, and a following `thousand`, `million`,
/// `billion` or `trillion` multiplies.
///
/// An output without a number scores 0; an expected text without one is an error. Needs `output`, and `expected` unless
/// made [`of`](Self::of) a number. Default bar: at least 1.
///
/// ```
/// use llmtest_metrics::{FakeJudge, NumericCloseness, TestCase, measure_with};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let case = TestCase::new("How many people live there?", "In 2021 it were about 2.1 million.").expected("2,102,650");
/// let near = NumericCloseness::new().relative(0.01);
/// assert_eq!(measure_with(&case, &near, FakeJudge::new()).await.unwrap().value, 1.0);
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct NumericCloseness {
    expected: Option<f64>,
    absolute: f64,
    relative: f64,
    first: bool,
    decimal_comma: bool,
    graded: bool,
}

/// Words that multiply the number before them.
const SCALES: [(&str, f64); 4] = [
    ("thousand", 1e3),
    ("million", 1e6),
    ("billion", 1e9),
    ("trillion", 1e12),
];

impl NumericCloseness {
    /// Compares the number of the output with that of the expected output.
    pub fn new() -> Self {
        Self::default()
    }

    /// Compares the number of the output with this one. Panics unless it is finite.
    #[track_caller]
    pub fn of(expected: f64) -> Self {
        assert!(
            expected.is_finite(),
            "`NumericCloseness` needs a finite number to compare with, not {expected}"
        );
        Self {
            expected: Some(expected),
            ..Self::default()
        }
    }

    /// Allows this difference. Panics on a tolerance that is negative or not finite.
    #[track_caller]
    pub fn absolute(mut self, tolerance: f64) -> Self {
        self.absolute = checked(tolerance);
        self
    }

    /// Allows this difference as a share of the expected number: 0.01 is one percent. Panics on a tolerance that is negative
    /// or not finite.
    #[track_caller]
    pub fn relative(mut self, tolerance: f64) -> Self {
        self.relative = checked(tolerance);
        self
    }

    /// Takes the first number of a text in place of the last.
    pub fn first(mut self) -> Self {
        self.first = true;
        self
    }

    /// Reads numbers as in German or French: a comma before decimals, points between thousands.
    pub fn decimal_comma(mut self) -> Self {
        self.decimal_comma = true;
        self
    }

    /// Scores numbers outside the tolerance with `1 - |a - b| / (|a| + |b|)` in place of 0, as autoevals' `NumericDiff`.
    pub fn graded(mut self) -> Self {
        self.graded = true;
        self
    }

    fn score(self, output: f64, expected: f64) -> f64 {
        let difference = (output - expected).abs();
        // What is left of a number such as 0.1 + 0.2 in binary.
        let rounding = 4.0 * f64::EPSILON * expected.abs();
        let allowed = self.absolute.max(self.relative * expected.abs());
        if difference <= allowed + rounding {
            1.0
        } else if self.graded {
            // Halves, so that the sum of large numbers stays finite; signs may differ, then nothing is left.
            let sum = output.abs() / 2.0 + expected.abs() / 2.0;
            (1.0 - (output / 2.0 - expected / 2.0).abs() / sum).max(0.0)
        } else {
            0.0
        }
    }

    fn number(self, text: &str) -> Option<f64> {
        let mut numbers = numbers(text, self.decimal_comma);
        if self.first {
            numbers.first().copied()
        } else {
            numbers.pop()
        }
    }
}

#[track_caller]
fn checked(tolerance: f64) -> f64 {
    assert!(
        tolerance.is_finite() && tolerance >= 0.0,
        "the tolerance of `NumericCloseness` must be a number of at least 0, not {tolerance}"
    );
    tolerance
}

/// Every number of a text, in order.
fn numbers(text: &str, decimal_comma: bool) -> Vec<f64> {
    let chars: Vec<char> = text.chars().collect();
    let point = if decimal_comma { ',' } else { '.' };
    let mut numbers = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let before = at.checked_sub(1).map(|before| chars[before]);
        let inside = before.is_some_and(is_of_a_name);
        let digit = |at: usize| chars.get(at).is_some_and(char::is_ascii_digit);
        let starts = digit(at) || (chars[at] == point && digit(at + 1) && !inside);
        if !starts {
            at += 1;
        } else if inside {
            // Part of a name, up to its end: `v2.5`.
            while chars.get(at).is_some_and(|c| is_of_a_name(*c))
                || (chars.get(at) == Some(&point) && digit(at + 1))
            {
                at += 1;
            }
        } else {
            let (number, end) = read(&chars, at, point);
            numbers.extend(number.filter(|number| number.is_finite()));
            at = end;
        }
    }
    numbers
}

/// Whether a digit right after this belongs to a name, as in `GPT4`. Scripts without upper and lower case, such as Chinese,
/// put no space between words and numbers.
fn is_of_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c.is_lowercase() || c.is_uppercase() || c == '_'
}

/// The number that begins at a digit or a decimal point, and where it ends.
fn read(chars: &[char], start: usize, point: char) -> (Option<f64>, usize) {
    let digits = |from: usize| {
        chars[from.min(chars.len())..]
            .iter()
            .take_while(|c| c.is_ascii_digit())
            .count()
    };
    let mut text = String::new();
    // A sign counts unless it stands between two numbers or words, as in 3-4 and 2024-01-05.
    if let Some(sign) = start.checked_sub(1)
        && matches!(chars[sign], '-' | '−')
        && !sign
            .checked_sub(1)
            .is_some_and(|before| is_of_a_name(chars[before]))
    {
        text.push('-');
    } else if let Some(sign) = start.checked_sub(2)
        && matches!(chars[sign], '-' | '−')
        && is_currency(chars[sign + 1])
    {
        text.push('-');
    }
    let mut at = start + digits(start);
    text.extend(&chars[start..at]);
    if (1..=3).contains(&(at - start)) {
        // The same separator between all groups, and exactly three digits in each.
        let separator = chars.get(at).copied().filter(|c| is_separator(*c, point));
        while separator.is_some() && chars.get(at).copied() == separator && digits(at + 1) == 3 {
            text.extend(&chars[at + 1..at + 4]);
            at += 4;
        }
    }
    if chars.get(at) == Some(&point) && digits(at + 1) > 0 {
        let decimals = digits(at + 1);
        text.push('.');
        text.extend(&chars[at + 1..=at + decimals]);
        at += 1 + decimals;
    }
    if matches!(chars.get(at), Some('e' | 'E')) {
        let sign = usize::from(matches!(chars.get(at + 1), Some('+' | '-')));
        let exponent = digits(at + 1 + sign);
        if exponent > 0 {
            text.extend(&chars[at..=at + sign + exponent]);
            at += 1 + sign + exponent;
        }
    }
    let (factor, end) = scale(chars, at);
    (text.parse().ok().map(|number: f64| number * factor), end)
}

/// What a number is multiplied with by what follows it, and where that ends.
fn scale(chars: &[char], at: usize) -> (f64, usize) {
    let word = at + usize::from(chars.get(at).is_some_and(|c| c.is_whitespace()));
    if chars.get(word) == Some(&'%') {
        return (0.01, word + 1);
    }
    let end = word
        + chars[word.min(chars.len())..]
            .iter()
            .take_while(|c| c.is_alphabetic())
            .count();
    let name: String = chars[word.min(chars.len())..end.min(chars.len())]
        .iter()
        .collect();
    let name = name.to_lowercase();
    match SCALES.iter().find(|(scale, _)| *scale == name) {
        Some((_, factor)) => (*factor, end),
        None => (1.0, at),
    }
}

fn is_separator(c: char, point: char) -> bool {
    let grouping = if point == ',' { '.' } else { ',' };
    c == grouping || matches!(c, '\'' | '’' | '_' | '\u{a0}' | '\u{2009}' | '\u{202f}')
}

fn is_currency(c: char) -> bool {
    matches!(c, '$' | '€' | '£' | '¥' | '₹')
}

impl Metric for NumericCloseness {
    fn name(&self) -> &'static str {
        "numeric_closeness"
    }

    fn bar(&self) -> Bar {
        Bar::AtLeast(1.0)
    }

    async fn measure(&self, cx: &EvalCx<'_>) -> Result<Score> {
        let output = cx.need(self, Field::Output)?;
        let expected = if let Some(expected) = self.expected {
            expected
        } else {
            let text = cx.need(self, Field::Expected)?;
            self.number(&text).ok_or_else(|| {
                format!(
                    "`numeric_closeness` finds no number in the expected output {:?}\n\
                     hint: give the number as `expected`, or in the test with `NumericCloseness::of(…)`",
                    reason::cut(&text, 120)
                )
            })?
        };
        let Some(number) = self.number(&output) else {
            return Ok(Score::new(0.0).because(format!(
                "the output {:?} has no number",
                reason::cut(&output, 120)
            )));
        };
        let value = self.score(number, expected);
        let reason = if number.to_bits() == expected.to_bits() {
            format!("the output's number is {number}, as expected")
        } else {
            let near = if value < 1.0 {
                "more than the tolerance"
            } else {
                "within the tolerance"
            };
            let difference = (number - expected).abs();
            format!(
                "the output's number is {number}, {difference} from {expected}, which is {near}"
            )
        };
        Ok(Score::new(value)
            .because(reason)
            .detail("number", number)
            .detail("expected", expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proptesting;
    use crate::{FakeJudge, TestCase, measure_with};
    use proptest::prelude::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let table: &[(&str, &[f64])] = &[
            ("$1,299.50 or -3.5e2", &[1299.5, -350.0]),
            ("12km, 7 °C, .5", &[12.0, 7.0, 0.5]),
            ("-$5 and −7 and 3-4", &[-5.0, -7.0, 3.0, 4.0]),
            ("2024-01-05", &[2024.0, 1.0, 5.0]),
            (
                "1,2,3 and 1,000,000 and 12,34",
                &[1.0, 2.0, 3.0, 1_000_000.0, 12.0, 34.0],
            ),
            ("1'000 1_000 1\u{202f}000", &[1000.0, 1000.0, 1000.0]),
            ("5% of 2.1 Million, 3 millions", &[0.05, 2_100_000.0, 3.0]),
            ("GPT4 H2O v2.5 x_1", &[]),
            ("1.2.3 42.", &[1.2, 3.0, 42.0]),
            ("1e999 and none", &[]),
            ("答案是42。价格为-3.5元", &[42.0, -3.5]),
            ("größe4 Д7", &[]),
            ("", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(numbers(text, false), *expected, "{text}");
        }
        assert_eq!(numbers("1.234,5 und 3,5", true), [1234.5, 3.5]);
    }

    #[test]
    fn either_tolerance_is_enough() {
        let exact = NumericCloseness::new();
        assert_eq!(
            (exact.score(0.1 + 0.2, 0.3), exact.score(3.1, 3.0)),
            (1.0, 0.0)
        );
        assert_eq!(exact.absolute(0.1).score(3.1, 3.0), 1.0);
        assert_eq!(exact.relative(0.01).score(101.0, 100.0), 1.0);
        assert_eq!(exact.relative(0.01).score(102.0, 100.0), 0.0);
        assert_eq!(exact.graded().score(3.0, 1.0), 0.5);
        assert_eq!(exact.graded().score(-3.0, 1.0), 0.0);
        assert_eq!(exact.score(0.0, 0.0), 1.0);
    }

    #[tokio::test]
    async fn a_missing_number_is_a_zero_in_the_output_and_an_error_in_the_expectation() {
        let measure = async |case: TestCase, metric: NumericCloseness| {
            measure_with(&case, &metric, FakeJudge::new()).await
        };
        let case = || TestCase::new("q", "First 3, then 4.");
        let last = measure(case().expected("4"), NumericCloseness::new())
            .await
            .unwrap();
        assert_eq!(
            last.reason.unwrap(),
            "the output's number is 4, as expected"
        );
        assert_eq!(
            measure(case(), NumericCloseness::of(3.0).first())
                .await
                .unwrap()
                .value,
            1.0
        );
        let none = measure(TestCase::new("q", "no idea"), NumericCloseness::of(3.0))
            .await
            .unwrap();
        assert_eq!(
            (none.value, none.reason.unwrap().as_str()),
            (0.0, "the output \"no idea\" has no number")
        );
        let error = measure(case().expected("four"), NumericCloseness::new())
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("no number in the expected output \"four\"\nhint: "),
            "{error}"
        );
    }

    #[test]
    #[should_panic(expected = "must be a number of at least 0, not -1")]
    fn a_negative_tolerance_is_refused() {
        let _ = NumericCloseness::new().absolute(-1.0);
    }

    proptest! {
        #![proptest_config(proptesting::config())]

        #[test]
        fn any_text_is_read(text in "\\PC{0,12}|[-0-9.,'eE$% ]{0,14}", comma in any::<bool>()) {
            for number in numbers(&text, comma) {
                prop_assert!(number.is_finite());
            }
        }

        #[test]
        fn a_written_number_is_read_back(number in -1e12..1e12) {
            prop_assert_eq!(numbers(&format!("it is {number} units"), false), [number]);
            prop_assert_eq!(numbers(&format!("{number:e}"), false), [number]);
        }

        #[test]
        fn scores_are_in_range_1_for_equal_and_never_fall_with_the_tolerance(a in prop::num::f64::NORMAL, b in prop::num::f64::NORMAL, less in 0.0..9.0, more in 0.0..9.0) {
            for metric in [NumericCloseness::new(), NumericCloseness::new().graded()] {
                let value = metric.score(a, b);
                prop_assert!((0.0..=1.0).contains(&value), "{value}");
                prop_assert_eq!(metric.score(a, a), 1.0);
                prop_assert!(metric.relative(less).score(a, b) <= metric.relative(less + more).score(a, b));
                prop_assert!(metric.absolute(less).score(a, b) <= metric.absolute(less + more).score(a, b));
            }
        }
    }
}
