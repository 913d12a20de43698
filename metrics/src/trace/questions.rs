//! What can be asked of calls: every answer is a finding.

use super::query::plainly;
use super::tree::took;
use super::{Call, Calls, Finding, Spans, Usage};
use std::time::Duration;

/// What is asked of them.
impl Calls<'_> {
    fn finding(&self, holds: bool, expected: String, found: String) -> Finding {
        Finding::new(holds, expected, found, self.trace.tree())
    }

    fn these(&self) -> Vec<usize> {
        self.indexes().to_vec()
    }

    /// What to call them: `search` for the calls of `search`.
    fn short(&self) -> String {
        match self.what.as_str() {
            "any name" => "calls".to_string(),
            what => format!("calls of {}", what.strip_prefix("of ").unwrap_or(what)),
        }
    }

    fn of_these(&self, n: usize) -> String {
        let noun = if n == 1 { "call" } else { "calls" };
        match self.what.strip_prefix("of ") {
            Some(kind) => format!("{n} {noun} of {kind}"),
            None => format!("{n} {noun} of {}", self.what),
        }
    }

    fn count_is(&self, holds: bool, how: &str, n: usize) -> Finding {
        let found = match self.len() {
            0 => "there was none".to_string(),
            1 => "there was 1".to_string(),
            n => format!("there were {n}"),
        };
        self.finding(holds, format!("{how} {}", self.of_these(n)), found)
            .spans(self.these(), self.these())
    }

    /// There are exactly so many.
    pub fn exactly(&self, n: usize) -> Finding {
        self.count_is(self.len() == n, "exactly", n)
    }

    /// There are at least so many.
    pub fn at_least(&self, n: usize) -> Finding {
        self.count_is(self.len() >= n, "at least", n)
    }

    /// There are at most so many.
    pub fn at_most(&self, n: usize) -> Finding {
        self.count_is(self.len() <= n, "at most", n)
    }

    /// The condition holds of every one; also if there is none.
    pub fn all(&self, fits: impl Fn(&Call<'_>) -> bool) -> Finding {
        let other = self.indexes_where(|call| !fits(call));
        let found = match other.len() {
            0 => format!("it holds of {}", self.counted()),
            n => format!("it does not of {n} of {}", self.len()),
        };
        let expected = format!("the condition to hold of all {}", self.short());
        self.finding(other.is_empty(), expected, found)
            .spans(other, self.these())
    }

    /// The condition holds of at least one.
    pub fn any(&self, fits: impl Fn(&Call<'_>) -> bool) -> Finding {
        let fitting = self.indexes_where(fits);
        let found = match fitting.len() {
            0 => format!("it holds of none of {}", self.len()),
            n => format!("it holds of {n} of {}", self.len()),
        };
        let expected = format!("the condition to hold of some {}", self.short());
        self.finding(!fitting.is_empty(), expected, found)
            .spans(self.these(), fitting)
    }

    /// The condition holds of no one.
    pub fn none(&self, fits: impl Fn(&Call<'_>) -> bool) -> Finding {
        let fitting = self.indexes_where(fits);
        let found = match fitting.len() {
            0 => format!("it holds of none of {}", self.len()),
            n => format!("it holds of {n} of {}", self.len()),
        };
        let expected = format!("the condition to hold of no {}", self.short());
        self.finding(fitting.is_empty(), expected, found)
            .spans(fitting, self.these())
    }

    fn indexes_where(&self, fits: impl Fn(&Call<'_>) -> bool) -> Vec<usize> {
        self.each()
            .filter(|call| fits(call))
            .map(|call| call.index())
            .collect()
    }

    fn counted(&self) -> String {
        let noun = if self.len() == 1 { "call" } else { "calls" };
        format!("{} {noun}", self.len())
    }

    /// Every one began before the first call of this name, path or kind began; there is at least one of both.
    ///
    /// A call that makes another began before it. See [`ended_before`](Self::ended_before) for one after the other.
    pub fn before(&self, other: impl Into<Spans>) -> Finding {
        self.against(&other.into(), "before", |these, others| {
            let first = others.first().copied().unwrap_or_default();
            these.iter().copied().filter(|at| *at >= first).collect()
        })
    }

    /// Every one began after the last call of this name, path or kind began; there is at least one of both.
    pub fn after(&self, other: impl Into<Spans>) -> Finding {
        self.against(&other.into(), "after", |these, others| {
            let last = others.last().copied().unwrap_or_default();
            these.iter().copied().filter(|at| *at <= last).collect()
        })
    }

    /// Every one had ended when the first call of this name, path or kind began; there is at least one of both.
    pub fn ended_before(&self, other: impl Into<Spans>) -> Finding {
        self.against(&other.into(), "to end before", |these, others| {
            let starts = others.iter().map(|at| self.trace.spans[*at].start);
            let first = starts.fold(f64::INFINITY, f64::min);
            let late = |at: &usize| {
                let span = &self.trace.spans[*at];
                span.start + span.duration > first
            };
            these.iter().copied().filter(late).collect()
        })
    }

    fn against(
        &self,
        other: &Spans,
        how: &str,
        wrong: impl Fn(&[usize], &[usize]) -> Vec<usize>,
    ) -> Finding {
        let others = other.indexes(self.trace);
        let other = plainly(other);
        let expected = format!("all {} {how} {other}", self.short());
        if self.len() == 0 || others.is_empty() {
            let missing = if self.len() == 0 { &self.what } else { &other };
            return self
                .finding(
                    false,
                    expected,
                    format!(
                        "there was no call of {}",
                        missing.strip_prefix("of ").unwrap_or(missing)
                    ),
                )
                .spans(Vec::new(), self.these());
        }
        let wrong = wrong(self.indexes(), &others);
        let found = match wrong.len() {
            0 => format!("{} were {how} {other}", self.counted()),
            n => format!("{n} of {} were not", self.len()),
        };
        self.finding(wrong.is_empty(), expected, found)
            .spans(wrong, self.these())
    }

    /// Every one is below a call of this name, path or kind; also if there is none.
    pub fn all_inside(&self, callers: impl Into<Spans>) -> Finding {
        let callers = callers.into();
        let these = callers.indexes(self.trace);
        let outside =
            self.indexes_where(|call| !call.up().any(|at| these.binary_search(&at).is_ok()));
        let callers = plainly(&callers);
        let found = match outside.len() {
            0 => format!("{} were inside {callers}", self.counted()),
            n => format!("{n} of {} were not", self.len()),
        };
        let expected = format!("all {} inside {callers}", self.short());
        self.finding(outside.is_empty(), expected, found)
            .spans(outside, self.these())
    }

    /// None took longer; also if there is none. Calls out of a recording take no time.
    pub fn took_at_most(&self, longest: Duration) -> Finding {
        let seconds = longest.as_secs_f64();
        let slow = self.indexes_where(|call| call.duration > seconds);
        let most = self.each().map(|call| call.duration).fold(0.0, f64::max);
        let expected = format!("{} to take at most {}", self.short(), took(seconds));
        let found = format!("the slowest took {}", took(most));
        self.finding(slow.is_empty(), expected, found)
            .spans(slow, self.these())
    }

    /// Some of these calls are of these names, paths or kinds, in this order of their begin; others may be between.
    pub fn in_order<S: Into<Spans>>(&self, order: impl IntoIterator<Item = S>) -> Finding {
        let order: Vec<Spans> = order.into_iter().map(|spans| spans.into().each()).collect();
        let words: Vec<String> = order.iter().map(ToString::to_string).collect();
        let mut rest = self.indexes();
        let mut matched = Vec::new();
        let mut stopped = None;
        for (step, spans) in order.iter().enumerate() {
            let these = spans.indexes(self.trace);
            if let Some(at) = rest.iter().position(|at| these.binary_search(at).is_ok()) {
                matched.push(rest[at]);
                rest = &rest[at + 1..];
            } else {
                stopped = Some(step);
                break;
            }
        }
        let found = match stopped {
            None => "they began in this order".to_string(),
            Some(0) => format!("no {} began", words[0]),
            Some(step) => format!("after {} no {} began", words[step - 1], words[step]),
        };
        // The calls in question stand elsewhere, or are the last that fitted.
        let blamed = match stopped {
            Some(step) => {
                let these = order[step].indexes(self.trace);
                let elsewhere: Vec<usize> = these
                    .into_iter()
                    .filter(|at| self.indexes().binary_search(at).is_ok())
                    .collect();
                if elsewhere.is_empty() {
                    matched.last().copied().into_iter().collect()
                } else {
                    elsewhere
                }
            }
            None => Vec::new(),
        };
        self.finding(stopped.is_none(), words.join(", then "), found)
            .spans(blamed, matched)
    }

    /// The time they took together; what one of them called is counted in both if both are meant.
    ///
    /// ```
    /// use llmtest_metrics::{Span, Trace};
    /// use std::time::Duration;
    ///
    /// let mut ask = Span::new("ask", "llm");
    /// (ask.duration, ask.cost) = (0.5, Some(0.01));
    /// let trace = Trace { spans: vec![ask.clone(), ask] };
    /// assert_eq!(trace.named("ask").total_duration(), Duration::from_secs(1));
    /// assert_eq!(trace.named("ask").total_cost(), Some(0.02));
    /// assert_eq!(trace.named("ask").total_usage().total(), 0);
    /// ```
    pub fn total_duration(&self) -> Duration {
        let seconds: f64 = self.each().map(|call| call.duration).sum();
        Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    /// The tokens that were noted on them.
    pub fn total_usage(&self) -> Usage {
        let mut usage = Usage::default();
        for noted in self.each().filter_map(|call| call.usage) {
            usage += noted;
        }
        usage
    }

    /// What they cost in US dollars as far as it is known; none where it is of no one.
    pub fn total_cost(&self) -> Option<f64> {
        let known = self.each().filter_map(|call| call.cost);
        known.reduce(|sum, cost| sum + cost)
    }
}
