//! What a label or a verdict says, however it is written.

use serde_json::Value;

/// A label or a verdict.
#[derive(Debug, Clone, PartialEq)]
pub enum Mark {
    /// Good: `true`, `yes`, `pass`, `passed`, `correct`, `good`.
    Yes,
    /// Bad: `false`, `no`, `fail`, `failed`, `wrong`, `incorrect`, `bad`.
    No,
    /// A is better: `A`, `A>B`, `[[A]]`.
    First,
    /// B is better: `B`, `B>A`, `[[B]]`.
    Second,
    /// Neither: `tie`, `A=B`, `[[C]]`.
    Tie,
    /// A number.
    Number(f64),
    /// Any other word.
    Word(String),
}

impl Mark {
    /// Reads a value; none where there is nothing: `null`, an empty text, a list or an object, or a number that is not
    /// one.
    ///
    /// ```
    /// use llmtest::trust::Mark;
    /// use serde_json::json;
    ///
    /// assert_eq!(Mark::read(&json!("Pass")), Some(Mark::Yes));
    /// assert_eq!(Mark::read(&json!("3.5")), Some(Mark::Number(3.5)));
    /// assert_eq!(Mark::read(&json!(null)), None);
    /// ```
    pub fn read(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(true) => Some(Self::Yes),
            Value::Bool(false) => Some(Self::No),
            Value::Number(number) => number.as_f64().map(Self::Number),
            Value::String(text) => Self::word(text),
            _ => None,
        }
    }

    fn word(text: &str) -> Option<Self> {
        let text = text.trim();
        Some(match text.to_lowercase().as_str() {
            "" | "null" | "none" | "nan" | "n/a" => return None,
            "true" | "yes" | "pass" | "passed" | "correct" | "good" => Self::Yes,
            "false" | "no" | "fail" | "failed" | "wrong" | "incorrect" | "bad" => Self::No,
            "a" | "a>b" | "a>>b" | "[[a]]" | "[[a>b]]" | "[[a>>b]]" => Self::First,
            "b" | "b>a" | "b>>a" | "[[b]]" | "[[b>a]]" | "[[b>>a]]" => Self::Second,
            "tie" | "a=b" | "[[c]]" | "[[a=b]]" => Self::Tie,
            lower => match lower.parse::<f64>() {
                Ok(number) if number.is_finite() => Self::Number(number),
                _ => Self::Word(text.to_string()),
            },
        })
    }

    /// As yes or no: 1 is yes and 0 is no.
    pub fn binary(&self) -> Option<bool> {
        match self {
            Self::Yes => Some(true),
            Self::No => Some(false),
            Self::Number(number) if (number - 1.0).abs() < 1e-12 => Some(true),
            Self::Number(number) if number.abs() < 1e-12 => Some(false),
            _ => None,
        }
    }

    /// As a number: yes is 1 and no is 0.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            other => other.binary().map(|yes| f64::from(u8::from(yes))),
        }
    }

    /// One text for equal marks: what is hashed and shown.
    pub fn text(&self) -> String {
        match self {
            Self::Yes => "yes".into(),
            Self::No => "no".into(),
            Self::First => "A".into(),
            Self::Second => "B".into(),
            Self::Tie => "tie".into(),
            Self::Number(number) => number.to_string(),
            Self::Word(word) => word.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn marks_are_read_however_they_are_written() {
        for (value, mark) in [
            (json!(true), Mark::Yes),
            (json!(" Wrong "), Mark::No),
            (json!("A>B"), Mark::First),
            (json!("[[B>>A]]"), Mark::Second),
            (json!("Tie"), Mark::Tie),
            (json!(2), Mark::Number(2.0)),
            (json!("garbage"), Mark::Word("garbage".into())),
        ] {
            assert_eq!(Mark::read(&value), Some(mark), "{value}");
        }
        for nothing in [json!(null), json!(""), json!("NaN"), json!([1]), json!({})] {
            assert_eq!(Mark::read(&nothing), None, "{nothing}");
        }
    }

    #[test]
    fn one_and_zero_are_yes_and_no_too() {
        assert_eq!(Mark::Number(1.0).binary(), Some(true));
        assert_eq!(Mark::Number(0.0).binary(), Some(false));
        assert_eq!(
            (Mark::Number(0.5).binary(), Mark::Tie.binary()),
            (None, None)
        );
        assert_eq!(Mark::Yes.number(), Some(1.0));
    }
}
