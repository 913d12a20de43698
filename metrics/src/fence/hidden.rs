//! Characters that nobody sees, and where a script needs them.
//!
//! | characters | stay |
//! | --- | --- |
//! | zero-width space, word joiner, byte order mark, invisible operators, annotation marks, Hangul filler | never |
//! | right-to-left and left-to-right override | never |
//! | other direction marks, embeddings and isolates | on a line with a right-to-left letter |
//! | zero-width joiner and non-joiner | between two characters outside of ASCII: Persian, Hindi, emoji |
//! | variation selectors | one after a character outside of ASCII, or in a keycap |
//! | tag characters | in the flag of a region, after 🏴 |

/// The most tag characters of a flag: five for the region, and the end.
const FLAG: usize = 7;

/// Whether a character leaves no trace on the screen, or only a mark on its neighbour.
pub(super) fn is_unseen(c: char) -> bool {
    kind(c).is_some()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}')
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Never,
    Direction,
    Joiner,
    Variation,
    Tag,
}

fn kind(c: char) -> Option<Kind> {
    Some(match c {
        '\u{200b}'
        | '\u{2060}'..='\u{2065}'
        | '\u{206a}'..='\u{206f}'
        | '\u{feff}'
        | '\u{180e}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{3164}'
        | '\u{ffa0}'
        | '\u{202d}'
        | '\u{202e}' => Kind::Never,
        '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202c}' | '\u{2066}'..='\u{2069}' => {
            Kind::Direction
        }
        '\u{200c}' | '\u{200d}' => Kind::Joiner,
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => Kind::Variation,
        '\u{e0000}'..='\u{e007f}' => Kind::Tag,
        _ => return None,
    })
}

fn is_right_to_left(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
        && kind(c).is_none()
}

/// Where hidden characters stand that no script needs.
pub(super) fn needless(text: &str) -> Vec<usize> {
    let mut found = Vec::new();
    if text.is_ascii() {
        return found;
    }
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        if !line.is_ascii() {
            in_line(line, start, &mut found);
        }
        start += line.len();
    }
    found
}

fn in_line(line: &str, start: usize, found: &mut Vec<usize>) {
    let chars: Vec<(usize, char)> = line.char_indices().collect();
    let right_to_left = chars.iter().any(|(_, c)| is_right_to_left(*c));
    // A character that is seen and that ASCII does not have.
    let wide = |c: Option<&(usize, char)>| {
        c.is_some_and(|(_, c)| !c.is_ascii() && matches!(kind(*c), None | Some(Kind::Variation)))
    };
    let mut flag = 0;
    for (index, (at, c)) in chars.iter().enumerate() {
        let before = index.checked_sub(1).and_then(|index| chars.get(index));
        let after = chars.get(index + 1);
        if *c == '\u{1f3f4}' {
            flag = flag_length(&chars[index + 1..]);
            continue;
        }
        let Some(kind) = kind(*c) else { continue };
        let stays = match kind {
            Kind::Never => false,
            Kind::Direction => right_to_left,
            Kind::Joiner => wide(before) && wide(after),
            Kind::Variation => {
                let keycap = after.is_some_and(|(_, c)| *c == '\u{20e3}')
                    && before.is_some_and(|(_, c)| matches!(c, '0'..='9' | '#' | '*'));
                let seen = before.is_some_and(|(_, c)| !c.is_ascii() && !is_unseen(*c));
                seen || keycap
            }
            Kind::Tag => {
                let stays = flag > 0;
                flag = flag.saturating_sub(1);
                stays
            }
        };
        if !stays {
            found.push(start + at);
        }
    }
}

/// How many tag characters of these make up the flag of a region; 0 if they do not.
fn flag_length(chars: &[(usize, char)]) -> usize {
    let tags = chars.iter().take(FLAG);
    let count = tags
        .take_while(|(_, c)| matches!(c, '\u{e0030}'..='\u{e0039}' | '\u{e0061}'..='\u{e007a}'))
        .count();
    match chars.get(count) {
        Some((_, '\u{e007f}')) if count > 0 => count + 1,
        _ => 0,
    }
}
