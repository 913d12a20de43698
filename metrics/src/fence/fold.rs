//! Text as a hasty reader sees it: small letters, plain brackets, nothing invisible.

use super::hidden;

/// One character as it is read, and where it stands in the text.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit {
    /// The byte at which it begins.
    pub(super) at: usize,
    /// What it is read as: ASCII where it looks like ASCII, small letters, `\n` for every line break.
    pub(super) folded: char,
}

/// The characters that are seen; entities and escapes count as the character that they stand for.
pub(super) fn units(text: &str) -> Vec<Unit> {
    let mut units = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let (read, length) = written_out(&text[at..]).unwrap_or((c, c.len_utf8()));
        let before_break = c == '\r' && text[at + length..].starts_with('\n');
        if !before_break && !hidden::is_unseen(read) {
            let folded = fold(read);
            units.push(Unit { at, folded });
        }
        at += length;
    }
    units
}

/// The ASCII character that an entity, a percent escape or a JSON escape at the start of the text stands for, and how many
/// bytes it takes.
fn written_out(text: &str) -> Option<(char, usize)> {
    let number = |digits: &str, radix| {
        let code = u32::from_str_radix(digits, radix).ok()?;
        char::from_u32(code).filter(|c| c.is_ascii_graphic() || *c == ' ')
    };
    let hex = |from: usize, count: usize| number(text.get(from..from + count)?, 16);
    match text.as_bytes() {
        [b'&', b'#', rest @ ..] => {
            let (skip, radix) = match rest.first() {
                Some(b'x' | b'X') => (3, 16),
                _ => (2, 10),
            };
            let digits = text.get(skip..)?;
            let count = digits
                .chars()
                .take(8)
                .take_while(|c| c.is_digit(radix))
                .count();
            let end = usize::from(digits[count..].starts_with(';'));
            Some((number(&digits[..count], radix)?, skip + count + end))
        }
        [b'&', ..] => {
            const NAMED: [(&str, char); 7] = [
                ("lt", '<'),
                ("gt", '>'),
                ("sol", '/'),
                ("vert", '|'),
                ("verbar", '|'),
                ("lsqb", '['),
                ("lbrack", '['),
            ];
            let (name, c) = NAMED.iter().find(|(name, _)| {
                let start = text.get(1..=name.len());
                start.is_some_and(|start| start.eq_ignore_ascii_case(name))
            })?;
            let end = usize::from(text[1 + name.len()..].starts_with(';'));
            Some((*c, 1 + name.len() + end))
        }
        [b'\\', b'u', ..] => Some((hex(2, 4)?, 6)),
        [b'\\', b'x', ..] => Some((hex(2, 2)?, 4)),
        [b'%', ..] => Some((hex(1, 2)?, 3)),
        _ => None,
    }
}

/// What a character looks like.
fn fold(c: char) -> char {
    let offset = |from: char| c as u32 - from as u32;
    let letter = |place: u32| char::from_u32('a' as u32 + place % 26).unwrap_or(c);
    match c {
        'a'..='z' | '0'..='9' => c,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => '\n',
        '‹' | '˂' | '≺' | '≪' | 'ᐸ' | '〈' | '⟨' | '⟪' | '《' | '❮' | '❰' | '⧼' | '﹤' | '＜'
        | '⪡' | '⋖' | '⮜' => '<',
        '›' | '˃' | '≻' | '≫' | 'ᐳ' | '〉' | '⟩' | '⟫' | '》' | '❯' | '❱' | '⧽' | '﹥' | '＞'
        | '⪢' | '⋗' | '⮞' => '>',
        '⁄' | '∕' | '╱' | '⧸' | '⟋' | '／' | '⼃' | '〳' => '/',
        '∖' | '⧹' | '＼' | '﹨' => '\\',
        '¦' | 'ǀ' | '∣' | '❘' | '⏐' | '│' | '┃' | '｜' | '︱' => '|',
        '⁅' | '〔' | '【' | '〚' | '⟦' | '［' => '[',
        '⁆' | '〕' | '】' | '〛' | '⟧' | '］' => ']',
        '▁' | '＿' | '‗' => '_',
        '：' | '﹕' | '∶' | '꞉' | 'ː' => ':',
        'а' | 'А' | 'α' | 'Α' | 'ᴀ' | 'ɑ' | 'á' | 'à' | 'â' | 'ä' | 'ã' | 'å' | 'ā' | 'ą' | 'ă'
        | 'ȧ' | 'ạ' | 'ª' | '@' | 'Ꭺ' => 'a',
        'ԁ' | 'Ԁ' | 'ᴅ' | 'ď' | 'đ' | 'ð' | 'ḍ' | 'ḋ' | 'ɗ' | 'ⅾ' | 'Ⅾ' | 'Ꭰ' => {
            'd'
        }
        'т' | 'Т' | 'τ' | 'Τ' | 'ᴛ' | 'ť' | 'ţ' | 'ț' | 'ŧ' | 'ṭ' | 'ṫ' | 'Ꭲ' => {
            't'
        }
        'с' | 'С' | 'ϲ' | 'ç' | 'ⅽ' => 'c',
        'е' | 'Е' | 'Ε' | 'ε' | 'é' | 'è' | 'ê' | 'ë' => 'e',
        'н' | 'Н' | 'һ' | 'Η' => 'h',
        'і' | 'І' | 'ι' | 'Ι' | 'ı' | 'í' | 'ì' | 'ⅰ' => 'i',
        'м' | 'М' | 'Μ' | 'ⅿ' => 'm',
        'п' | 'ո' | 'Ν' | 'ñ' | 'ν' => 'n',
        'о' | 'О' | 'ο' | 'Ο' | 'ó' | 'ò' | 'ô' | 'ö' => 'o',
        'р' | 'Р' | 'ρ' | 'Ρ' => 'p',
        'ѕ' | 'Ѕ' | 'ş' | 'š' | 'ſ' => 's',
        'υ' | 'ս' | 'ú' | 'ù' | 'û' | 'ü' => 'u',
        'у' | 'У' | 'Υ' | 'ý' => 'y',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(offset('\u{ff01}') + 0x21).map_or(c, fold),
        '\u{1d400}'..='\u{1d6a3}' => letter(offset('\u{1d400}')),
        '\u{24b6}'..='\u{24e9}' => letter(offset('\u{24b6}')),
        '\u{249c}'..='\u{24b5}' => letter(offset('\u{249c}')),
        '\u{1f110}'..='\u{1f129}' => letter(offset('\u{1f110}')),
        '\u{1f130}'..='\u{1f149}' => letter(offset('\u{1f130}')),
        '\u{1f150}'..='\u{1f169}' => letter(offset('\u{1f150}')),
        '\u{1f170}'..='\u{1f189}' => letter(offset('\u{1f170}')),
        'A'..='Z' => c.to_ascii_lowercase(),
        c => c,
    }
}
