//! What a model's tokens cost: the table in `prices.toml`, and the prices of llmtest.toml before it.

use super::money::Money;
use llmtest_metrics::Usage;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

/// The price of one token, read as dollars for a million.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "f64")]
struct PerToken(Money);

impl TryFrom<f64> for PerToken {
    type Error = String;

    fn try_from(dollars: f64) -> Result<Self, String> {
        let price = Money::dollars(dollars / 1e6).filter(|_| dollars < 1e6);
        price.map(Self).ok_or_else(|| {
            format!("{dollars} is no price\nhint: write US dollars for a million tokens, such as `input = 0.15`")
        })
    }
}

/// What the tokens of a model cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct OwnPrice {
    input: PerToken,
    cached: Option<PerToken>,
    cache_write: Option<PerToken>,
    output: Option<PerToken>,
    /// The longest prompt, in tokens, that has this price.
    up_to: Option<u64>,
}

impl OwnPrice {
    /// What these tokens cost; `None` where a part of them has no price.
    pub(crate) fn of(&self, usage: Usage) -> Option<Money> {
        if self.up_to.is_some_and(|most| usage.prompt_tokens > most) {
            return None;
        }
        let special = usage.cached_tokens.saturating_add(usage.cache_write_tokens);
        let plain = usage.prompt_tokens.saturating_sub(special);
        let price = |tokens: u64, price: Option<PerToken>| match (tokens, price) {
            (0, _) => Some(Money::default()),
            (tokens, price) => price.map(|price| price.0.times(tokens)),
        };
        Some(
            price(plain, Some(self.input))?
                + price(usage.cached_tokens, self.cached.or(Some(self.input)))?
                + price(usage.cache_write_tokens, self.cache_write)?
                + price(usage.completion_tokens, self.output)?,
        )
    }

    /// The most that a call with so many tokens costs.
    pub(super) fn at_most(&self, prompt: u64, completion: u64) -> Option<Money> {
        let usage = Usage {
            prompt_tokens: prompt,
            completion_tokens: completion,
            ..Usage::default()
        };
        let dearer = self.cache_write.filter(|write| write.0 > self.input.0);
        let input = dearer.unwrap_or(self.input);
        Self { input, ..*self }.of(usage)
    }

    /// What the tokens of many calls cost, none of which had a long prompt.
    pub(super) fn of_many(&self, usage: Usage) -> Option<Money> {
        Self {
            up_to: None,
            ..*self
        }
        .of(usage)
    }

    /// Whether its tokens cost nothing.
    pub(super) fn is_free(&self) -> bool {
        let all = [Some(self.input), self.cached, self.cache_write, self.output];
        all.iter()
            .flatten()
            .all(|price| price.0 == Money::default())
    }
}

/// A row of the table.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Row {
    #[serde(flatten)]
    price: Flat,
    #[serde(default)]
    names: Vec<String>,
}

/// As [`OwnPrice`], beside other members.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Flat {
    input: PerToken,
    cached: Option<PerToken>,
    cache_write: Option<PerToken>,
    output: Option<PerToken>,
    up_to: Option<u64>,
}

impl From<Flat> for OwnPrice {
    fn from(flat: Flat) -> Self {
        let Flat {
            input,
            cached,
            cache_write,
            output,
            up_to,
        } = flat;
        Self {
            input,
            cached,
            cache_write,
            output,
            up_to,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Vendor {
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for readers of the table, and checked")
    )]
    as_of: String,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for readers of the table, and checked")
    )]
    source: String,
    models: BTreeMap<String, Row>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Table {
    as_of: String,
    #[serde(flatten)]
    vendors: BTreeMap<String, Vendor>,
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    toml::from_str(include_str!("../../prices.toml")).expect("the table is checked by a test")
});

