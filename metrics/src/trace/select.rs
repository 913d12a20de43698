//! Which spans of a trace are meant.

use super::{Span, SpanKind, Trace};
use std::fmt;

/// Which spans an expectation is about. A bare name means every span of that name: each is measured, all must pass.
///
/// ```
/// use llmtest_metrics::{SpanKind, Spans};
///
/// let every_call: Spans = "retrieve".into();
/// let last_search = Spans::named("search").last();
/// let every_tool = Spans::kind(SpanKind::Tool);
/// # let _ = (every_call, last_search, every_tool);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Spans {
    wanted: Wanted,
    pick: Pick,
}

#[derive(Debug, Clone, PartialEq)]
enum Wanted {
    Name(String),
    Kind(SpanKind),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Pick {
    All,
    Nth(usize),
    Last,
}

impl Spans {
    /// Every span of this name.
    pub fn named(name: impl Into<String>) -> Self {
        Self {
            wanted: Wanted::Name(name.into()),
            pick: Pick::All,
        }
    }

    /// Every span of this kind.
    pub fn kind(kind: impl Into<SpanKind>) -> Self {
        Self {
            wanted: Wanted::Kind(kind.into()),
            pick: Pick::All,
        }
    }

    /// Only the first of them.
    pub fn first(self) -> Self {
        self.nth(0)
    }

    /// Only the last of them.
    pub fn last(mut self) -> Self {
        self.pick = Pick::Last;
        self
    }

    /// Only the n-th of them, counted from zero.
    pub fn nth(mut self, n: usize) -> Self {
        self.pick = Pick::Nth(n);
        self
    }

    /// The chosen spans with their indexes, or an error that lists the spans there were.
    pub fn select<'t>(&self, trace: &'t Trace) -> crate::Result<Vec<(usize, &'t Span)>> {
        let all: Vec<_> = trace
            .spans
            .iter()
            .enumerate()
            .filter(|(_, span)| match &self.wanted {
                Wanted::Name(name) => span.name == *name,
                Wanted::Kind(kind) => span.kind == *kind,
            })
            .collect();
        let chosen = match self.pick {
            Pick::All => all,
            Pick::Nth(n) => all.into_iter().skip(n).take(1).collect(),
            Pick::Last => all.into_iter().next_back().into_iter().collect(),
        };
        if chosen.is_empty() {
            Err(self.missing(trace).into())
        } else {
            Ok(chosen)
        }
    }

    fn missing(&self, trace: &Trace) -> String {
        if trace.spans.is_empty() {
            return format!(
                "no span {self}: no observed function was called\nhint: put `#[llmtest::observe]` on the function; calls made in `tokio::spawn` or on other threads \
                 are seen when spawned with `llmtest::spawn(…)` or `llmtest::carry(…)`"
            );
        }
        let mut seen: Vec<(String, usize)> = Vec::new();
        for span in &trace.spans {
            let name = format!("`{}` ({})", span.name, span.kind);
            match seen.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count += 1,
                None => seen.push((name, 1)),
            }
        }
        let list = seen
            .into_iter()
            .map(|(name, count)| {
                if count == 1 {
                    name
                } else {
                    format!("{name} × {count}")
                }
            })
            .collect::<Vec<_>>()
            .join(", ");
        format!(
            "no span {self}; this case recorded {list}\nhint: use one of these names, or observe the function; a call made in `tokio::spawn` is seen \
             when spawned with `llmtest::spawn(…)`"
        )
    }
}

impl fmt::Display for Spans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.wanted {
            Wanted::Name(name) => write!(f, "`{name}`")?,
            Wanted::Kind(kind) => write!(f, "of kind `{kind}`")?,
        }
        match self.pick {
            Pick::All => Ok(()),
            Pick::Nth(n) => write!(f, " number {}", n + 1),
            Pick::Last => f.write_str(" (last)"),
        }
    }
}

impl<S: Into<String>> From<S> for Spans {
    fn from(name: S) -> Self {
        Self::named(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace() -> Trace {
        let spans = [("search", "tool"), ("search", "tool"), ("answer", "llm")];
        Trace {
            spans: spans.map(|(name, kind)| Span::new(name, kind)).into(),
        }
    }

    #[test]
    fn a_name_means_every_span_of_it() {
        let trace = trace();
        assert_eq!(Spans::named("search").select(&trace).unwrap().len(), 2);
        assert_eq!(
            Spans::named("search").last().select(&trace).unwrap()[0].0,
            1
        );
        assert_eq!(Spans::kind("llm").select(&trace).unwrap()[0].0, 2);
    }

    #[test]
    fn a_missing_span_lists_the_spans_there_were() {
        let error = Spans::named("retrieve")
            .select(&trace())
            .unwrap_err()
            .to_string();
        assert!(error.contains("no span `retrieve`"), "{error}");
        assert!(
            error.contains("`search` (tool) × 2, `answer` (llm)"),
            "{error}"
        );
        assert!(error.contains("llmtest::spawn"), "{error}");
    }
}
