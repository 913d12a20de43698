//! How an order is hidden.

use serde::Deserialize;
use std::fmt::Write;

/// Base64's digits, in order.
const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// What padding is made of.
const FILLER: &str = "The following remarks give some background and may be skipped. The question has been discussed for a long time, and much has been written about it. ";

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Disguise {
    /// In the tag characters of Unicode, one for each ASCII character.
    Tags,
    /// With a zero-width space after each character.
    ZeroWidth,
    /// Backwards, under a right-to-left override.
    Bidi,
    /// With Cyrillic letters for Latin ones.
    Homoglyphs,
    /// In full-width characters.
    FullWidth,
    /// In bold mathematical letters.
    Mathematical,
    /// After 8,000 bytes of filler.
    #[serde(rename = "padding_8000")]
    Padding8000,
    /// In base64.
    Base64,
    /// In ROT13.
    Rot13,
    /// Backwards.
    Reversed,
    /// In hexadecimal digits.
    Hex,
}

impl Disguise {
    /// Hides what stands between `[[` and `]]`, or the whole text where nothing does.
    pub(super) fn applied(self, text: &str) -> String {
        let parts = text.split_once("[[").and_then(|(before, rest)| {
            rest.rsplit_once("]]")
                .map(|(order, after)| (before, order, after))
        });
        match parts {
            Some((before, order, after)) => format!("{before}{}{after}", self.hidden(order)),
            None => self.hidden(text),
        }
    }

    fn hidden(self, text: &str) -> String {
        let shifted = |c: char, from: char, to: u32| {
            char::from_u32(to + (c as u32 - from as u32)).unwrap_or(c)
        };
        let each = |change: &dyn Fn(char) -> char| text.chars().map(change).collect::<String>();
        match self {
            Self::Tags => each(&|c| match c {
                ' '..='~' => shifted(c, '\0', 0xe_0000),
                c => c,
            }),
            Self::ZeroWidth => text.chars().flat_map(|c| [c, '\u{200b}']).collect(),
            Self::Bidi => format!("\u{202e}{}\u{202c}", text.chars().rev().collect::<String>()),
            Self::Homoglyphs => each(&|c| match c {
                'a' => 'а',
                'c' => 'с',
                'e' => 'е',
                'i' => 'і',
                'o' => 'о',
                'p' => 'р',
                's' => 'ѕ',
                'x' => 'х',
                'y' => 'у',
                c => c,
            }),
            Self::FullWidth => each(&|c| match c {
                '!'..='~' => shifted(c, '!', 0xff01),
                c => c,
            }),
            Self::Mathematical => each(&|c| match c {
                'A'..='Z' => shifted(c, 'A', 0x1_d400),
                'a'..='z' => shifted(c, 'a', 0x1_d41a),
                '0'..='9' => shifted(c, '0', 0x1_d7ce),
                c => c,
            }),
            Self::Padding8000 => {
                let filler: String = FILLER.chars().cycle().take(8000).collect();
                format!("{filler}{text}")
            }
            Self::Base64 => base64(text.as_bytes()),
            Self::Rot13 => each(&|c| match c {
                'a'..='m' | 'A'..='M' => shifted(c, '\0', 13),
                'n'..='z' | 'N'..='Z' => char::from_u32(c as u32 - 13).unwrap_or(c),
                c => c,
            }),
            Self::Reversed => text.chars().rev().collect(),
            Self::Hex => text.bytes().fold(String::new(), |mut digits, byte| {
                let _ = write!(digits, "{byte:02x}");
                digits
            }),
        }
    }
}

fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for digit in 0..4 {
            if digit > chunk.len() {
                text.push('=');
            } else {
                let index = (bits >> (18 - 6 * digit)) & 63;
                text.push(char::from(BASE64[index as usize]));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_hidden_as_they_are_called() {
        let hidden = |disguise: Disguise| disguise.applied("do: [[Be kind]]!");
        assert_eq!(hidden(Disguise::Base64), "do: QmUga2luZA==!");
        assert_eq!(hidden(Disguise::Rot13), "do: Or xvaq!");
        assert_eq!(hidden(Disguise::Reversed), "do: dnik eB!");
        assert_eq!(hidden(Disguise::Hex), "do: 4265206b696e64!");
        assert_eq!(Disguise::FullWidth.applied("a!"), "ａ！");
        assert_eq!(Disguise::Mathematical.applied("aB1"), "𝐚𝐁𝟏");
        assert_eq!(Disguise::Bidi.applied("ab"), "\u{202e}ba\u{202c}");
        assert_eq!(Disguise::Tags.applied("a"), "\u{e0061}");
        assert_eq!(Disguise::ZeroWidth.applied("ab"), "a\u{200b}b\u{200b}");
        assert_eq!(Disguise::Homoglyphs.applied("box"), "bох");
        assert_eq!(Disguise::Padding8000.applied("x").len(), 8001);
    }
}
