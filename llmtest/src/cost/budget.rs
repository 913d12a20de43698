//! How much a run or a test may spend.

use super::money::Money;
use serde::Deserialize;
use std::fmt;

/// How to write one.
pub(crate) const USAGE: &str =
    "write US dollars, such as `\"$2\"` or `\"$0.50\"`, or tokens, such as `\"200k tokens\"`";

/// A limit of what is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Budget {
    Money(Money),
    Tokens(u64),
}

impl TryFrom<String> for Budget {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is no budget\nhint: {USAGE}"))
    }
}

impl Budget {
    /// `$2`, `$0.50`, `200000 tokens`, `200k tokens`, `1.5M tokens`; above zero.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let number = |text: &str| {
            let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
            text.parse::<f64>().ok().filter(|n| plain && *n > 0.0)
        };
        let text = text.trim();
        if let Some(dollars) = text.strip_prefix('$') {
            let money = Money::dollars(number(dollars)?)?;
            return (money > Money::default()).then_some(Self::Money(money));
        }
        let tokens = text.strip_suffix("tokens")?.trim_end();
        let (tokens, unit) = match tokens.strip_suffix(['k', 'M']) {
            Some(short) if tokens.ends_with('k') => (short, 1e3),
            Some(short) => (short, 1e6),
            None => (tokens, 1.0),
        };
        let tokens = number(tokens)? * unit;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "in range, by the check"
        )]
        let budget = (1.0..1e15)
            .contains(&tokens)
            .then_some(Self::Tokens(tokens as u64));
        budget
    }

    /// Whether an amount is more than this.
    pub(super) fn is_passed_by(self, amount: Amount) -> bool {
        match self {
            Self::Money(most) => amount.money > most,
            Self::Tokens(most) => amount.tokens > most,
        }
    }

    /// The amount, in the unit of this.
    pub(super) fn shown(self, amount: Amount) -> String {
        match self {
            Self::Money(_) => amount.money.to_string(),
            Self::Tokens(_) => format!("{} tokens", grouped(amount.tokens)),
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Money(money) => money.fmt(f),
            Self::Tokens(tokens) => write!(f, "{} tokens", grouped(*tokens)),
        }
    }
}

/// Money and tokens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) money: Money,
    pub(super) tokens: u64,
}

impl std::ops::Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            money: self.money + other.money,
            tokens: self.tokens.saturating_add(other.tokens),
        }
    }
}

/// `31,204`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_have_a_unit() {
        for (text, shown) in [
            ("$2", "$2.00"),
            (" $0.50 ", "$0.5000"),
            ("200k tokens", "200,000 tokens"),
            ("1.5M tokens", "1,500,000 tokens"),
            ("77 tokens", "77 tokens"),
        ] {
            assert_eq!(Budget::parse(text).unwrap().to_string(), shown, "{text}");
        }
        for text in [
            "",
            "2",
            "€2",
            "-1",
            "$-1",
            "$0",
            "$",
            "$1e3",
            "$inf",
            "2$",
            "tokens",
            "0 tokens",
            "200k",
            "$2 tokens",
            "-5 tokens",
            "1e3 tokens",
        ] {
            assert_eq!(Budget::parse(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_are_grouped_by_thousands() {
        let numbers = [0, 999, 1000, 31_204, 1_234_567];
        assert_eq!(
            numbers.map(grouped),
            ["0", "999", "1,000", "31,204", "1,234,567"]
        );
    }
}
