//! How many calls of a server may be in flight.

use serde::Deserialize;
use std::num::NonZeroUsize;

/// `max-in-flight`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "NumberOrWord")]
pub(crate) enum MaxInFlight {
    /// As the server allows; a server on this machine, which lets calls wait and refuses none, is asked less.
    #[default]
    Usual,
    /// As the server allows, wherever it is.
    Adaptive,
    /// So many, whatever the server says.
    Fixed(NonZeroUsize),
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a whole number from 1, or `\"adaptive\"`"
)]
enum NumberOrWord {
    Number(NonZeroUsize),
    Word(String),
}

impl MaxInFlight {
    /// `adaptive` or a number from 1.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "adaptive" => Some(Self::Adaptive),
            number => number.parse().ok().map(Self::Fixed),
        }
    }
}

impl TryFrom<NumberOrWord> for MaxInFlight {
    type Error = String;

    fn try_from(value: NumberOrWord) -> Result<Self, String> {
        match value {
            NumberOrWord::Number(number) => Ok(Self::Fixed(number)),
            NumberOrWord::Word(word) if word == "adaptive" => Ok(Self::Adaptive),
            NumberOrWord::Word(word) => Err(format!(
                "`{word}` is no number of calls\nhint: write a whole number from 1, or `\"adaptive\"`"
            )),
        }
    }
}
