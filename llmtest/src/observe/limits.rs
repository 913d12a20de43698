//! Captured values that are too large to keep are cut, so that they keep their shape.

use std::fmt::Write;

use serde_json::{Map, Value};

/// How much is kept, in bytes of JSON without escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Of one argument or result.
    pub(crate) value: usize,
    /// Of all values of a case together; what comes after has [`LEAST`] each.
    pub(crate) case: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            value: 256 * 1024,
            case: 16 * 1024 * 1024,
        }
    }
}

/// What a value may take although the case has used up its own.
pub(super) const LEAST: usize = 256;

/// No part of a list or an object is cut to less than this; what does not fit is left out.
const PART: usize = 96;

/// The size of a value as compact JSON, escapes not counted.
pub(super) fn size(value: &Value) -> usize {
    match value {
        Value::Null => 4,
        Value::Bool(_) => 5,
        Value::Number(number) => number.as_u64().map_or(12, digits),
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| size(item) + 1).sum::<usize>(),
        Value::Object(members) => 2 + members.iter().map(member).sum::<usize>(),
    }
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

fn member((name, value): (&String, &Value)) -> usize {
    name.len() + 4 + size(value)
}

/// How many lists and objects may stand in one another; readers of JSON give up at 128, and a report wraps values in its
/// own.
pub(super) const DEPTH: usize = 64;

/// Turns what is nested too deep into its JSON as a text, and says whether anything was.
pub(super) fn flatten(value: &mut Value) -> bool {
    flatten_below(value, DEPTH)
}

fn flatten_below(value: &mut Value, left: usize) -> bool {
    match value {
        Value::Array(_) | Value::Object(_) if left == 0 => {
            *value = value.to_string().into();
            true
        }
        Value::Array(items) => flatten_all(items.iter_mut(), left - 1),
        Value::Object(members) => flatten_all(members.values_mut(), left - 1),
        _ => false,
    }
}

fn flatten_all<'a>(values: impl Iterator<Item = &'a mut Value>, left: usize) -> bool {
    let mut any = false;
    for value in values {
        any |= flatten_below(value, left);
    }
    any
}

/// Cuts a value of more than `limit` bytes to about as many: long texts first, then long lists. Returns the size before
/// and after; `None` when it fits.
pub(super) fn cut(value: &mut Value, limit: usize) -> (usize, Option<usize>) {
    let before = size(value);
    if before <= limit {
        return (before, None);
    }
    shorten(value, limit);
    (before, Some(size(value)))
}

