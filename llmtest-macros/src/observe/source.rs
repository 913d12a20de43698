//! The text of a function's body, to show what changed in it since it was recorded.

use proc_macro2::{Delimiter, Group, Spacing, TokenStream, TokenTree};

use super::hash;

/// What stands between the braces: as it was written, if that can be known, else made of the tokens.
pub(crate) fn of_body(body: &Group) -> String {
    let written = body.span().source_text();
    written
        .and_then(|text| inner(&text, body))
        .unwrap_or_else(|| of_tokens(&body.stream()))
}

/// The text in the braces with its first indentation taken off; none if it is another code, as where a macro wrote it.
fn inner(text: &str, body: &Group) -> Option<String> {
    let text = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let tokens: TokenStream = text.parse().ok()?;
    if hash::of_tokens(&tokens) != hash::of_tokens(&body.stream()) {
        return None;
    }
    let text = text.trim_end();
    let Some((first, _)) = text
        .lines()
        .map(|line| (line, line.trim()))
        .find(|(_, trimmed)| !trimmed.is_empty())
    else {
        return Some(String::new());
    };
    let indent = &first[..first.len() - first.trim_start().len()];
    // What stands further to the left is inside of a text, and stays.
    let lines = text.lines().map(|line| {
        line.strip_prefix(indent)
            .unwrap_or(line)
            .trim_end()
            .to_string()
            + "\n"
    });
    Some(lines.skip_while(|line| line.trim().is_empty()).collect())
}

/// A statement a line.
fn of_tokens(tokens: &TokenStream) -> String {
    let mut lines = Lines::default();
    lines.add(tokens, 0);
    lines.end(0);
    lines.out
}

#[derive(Default)]
struct Lines {
    out: String,
    line: String,
    /// The last token and the next belong together.
    joint: bool,
}

impl Lines {
    fn add(&mut self, tokens: &TokenStream, depth: usize) {
        for token in tokens.clone() {
            match token {
                TokenTree::Group(group) => match group.delimiter() {
                    Delimiter::Brace => {
                        self.token("{");
                        self.end(depth);
                        self.add(&group.stream(), depth + 1);
                        self.end(depth + 1);
                        self.token("}");
                    }
                    Delimiter::Parenthesis => self.inline("(", &group.stream(), ")", depth),
                    Delimiter::Bracket => self.inline("[", &group.stream(), "]", depth),
                    Delimiter::None => self.add(&group.stream(), depth),
                },
                TokenTree::Punct(punct) => {
                    let text = punct.as_char().to_string();
                    if text == ";" || text == "," || text == "." || text == "?" {
                        self.joint = true;
                    }
                    self.token(&text);
                    self.joint = punct.spacing() == Spacing::Joint || text == ".";
                    if text == ";" {
                        self.end(depth);
                    }
                }
                other => self.token(&other.to_string()),
            }
        }
    }

    fn inline(&mut self, open: &str, tokens: &TokenStream, close: &str, depth: usize) {
        let call = |c: char| c.is_alphanumeric() || "_!>)".contains(c);
        self.joint = self.joint || self.line.ends_with(call);
        self.token(open);
        self.joint = true;
        self.add(tokens, depth);
        self.joint = true;
        self.token(close);
    }

    fn token(&mut self, text: &str) {
        if !self.line.is_empty() && !self.joint {
            self.line.push(' ');
        }
        self.line.push_str(text);
        self.joint = false;
    }

    fn end(&mut self, depth: usize) {
        if !self.line.is_empty() {
            self.out.push_str(&"    ".repeat(depth));
            self.out.push_str(&std::mem::take(&mut self.line));
            self.out.push('\n');
        }
        self.joint = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(code: &str) -> Group {
        Group::new(Delimiter::Brace, code.parse().unwrap())
    }

    #[test]
    fn the_written_text_loses_its_indentation_only() {
        let code = "\n        // why\n        let a = \"x\n  y\";\n\n        if a {\n            b()\n        }\n    ";
        let text = inner(&format!("{{{code}}}"), &group(code)).unwrap();
        assert_eq!(text, "// why\nlet a = \"x\n  y\";\n\nif a {\n    b()\n}\n");
        assert_eq!(inner("{ a() }", &group("a()")).unwrap(), "a()\n");
        assert_eq!(inner("{}", &group("")).unwrap(), "");
    }

    #[test]
    fn the_text_of_other_code_does_not_count() {
        assert_eq!(inner("{ $a + 1 }", &group("b + 1")), None);
        assert_eq!(inner("macro_call!()", &group("b")), None);
    }

    #[test]
    fn tokens_make_a_statement_a_line() {
        let code = "let a = b.c(1, [2])?; if a == 1 { d::<T>(\"x\"); } else { e!(f) }";
        let text = of_tokens(&code.parse().unwrap());
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "let a = b.c(1, [2])?;",
                "if a == 1 {",
                "    d ::< T >(\"x\");",
                "} else {",
                "    e !(f)",
                "}",
            ]
        );
    }
}