impl Table {
    fn find(&self, model: &str) -> Option<OwnPrice> {
        // Gateways name a model with who made it: `openai/gpt-4.1-mini`, `anthropic/claude-haiku-4.5`.
        let (vendor, name) = match model.split_once('/') {
            Some(("anthropic", name)) => (Some("anthropic"), name.replace('.', "-")),
            Some((vendor, name)) => (Some(vendor), name.to_string()),
            None => (None, model.to_string()),
        };
        let vendors = self.vendors.iter();
        let mut vendors = vendors.filter(|(known, _)| vendor.is_none_or(|vendor| vendor == *known));
        let of = |(_, vendor): (&String, &Vendor)| {
            let row = |name: &str| {
                let other = |row: &&Row| row.names.iter().any(|other| other == name);
                let row = vendor.models.get(name);
                row.or_else(|| vendor.models.values().find(other))
            };
            let found = row(&name).or_else(|| row(undated(&name)?));
            found.map(|row| row.price.into())
        };
        vendors.find_map(of)
    }
}

/// The name without the date at its end.
fn undated(name: &str) -> Option<&str> {
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
    let (short, last) = name.rsplit_once('-')?;
    if digits(last, 8) {
        return Some(short);
    }
    let (short, month) = short.rsplit_once('-')?;
    let (short, year) = short.rsplit_once('-')?;
    (digits(last, 2) && digits(month, 2) && digits(year, 4)).then_some(short)
}

/// All prices that a run knows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prices {
    own: BTreeMap<String, OwnPrice>,
    local: BTreeSet<String>,
}

impl Prices {
    /// The prices of llmtest.toml before those of the table, which say nothing about models on this machine.
    pub(crate) fn new(
        own: BTreeMap<String, OwnPrice>,
        local: impl IntoIterator<Item = String>,
    ) -> Self {
        Self {
            own,
            local: local.into_iter().collect(),
        }
    }

