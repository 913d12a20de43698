//! Reading JSON out of what a model wrote.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// Finds the JSON object in a model's reply: bare, in a code fence, or amid prose; trailing commas are forgiven. The
/// error says what is wrong, in words that a model can act on.
///
/// ```
/// let value = llmtest_metrics::json::read("Sure!\n```json\n{\"score\": 7,}\n```").unwrap();
/// assert_eq!(value["score"], 7);
/// ```
pub fn read(text: &str) -> Result<Value, String> {
    let trimmed = text.trim();
    match parse(trimmed) {
        Ok(value @ (Value::Object(_) | Value::Array(_))) => return Ok(value),
        Err(error) if error.is_data() => return Err(error.to_string()),
        _ => {}
    }
    let Some(start) = trimmed.find('{') else {
        return Err("the reply holds no JSON object".to_string());
    };
    let mut problem = None;
    let mut from = start;
    // The first object that parses; prose before it may hold braces too. What is within an object is never taken for it.
    while let Some(at) = trimmed[from..].find('{').map(|at| from + at) {
        let rest = &trimmed[at..];
        let object = rest[1..].trim_start().starts_with('"');
        from = at + 1;
        let Some(end) = object_end(rest) else {
            let cut = "the JSON object is not closed; the reply may have been cut off";
            if object {
                return Err(cut.to_string());
            }
            problem.get_or_insert_with(|| cut.to_string());
            continue;
        };
        let candidate = &rest[..end];
        match parse(candidate).or_else(|_| parse(&without_trailing_commas(candidate))) {
            Ok(value) => return Ok(value),
            Err(error) if error.is_data() => return Err(error.to_string()),
            Err(error) => {
                problem.get_or_insert_with(|| format!("the JSON object does not parse: {error}"));
                if object {
                    from = at + end;
                }
            }
        }
    }
    Err(problem.unwrap_or_else(|| "the reply holds no JSON object".to_string()))
}

/// What a reply that was cut off amid its object holds: the object up to the last object or list within it that was closed.
pub(crate) fn read_cut(text: &str) -> Option<Value> {
    let text = &text[text.find('{')?..];
    let mut scanner = Scanner::default();
    let mut open = Vec::new();
    let mut whole = None;
    for (at, byte) in text.bytes().enumerate() {
        if scanner.in_string(byte) {
            continue;
        }
        match byte {
            b'{' => open.push('}'),
            b'[' => open.push(']'),
            b'}' | b']' => {
                open.pop()?;
                if open.is_empty() {
                    return None;
                }
                whole = Some((at + 1, open.clone()));
            }
            _ => {}
        }
    }
    let (end, open) = whole?;
    let closed = open.into_iter().rev().collect::<String>();
    parse(&format!("{}{closed}", &text[..end])).ok()
}

/// Whether two numbers are one: `1` and `1.0` are, and integers are compared to their last digit.
pub(crate) fn same_number(one: &Number, other: &Number) -> bool {
    one == other || ((one.is_f64() || other.is_f64()) && one.as_f64() == other.as_f64())
}

/// As `serde_json` parses, but a key that stands twice is an error (of kind "data"): nobody can tell which one is meant.
pub(crate) fn parse(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(text).map(|Unique(value)| value)
}

struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Unique(value))) = entries.next_entry::<String, _>()? {
            if object.contains_key(&key) {
                return Err(A::Error::custom(format!(
                    "the key `{key}` stands there twice"
                )));
            }
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

/// Compact JSON with the members of objects sorted: the same text however some crate has configured `serde_json`.
///
/// ```
/// let value = serde_json::json!({"b": [{"d": 1, "c": 2}], "a": null});
/// assert_eq!(llmtest_metrics::json::text(&value), r#"{"a":null,"b":[{"c":2,"d":1}]}"#);
/// ```
pub fn text(value: &Value) -> String {
    sorted(value).to_string()
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(sorted).collect(),
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| *name);
            let sorted = members
                .into_iter()
                .map(|(name, member)| (name.clone(), sorted(member)));
            Value::Object(sorted.collect())
        }
        scalar => scalar.clone(),
    }
}

/// Where the object that starts at the first byte ends, with strings and escapes in mind.
fn object_end(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut scanner = Scanner::default();
    for (at, byte) in text.bytes().enumerate() {
        if scanner.in_string(byte) {
            continue;
        }
        match byte {
            b'{' => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

fn without_trailing_commas(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut scanner = Scanner::default();
    for (at, c) in text.char_indices() {
        let quoted = c.is_ascii() && scanner.in_string(c as u8);
        let next = text[at + c.len_utf8()..].trim_start().chars().next();
        if c == ',' && !quoted && matches!(next, Some('}' | ']')) {
            continue;
        }
        out.push(c);
    }
    out
}

/// Knows whether the byte just read belongs to a string.
#[derive(Default)]
struct Scanner {
    string: bool,
    escaped: bool,
}

impl Scanner {
    fn in_string(&mut self, byte: u8) -> bool {
        let was = self.string;
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' if self.string => self.escaped = true,
            b'"' => self.string = !self.string,
            _ => {}
        }
        was || self.string
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_found_wherever_it_stands() {
        for text in [
            r#"{"a": "}{"}"#,
            "```json\n{\"a\": \"}{\"}\n```",
            "The set {x} is fine. {\"a\": \"}{\"} Hope that helps {smile}!",
            "{\"a\": \"}{\",}",
        ] {
            assert_eq!(read(text).unwrap(), json!({"a": "}{"}), "{text}");
        }
    }

    #[test]
    fn what_is_within_an_object_is_not_the_object() {
        let cut = r#"Sure: {"verdicts": {"1": {"verdict": "yes"}, "2": {"verd"#;
        assert!(read(cut).unwrap_err().contains("cut off"));
        let broken = r#"{"verdicts": {"1": {"verdict": yes}, "2": {"verdict": "no"}}}"#;
        assert!(read(broken).unwrap_err().contains("does not parse"));
        for prose in ["The set {x is open. ", "{ {", r#"{"a"}, so: "#] {
            assert_eq!(
                read(&format!(r#"{prose}{{"a": 1}}"#)).unwrap(),
                json!({"a": 1}),
                "{prose}"
            );
        }
    }

    #[test]
    fn of_a_reply_that_was_cut_off_the_whole_parts_are_read() {
        let object = r#"So: {"v": {"1": {"r": "}", "v": "yes"}, "2": {"v": "n"#;
        assert_eq!(
            read_cut(object),
            Some(json!({"v": {"1": {"r": "}", "v": "yes"}}}))
        );
        let list = r#"{"v": [{"n": 1}, {"n": 2}, {"n""#;
        assert_eq!(read_cut(list), Some(json!({"v": [{"n": 1}, {"n": 2}]})));
        for nothing in ["", "no", r#"{"v": {"1": "#, r#"{"v": {}} or {"#, "}"] {
            assert_eq!(read_cut(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn commas_inside_strings_stay() {
        assert_eq!(
            read(r#"{"a": ["x,]", "ü,}",],}"#).unwrap(),
            json!({"a": ["x,]", "ü,}"]})
        );
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        assert!(read("no").unwrap_err().contains("no JSON object"));
        assert!(read(r#"{"a": [1, 2"#).unwrap_err().contains("cut off"));
        assert!(
            read(r#"Here: {"a": {"b": 1}, "a": 2,}"#)
                .unwrap_err()
                .contains("the key `a` stands there twice")
        );
        assert!(read("{a: 1}").unwrap_err().contains("does not parse"));
    }
}
