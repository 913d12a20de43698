//! Values as Python prints them: what libraries write that call `str` where they mean JSON.

use serde_json::{Map, Number, Value};

/// Nested deeper than this is given up, so that a hostile text cannot use up the stack.
const DEEPEST: usize = 100;

/// The JSON or Python value that a text holds; none when it is neither an object nor a list.
pub(super) fn value(text: &str) -> Option<Value> {
    let text = text.trim();
    if !looks_like_one(text) {
        return None;
    }
    serde_json::from_str(text).ok().or_else(|| literal(text))
}

/// Whether a text wants to be an object or a list.
pub(super) fn looks_like_one(text: &str) -> bool {
    let text = text.trim();
    (text.starts_with('{')
        && text.len() > 1
        && text[1..].trim_start().starts_with(['"', '\'', '}']))
        || (text.starts_with('[')
            && text[1..]
                .trim_start()
                .starts_with(['{', '[', '"', '\'', ']']))
}

fn literal(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text };
    let value = reader.value(0)?;
    reader.blank();
    reader.rest.is_empty().then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn blank(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Takes a text if it stands next.
    fn take(&mut self, text: &str) -> bool {
        self.blank();
        let Some(rest) = self.rest.strip_prefix(text) else {
            return false;
        };
        self.rest = rest;
        true
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        if self.take("{") {
            return self.dictionary(depth);
        }
        for (open, close) in [("[", "]"), ("(", ")")] {
            if self.take(open) {
                return self.list(close, depth);
            }
        }
        for (word, value) in [
            ("None", Value::Null),
            ("null", Value::Null),
            ("True", Value::Bool(true)),
            ("true", Value::Bool(true)),
            ("False", Value::Bool(false)),
            ("false", Value::Bool(false)),
        ] {
            if self.take(word) {
                return Some(value);
            }
        }
        if self.rest.starts_with(['\'', '"']) {
            return self.string().map(Value::String);
        }
        self.number()
    }

    fn dictionary(&mut self, depth: usize) -> Option<Value> {
        let mut entries = Map::new();
        while !self.take("}") {
            self.blank();
            let key = self.string()?;
            if !self.take(":") {
                return None;
            }
            entries.insert(key, self.value(depth + 1)?);
            if !self.take(",") && !self.rest.starts_with('}') {
                return None;
            }
        }
        Some(Value::Object(entries))
    }

    fn list(&mut self, close: &str, depth: usize) -> Option<Value> {
        let mut items = Vec::new();
        while !self.take(close) {
            items.push(self.value(depth + 1)?);
            if !self.take(",") && !self.rest.starts_with(close) {
                return None;
            }
        }
        Some(Value::Array(items))
    }

    fn string(&mut self) -> Option<String> {
        let quote = self
            .rest
            .chars()
            .next()
            .filter(|c| matches!(c, '\'' | '"'))?;
        let mut text = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            if c == quote {
                self.rest = &self.rest[at + 1..];
                return Some(text);
            }
            if c != '\\' {
                text.push(c);
                continue;
            }
            let (_, escaped) = chars.next()?;
            let digits = match escaped {
                'x' => 2,
                'u' => 4,
                'U' => 8,
                _ => 0,
            };
            if digits > 0 {
                let mut code = 0;
                for _ in 0..digits {
                    code = code * 16 + chars.next()?.1.to_digit(16)?;
                }
                text.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                continue;
            }
            match escaped {
                'n' => text.push('\n'),
                't' => text.push('\t'),
                'r' => text.push('\r'),
                '\n' => {}
                '\\' | '\'' | '"' => text.push(escaped),
                other => text.extend(['\\', other]),
            }
        }
        None
    }

    fn number(&mut self) -> Option<Value> {
        let end = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        if let Ok(number) = word.parse::<i64>() {
            return Some(number.into());
        }
        let number = word.parse::<f64>().ok().and_then(Number::from_f64);
        number.map(Value::Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_printed_dictionary_is_an_object() {
        let text = r#"{'role': 'user', 'content': "it's \"so\"\n\u00e9", 'n': None, 'ok': True, 'x': [1, -2.5, ('a',)], 'more': {}}"#;
        let read = value(text).expect("it is a dictionary");
        assert_eq!(
            read,
            json!({"role": "user", "content": "it's \"so\"\né", "n": null, "ok": true, "x": [1, -2.5, ["a"]], "more": {}})
        );
        assert_eq!(value(r#"[{"a": 1}]"#), Some(json!([{"a": 1}])));
    }

    #[test]
    fn what_is_cut_or_no_value_is_none() {
        for text in [
            "",
            "hello",
            "{'a': 1",
            "{'a': [1, 2}",
            "{'a': Thing(x=1)}",
            "{a}",
            "[hm]",
            "{é",
        ] {
            assert_eq!(value(text), None, "{text}");
        }
        assert_eq!(value(&format!("[{}", "[".repeat(100_000))), None);
    }
}