    /// The day on which the oldest of the table's prices was looked up.
    pub(crate) fn as_of() -> &'static str {
        &TABLE.as_of
    }

    /// The price of a model, where it is known.
    pub(crate) fn of(&self, model: &str) -> Option<OwnPrice> {
        let own = |name: &str| self.own.get(name).copied();
        own(model)
            .or_else(|| own(undated(model)?))
            .or_else(|| (!self.local.contains(model)).then(|| TABLE.find(model))?)
    }

    /// What a call cost: what the provider says, else by its tokens; `None` where that is not known.
    pub(crate) fn cost(
        &self,
        model: &str,
        usage: Option<Usage>,
        said: Option<f64>,
    ) -> Option<Money> {
        if let Some(said) = said.and_then(Money::dollars) {
            return Some(said);
        }
        let price = self.of(model)?;
        match usage {
            Some(usage) => price.of(usage),
            None => price.is_free().then(Money::default),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(prompt: u64, cached: u64, written: u64, completion: u64) -> Usage {
        Usage {
            prompt_tokens: prompt,
            completion_tokens: completion,
            cached_tokens: cached,
            cache_write_tokens: written,
            ..Usage::default()
        }
    }

    fn own(text: &str) -> Prices {
        Prices::new(toml::from_str(text).unwrap(), [])
    }

    #[test]
    fn the_table_is_dated_and_names_its_sources() {
        let dates: Vec<_> = TABLE.vendors.values().map(|vendor| &vendor.as_of).collect();
        assert_eq!(Some(&&TABLE.as_of), dates.iter().min());
        for vendor in TABLE.vendors.values() {
            assert!(vendor.source.starts_with("https://"), "{}", vendor.source);
            assert!(undated(&format!("x-{}", vendor.as_of)) == Some("x"));
        }
    }

    #[test]
    fn each_kind_of_token_has_its_price() {
        let prices = Prices::default();
        // 600 × 0.40 + 400 × 0.10 + 100 × 1.60, a million each.
        let mini = prices.of("gpt-4.1-mini").unwrap();
        let cost = mini.of(usage(1000, 400, 0, 100)).unwrap();
        assert_eq!(cost, Money::dollars(0.000_44).unwrap());
        // 500 × 1 + 300 × 0.10 + 200 × 1.25 + 10 × 5.
        let haiku = prices.of("claude-haiku-4-5").unwrap();
        let cost = haiku.of(usage(1000, 300, 200, 10)).unwrap();
        assert_eq!(cost, Money::dollars(0.000_83).unwrap());
        // Never below what it may cost: all of the prompt might be written to the cache.
        assert_eq!(haiku.at_most(1000, 10), Money::dollars(0.0013));
    }

    #[test]
    fn names_are_found_exactly_then_without_date_and_vendor() {
        let prices = Prices::default();
        let of = |name: &str| prices.of(name);
        assert_eq!(of("gpt-4.1-mini-2025-04-14"), of("gpt-4.1-mini"));
        assert_eq!(of("openai/gpt-4.1-mini"), of("gpt-4.1-mini"));
        assert_eq!(of("claude-haiku-4-5-20251001"), of("claude-haiku-4-5"));
        assert_eq!(of("anthropic/claude-haiku-4.5"), of("claude-haiku-4-5"));
        assert_eq!(of("gpt-5-chat-latest"), of("gpt-5"));
        assert_ne!(of("gpt-4o-2024-05-13"), of("gpt-4o"));
        assert!(of("gpt-4o").is_some());
        for unknown in [
            "gpt-4.1-mini-tuned",
            "gpt-4.1-mini:free",
            "google/gpt-4.1-mini",
            "gpt-4",
            "qwen2.5:7b",
            "",
        ] {
            assert_eq!(of(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn own_prices_go_before_the_table_also_for_models_on_this_machine() {
        let text = "[\"gpt-4.1-mini\"]\ninput = 1\noutput = 2.5\n[qwen]\ninput = 0\noutput = 0\n";
        let prices = own(text);
        let cost = |model| prices.cost(model, Some(usage(1_000_000, 0, 0, 1_000_000)), None);
        assert_eq!(cost("gpt-4.1-mini"), Money::dollars(3.5));
        assert_eq!(cost("gpt-4.1-mini-2025-04-14"), Money::dollars(3.5));
        assert_eq!(cost("qwen"), Some(Money::default()));
        let local = Prices::new(BTreeMap::new(), ["gpt-4.1-mini".to_string()]);
        assert_eq!(local.of("gpt-4.1-mini"), None);
        assert!(local.of("gpt-4.1").is_some());
    }

    #[test]
    fn unknown_is_never_zero() {
        let prices = own("[embedder]\ninput = 0.1\n[chat]\ninput = 1\noutput = 1\nup-to = 10\n");
        assert_eq!(prices.cost("nobody", Some(usage(1, 0, 0, 1)), None), None);
        assert_eq!(prices.cost("chat", None, None), None, "no tokens are known");
        assert_eq!(prices.cost("chat", Some(usage(11, 0, 0, 1)), None), None);
        assert_eq!(prices.cost("chat", Some(usage(1, 0, 1, 1)), None), None);
        assert_eq!(prices.cost("embedder", Some(usage(1, 0, 0, 1)), None), None);
        let known = prices.cost("embedder", Some(usage(10, 0, 0, 0)), None);
        assert_eq!(known, Money::dollars(0.000_001));
        assert_eq!(
            prices.cost("nobody", None, Some(0.25)),
            Money::dollars(0.25)
        );
        assert_eq!(prices.cost("fake", None, None), Some(Money::default()));
    }

    #[test]
    fn what_is_no_price_says_how_to_write_one() {
        for text in [
            "input = -1",
            "input = 1e9",
            "output = 1",
            "inputs = 1\ninput = 1",
        ] {
            let error = toml::from_str::<OwnPrice>(text).unwrap_err().to_string();
            assert!(error.contains("input"), "{text}: {error}");
        }
    }
}
