//! The handbook's pages, and how they are cut into passages.

use std::fmt;

macro_rules! pages {
    ($($name:literal),* $(,)?) => { [$(($name, include_str!(concat!("../pages/", $name)))),*] };
}

/// Every page by its name, compiled in: the program runs wherever it is put.
pub const PAGES: &[(&str, &str)] = &pages![
    "README.md",
    "contributing.md",
    "favorites.md",
    "installation.md",
    "library-usage.md",
    "license.md",
    "templates/README.md",
    "templates/authoring.md",
    "templates/builtin_placeholders.md",
    "templates/conditional.md",
    "templates/formatting.md",
    "templates/ignoring.md",
    "templates/include_exclude.md",
    "templates/pitfalls.md",
    "templates/require_version.md",
    "templates/scripting.hook-types.md",
    "templates/scripting.md",
    "templates/scripting.mini-example.md",
    "templates/scripting.rhai-extensions.md",
    "templates/scripting.system-commands.md",
    "templates/template_defined_placeholders.md",
    "usage/README.md",
    "usage/git-over-ssh.md",
    "usage/gitconfig-instead-of.md",
];

/// A passage ends at the first paragraph or list item after this many words …
const ENOUGH_WORDS: usize = 50;
/// … and at the next line after this many.
const MOST_WORDS: usize = 80;

/// A few sentences of a page, under the headings that they stand under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passage {
    /// The page's name.
    pub page: &'static str,
    /// The page's title and the section's.
    pub heading: String,
    /// The text.
    pub text: String,
}

impl fmt::Display for Passage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}] {}\n{}", self.page, self.heading, self.text)
    }
}

/// Cuts a page into passages, which never reach over a heading.
pub(crate) fn passages(page: &'static str, markdown: &str) -> Vec<Passage> {
    let mut cutter = Cutter {
        page,
        ..Cutter::default()
    };
    let mut in_code = false;
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if in_code {
            cutter.push(line);
        } else if let Some(heading) = line.strip_prefix('#') {
            cutter.enter(heading.trim_start_matches('#').trim());
        } else if is_reference(line) {
            // Only the address of a link.
        } else {
            if line.is_empty() || starts_item(line) {
                cutter.may_cut();
            }
            cutter.push(&without_addresses(line));
        }
    }
    cutter.cut();
    cutter.passages
}

/// The passages of a page so far, and the one under construction.
#[derive(Default)]
struct Cutter {
    page: &'static str,
    title: String,
    section: String,
    text: String,
    passages: Vec<Passage>,
}

impl Cutter {
    fn enter(&mut self, heading: &str) {
        self.cut();
        if self.title.is_empty() {
            self.title = heading.to_string();
        } else {
            self.section = heading.to_string();
        }
    }

    fn push(&mut self, line: &str) {
        if self.words() >= MOST_WORDS {
            self.cut();
        }
        if !line.trim().is_empty() {
            self.text.push_str(line);
            self.text.push('\n');
        }
    }

    fn may_cut(&mut self) {
        if self.words() >= ENOUGH_WORDS {
            self.cut();
        }
    }

    fn cut(&mut self) {
        if self.words() > 0 {
            let heading = if self.section.is_empty() {
                self.title.clone()
            } else {
                format!("{}: {}", self.title, self.section)
            };
            let text = self.text.trim_end().to_string();
            self.passages.push(Passage {
                page: self.page,
                heading,
                text,
            });
        }
        self.text.clear();
    }

    fn words(&self) -> usize {
        self.text.split_whitespace().count()
    }
}

/// Whether the line only says where a link or a badge leads.
fn is_reference(line: &str) -> bool {
    line.starts_with("[![")
        || line.starts_with("![")
        || (line.starts_with('[') && line.contains("]: "))
}

fn starts_item(line: &str) -> bool {
    line.starts_with("* ")
        || line.starts_with("- ")
        || line.starts_with(|c: char| c.is_ascii_digit())
}

/// The line with `[text](address)` as `text`: addresses cost the model tokens and tell it nothing.
fn without_addresses(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("](") {
        let (Some(open), Some(close)) = (before.rfind('['), after.find(')')) else {
            break;
        };
        out.push_str(&before[..open]);
        out.push_str(&before[open + 1..]);
        rest = &after[close + 1..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_gives_passages_of_a_size_that_fits_a_prompt() {
        for (page, markdown) in PAGES {
            let passages = passages(page, markdown);
            assert!(!passages.is_empty(), "{page}");
            for passage in passages {
                let words = passage.text.split_whitespace().count();
                assert!(words < MOST_WORDS + 80, "{words} words in {passage}");
            }
        }
    }

    #[test]
    fn a_passage_stands_under_its_headings_and_code_is_no_heading() {
        let found = passages(
            "a.md",
            "# Title\nOne.\n## Section\n```sh\n# a comment\n```\nSee [this](http://x.y).\n[ref]: http://x.y",
        );
        let heading = |at: usize| found[at].heading.as_str();
        assert_eq!((heading(0), heading(1)), ("Title", "Title: Section"));
        assert_eq!(found[1].text, "# a comment\nSee this.");
        assert_eq!(found.len(), 2);
    }
}
