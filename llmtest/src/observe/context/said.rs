//! What an application says of a span of its case.

use serde_json::{Map, Value, json};

use super::{ARGUMENT, CaseContext, Limits, RESULT, RawSpan, Spans, lock};

impl CaseContext {
    pub(in crate::observe) fn add_usage(&self, span: usize, prompt: u64, completion: u64) {
        self.update(span, |span| {
            add_usage(&mut span.usage, Some((prompt, completion)));
        });
    }

    /// What the application says in the place of the arguments.
    pub(in crate::observe) fn set_input(&self, span: usize, mut input: Map<String, Value>) {
        self.say(span, |spans, limits, span| {
            span.notes.retain(|note| !note.starts_with(ARGUMENT));
            for (name, value) in &mut input {
                spans.keep(
                    limits,
                    format_args!("{ARGUMENT} `{name}`"),
                    value,
                    &mut span.notes,
                );
            }
            (span.input, span.own_input) = (input, true);
        });
    }

    /// What the application says in the place of the result.
    pub(in crate::observe) fn set_output(&self, span: usize, mut output: Value) {
        self.say(span, |spans, limits, span| {
            span.notes.retain(|note| !note.starts_with(RESULT));
            spans.keep(
                limits,
                format_args!("{RESULT}"),
                &mut output,
                &mut span.notes,
            );
            (span.output, span.own_output) = (output, true);
        });
    }

    pub(in crate::observe) fn add_retrieved(&self, span: usize, passages: Vec<Value>) {
        self.say(span, |spans, limits, span| {
            for mut passage in passages {
                let what = format_args!("passage {}", span.retrieved.len() + 1);
                spans.keep(limits, what, &mut passage, &mut span.notes);
                span.retrieved.push(passage);
            }
        });
    }

    pub(in crate::observe) fn add_metadata(&self, span: usize, name: String, mut value: Value) {
        self.say(span, |spans, limits, span| {
            let what = format_args!("the metadata `{name}`");
            spans.keep(limits, what, &mut value, &mut span.notes);
            span.metadata.insert(name, value);
        });
    }

    /// What the application said of a span, to be recorded with the result of a stage. Tokens and dollars are summed
    /// with those of the calls below, which a replayed stage does not make.
    pub(in crate::observe) fn said(&self, of: usize) -> Option<Value> {
        let spans = lock(&self.spans);
        let span = spans.list.get(of)?;
        let mut said = Map::new();
        let mut say = |name: &str, value: Option<Value>| {
            said.extend(value.map(|value| (name.to_string(), value)));
        };
        let (mut usage, mut cost) = (None, None);
        let mut within = vec![false; spans.list.len()];
        for (at, below) in spans.list.iter().enumerate().skip(of) {
            // A parent opens before its children.
            within[at] = at == of || below.parent.is_some_and(|parent| within[parent]);
            if within[at] {
                add_usage(&mut usage, below.usage);
                if let Some(own) = below.cost {
                    *cost.get_or_insert(0.0) += own;
                }
            }
        }
        say("usage", usage.map(|(read, written)| json!([read, written])));
        say("cost", cost.map(Value::from));
        say("model", span.model.clone().map(Value::from));
        let retrieved = Some(&span.retrieved).filter(|passages| !passages.is_empty());
        say("retrieved", retrieved.map(|passages| json!(passages)));
        let metadata = Some(&span.metadata).filter(|metadata| !metadata.is_empty());
        say("metadata", metadata.map(|metadata| json!(metadata)));
        say("input", span.own_input.then(|| json!(span.input)));
        say("output", span.own_output.then(|| span.output.clone()));
        (!said.is_empty()).then(|| said.into())
    }

    /// Says again what was recorded.
    pub(in crate::observe) fn say_again(&self, span: usize, said: Value) {
        let Value::Object(mut said) = said else {
            return;
        };
        let mut take = |name| said.remove(name).unwrap_or_default();
        let usage = take("usage");
        if let (Some(read), Some(written)) = (usage[0].as_u64(), usage[1].as_u64()) {
            self.add_usage(span, read, written);
        }
        let (cost, model) = (take("cost").as_f64(), take("model"));
        self.update(span, |span| {
            span.cost = cost;
            span.model = model.as_str().map(str::to_string);
        });
        if let Value::Array(passages) = take("retrieved") {
            self.add_retrieved(span, passages);
        }
        if let Value::Object(metadata) = take("metadata") {
            for (name, value) in metadata {
                self.add_metadata(span, name, value);
            }
        }
        if let Value::Object(input) = take("input") {
            self.set_input(span, input);
        }
        if let Some(output) = said.remove("output") {
            self.set_output(span, output);
        }
    }

    /// Changes a span by what can be too large.
    pub(super) fn say(&self, span: usize, say: impl FnOnce(&mut Spans, Limits, &mut RawSpan)) {
        let mut spans = lock(&self.spans);
        let Some(slot) = spans.list.get_mut(span) else {
            return;
        };
        let mut span_taken = std::mem::take(slot);
        say(&mut spans, self.limits, &mut span_taken);
        spans.list[span] = span_taken;
    }
}

fn add_usage(sum: &mut Option<(u64, u64)>, more: Option<(u64, u64)>) {
    if let Some((prompt, completion)) = more {
        let sum = sum.get_or_insert((0, 0));
        sum.0 = sum.0.saturating_add(prompt);
        sum.1 = sum.1.saturating_add(completion);
    }
}