fn shorten(value: &mut Value, limit: usize) {
    match value {
        Value::String(text) => shorten_text(text, limit.saturating_sub(2)),
        Value::Array(items) => {
            let sizes: Vec<usize> = items.iter().map(|item| size(item) + 1).collect();
            let (kept, share) = shares(&sizes, limit);
            let left_out = items.len() - kept;
            items.truncate(kept);
            for (item, size) in items.iter_mut().zip(&sizes) {
                if *size > share {
                    shorten(item, share.saturating_sub(1));
                }
            }
            if left_out > 0 {
                items.push(format!("… ({left_out} more items)").into());
            }
        }
        Value::Object(members) => shorten_object(members, limit),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn shorten_object(members: &mut Map<String, Value>, limit: usize) {
    let sizes: Vec<usize> = members.iter().map(member).collect();
    let (kept, share) = shares(&sizes, limit);
    let left_out = members.len() - kept;
    for (at, ((mut name, mut value), size)) in std::mem::take(members)
        .into_iter()
        .zip(sizes)
        .take(kept)
        .enumerate()
    {
        if size > share {
            // A text as a name: half of the share, and a number so that two that begin alike stay two.
            if name.len() > share / 2 {
                shorten_text(&mut name, (share / 2).saturating_sub(8));
                let _ = write!(name, " {}", at + 1);
            }
            shorten(&mut value, share.saturating_sub(name.len() + 4));
        }
        members.insert(name, value);
    }
    if left_out > 0 {
        members.insert("…".to_string(), format!("{left_out} more").into());
    }
}

/// How many parts of these sizes stay, and the most that each of them may take, so that all take at most `limit`: small
/// parts stay as they are, and the large ones share what is left.
fn shares(sizes: &[usize], limit: usize) -> (usize, usize) {
    // For the brackets and the words on what is missing.
    let limit = limit.saturating_sub(40);
    let mut sum = 0;
    let kept = sizes
        .iter()
        .take_while(|size| {
            sum += (**size).min(PART);
            sum <= limit
        })
        .count();
    let mut sorted = sizes[..kept].to_vec();
    sorted.sort_unstable();
    let mut left = limit;
    for (at, size) in sorted.iter().enumerate() {
        let share = left / (kept - at);
        if *size > share {
            return (kept, share.max(PART));
        }
        left -= size;
    }
    (kept, usize::MAX)
}

fn shorten_text(text: &mut String, limit: usize) {
    if text.len() <= limit {
        return;
    }
    // For the words on what is missing.
    let mut end = limit.saturating_sub(32);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let missing = text[end..].chars().count();
    text.truncate(end);
    let _ = write!(text, "… ({missing} more characters)");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cut_to(mut value: Value, limit: usize) -> Value {
        let (before, after) = cut(&mut value, limit);
        assert_eq!(after.is_some(), before > limit);
        assert!(size(&value) <= limit.max(LEAST), "{value}");
        value
    }

    #[test]
    fn what_is_nested_too_deep_becomes_a_text_that_readers_take() {
        let nested = |depth| (0..depth).fold(json!(7), |inner, _| json!([inner]));
        let mut fits = nested(DEPTH);
        assert!(!flatten(&mut fits));
        assert_eq!(fits, nested(DEPTH));
        let mut deep = json!({"a": nested(300), "b": nested(2)});
        assert!(flatten(&mut deep));
        let read: Value = serde_json::from_str(&deep.to_string()).unwrap();
        assert_eq!((&read, &read["b"]), (&deep, &nested(2)));
        let innermost = (1..DEPTH).fold(&read["a"], |value, _| &value[0]);
        assert_eq!(innermost, &json!(nested(300 - DEPTH + 1).to_string()));
    }

    #[test]
    fn sizes_are_those_of_the_json() {
        for value in [
            json!(null),
            json!(1234),
            json!("text"),
            json!({"a": [], "b": 7}),
        ] {
            let text = value.to_string();
            // A comma more for the last part of each.
            assert!(
                (text.len()..=text.len() + 1).contains(&size(&value)),
                "{text} {}",
                size(&value)
            );
        }
    }

    #[test]
    fn a_long_text_says_how_much_of_it_is_missing() {
        let cut = cut_to(json!("é".repeat(1000)), 400);
        let text = cut.as_str().unwrap();
        assert_eq!(text.chars().filter(|c| *c == 'é').count(), 183);
        assert!(text.ends_with("é… (817 more characters)"), "{text}");
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        let value = json!({"q": "x".repeat(100), "n": [1, 2, 3]});
        assert_eq!(cut_to(value.clone(), 1000), value);
    }

    #[test]
    fn the_large_parts_share_what_the_small_ones_leave() {
        let long = "x".repeat(5000);
        let value = json!({"id": 7, "a": long, "passages": [long, "short", long]});
        let cut = cut_to(value, 1000);
        assert_eq!(
            (&cut["id"], &cut["passages"][1]),
            (&json!(7), &json!("short"))
        );
        for text in [&cut["a"], &cut["passages"][0], &cut["passages"][2]] {
            assert!(
                text.as_str().unwrap().contains(" more characters)"),
                "{cut}"
            );
        }
        assert!(size(&cut) > 800, "{cut}");
    }

    #[test]
    fn a_long_list_keeps_its_beginning() {
        let cut = cut_to(json!({ "numbers": (0..100_000).collect::<Vec<_>>() }), 1000);
        let items = cut["numbers"].as_array().unwrap();
        assert!(items.len() > 150, "{}", items.len());
        assert_eq!(items[7], 7);
        let missing = 100_000 - (items.len() - 1);
        assert_eq!(items.last().unwrap(), &format!("… ({missing} more items)"));
    }

    #[test]
    fn an_object_with_many_members_says_how_many_it_lost() {
        let members: Map<String, Value> = (0..1000)
            .map(|n| (format!("key{n:04}"), json!("v")))
            .collect();
        let cut = cut_to(Value::Object(members), 500);
        let members = cut.as_object().unwrap();
        let missing = 1000 - (members.len() - 1);
        assert_eq!(members["…"], format!("{missing} more"));
    }

    /// Any value, by a small generator of pseudorandom numbers (Marsaglia's xorshift).
    fn any(seed: &mut u64, depth: u32) -> Value {
        let mut below = |n: usize| {
            *seed ^= *seed << 13;
            *seed ^= *seed >> 7;
            *seed ^= *seed << 17;
            usize::try_from(*seed % 1_000_003).unwrap() % n
        };
        let text = |n: usize| "añ\"😀".chars().cycle().take(n).collect::<String>();
        let most = [3, 9, 40][below(3)];
        match below(if depth == 0 { 3 } else { 6 }) {
            0 => json!(below(1_000_000)),
            1 => Value::Bool(true),
            2 => text(below(3000)).into(),
            3 | 4 => {
                let n = below(most);
                (0..n).map(|_| any(seed, depth - 1)).collect()
            }
            _ => {
                let (n, name) = (below(20), most * most);
                (0..n)
                    .map(|n| (format!("{}{n}", text(name)), any(seed, depth - 1)))
                    .collect::<Map<_, _>>()
                    .into()
            }
        }
    }

    #[test]
    fn whatever_it_is_it_fits_and_is_of_the_same_kind() {
        let mut seed = 7;
        let mut were_cut = 0;
        for round in 0..150 {
            let value = any(&mut seed, 3);
            let limit = [LEAST, 1000, 20_000][round % 3];
            let mut kept = value.clone();
            let (before, after) = cut(&mut kept, limit);
            if let Some(after) = after {
                were_cut += 1;
                assert!(after <= limit, "{after} of {limit}, from {before}");
                assert_eq!(
                    std::mem::discriminant(&kept),
                    std::mem::discriminant(&value)
                );
                let json = kept.to_string();
                assert_eq!(serde_json::from_str::<Value>(&json).ok(), Some(kept));
            } else {
                assert_eq!(kept, value);
            }
        }
        assert!(were_cut > 50, "{were_cut}");
    }
}
