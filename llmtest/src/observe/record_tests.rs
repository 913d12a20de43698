//! What an application says of its span, and how much of it is kept.

use std::sync::{Arc, Mutex};

use llmtest_macros::observe;
use serde_json::{Value, json};

use super::limits::Limits;
use super::*;

fn limited(value: usize, case: usize) -> Arc<CaseContext> {
    listen();
    CaseContext::limited(0, None, Limits { value, case })
}

fn spans_of<R>(f: impl FnOnce() -> R) -> Vec<RawSpan> {
    spans_in(limited(1 << 20, 1 << 20), f)
}

fn spans_in<R>(case: Arc<CaseContext>, f: impl FnOnce() -> R) -> Vec<RawSpan> {
    let guard = enter(case.clone());
    f();
    drop(guard);
    case.finish()
}

#[observe(crate = crate)]
fn says(what: impl FnOnce(Recorder)) -> Result<u32, String> {
    record(what);
    Ok(1)
}

#[observe(crate = crate)]
fn echo(text: &str) -> String {
    text.to_string()
}

#[test]
fn what_is_said_is_in_the_innermost_span() {
    #[observe(crate = crate)]
    fn outer() {
        let _ = says(|span| {
            span.model("m1").tokens(1, 2).tokens(10, 20).cost(0.5);
            span.cost(0.25).metadata("cached", true).model("m2");
            span.retrieved(["a"])
                .retrieved([json!({"text": "b", "source": "c"})]);
        });
        record(|span| span.model("outer's"));
    }
    let spans = spans_of(outer);
    let span = &spans[1];
    assert_eq!(spans[0].model.as_deref(), Some("outer's"));
    assert_eq!(spans[0].usage, None);
    assert_eq!(span.model.as_deref(), Some("m2"));
    assert_eq!((span.usage, span.cost), (Some((11, 22)), Some(0.75)));
    assert_eq!(json!(span.metadata), json!({"cached": true}));
    let passages = [json!("a"), json!({"text": "b", "source": "c"})];
    assert_eq!(span.retrieved, passages);
    assert_eq!(span.notes, [""; 0]);
}

#[test]
fn nothing_runs_outside_of_a_span_or_of_a_case() {
    let never = |_: Recorder| panic!("nobody listens");
    record(never);
    let spans = spans_of(|| record(never));
    assert_eq!(spans, []);
}

#[test]
fn a_cost_that_is_no_amount_is_left_out_with_a_note() {
    let spans = spans_of(|| {
        says(|span| {
            for usd in [f64::NAN, f64::INFINITY, -1.0] {
                span.cost(usd);
            }
        })
    });
    assert_eq!((spans[0].cost, spans[0].notes.len()), (None, 3));
    assert_eq!(
        spans[0].notes[2],
        "a cost of -1 USD was left out: it is no amount"
    );
}

#[test]
fn input_and_output_stand_for_arguments_and_result() {
    #[observe(crate = crate)]
    fn fails() -> Result<(), String> {
        record(|span| span.output("half of it"));
        Err("no".to_string())
    }
    let spans = spans_of(|| {
        says(|span| {
            span.input("the question").output(json!({"text": "yes"}));
        })
    });
    assert_eq!(json!(spans[0].input), json!({"input": "the question"}));
    assert_eq!(spans[0].output, json!({"text": "yes"}));
    let spans = spans_of(fails);
    assert_eq!(spans[0].output, json!("half of it"));
    assert_eq!(spans[0].error.as_deref(), Some("no"));
}

#[test]
fn a_recorder_that_is_kept_beyond_the_end_of_its_case_does_nothing() {
    let mut kept = None;
    let spans = spans_of(|| says(|span| kept = Some(span)));
    kept.unwrap().model("late").retrieved(["late"]);
    assert_eq!(spans[0].model, None);
}

#[test]
fn large_values_are_cut_with_a_note_each() {
    let text = "x".repeat(5000);
    let spans = spans_in(limited(1000, 1 << 20), || echo(&text));
    let span = &spans[0];
    assert!(
        span.input["text"]
            .as_str()
            .unwrap()
            .ends_with("more characters)")
    );
    assert!(span.output.as_str().unwrap().len() <= 1000);
    assert_eq!(
        span.notes,
        [
            "the argument `text` was cut to 1000 of 5002 bytes",
            "the result was cut to 1000 of 5002 bytes"
        ]
        .map(|note| note.replace(
            "1000",
            &(span.output.as_str().unwrap().len() + 2).to_string()
        ))
    );
    // What stands for them needs no such note.
    let spans = spans_in(limited(1000, 1 << 20), || {
        #[observe(crate = crate)]
        fn shows(_text: &str) -> usize {
            record(|span| span.input("short"));
            1
        }
        shows(&text)
    });
    assert_eq!(spans[0].notes, [""; 0]);
}

#[test]
fn a_case_keeps_so_much_and_then_the_least() {
    let text = "x".repeat(900);
    let spans = spans_in(limited(1000, 4000), || {
        for _ in 0..100 {
            echo(&text);
        }
    });
    let sizes = spans.iter().map(|span| {
        span.output.as_str().unwrap().len() + span.input["text"].as_str().unwrap().len()
    });
    assert!(spans[0].notes.is_empty() && spans[9].notes.len() == 2);
    assert!(sizes.sum::<usize>() < 4000 + 200 * limits::LEAST);
}

#[test]
fn a_handle_enters_its_span_from_any_thread_and_leaves_it() {
    #[observe(crate = crate)]
    fn fans_out() {
        let handle = handle();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    handle.run(|| echo("in"));
                    handle.clone().run(|| echo("again"));
                    assert!(current_case().is_none());
                });
            }
        });
    }
    let _other = limited(1, 1);
    let spans = spans_of(fans_out);
    assert_eq!(spans.len(), 5);
    assert!(spans[1..].iter().all(|span| span.parent == Some(0)));
    assert_eq!(handle().run(|| 7), 7);
}

/// Records the one outcome that there is, and replays it from then on.
#[derive(Default)]
struct OneOutcome(Mutex<Option<Value>>);

impl Stages for OneOutcome {
    fn look_up(&self, _: &StageRequest) -> StageAnswer {
        match &*self.0.lock().unwrap() {
            Some(outcome) => StageAnswer::Recorded(outcome.clone()),
            None => StageAnswer::RunAndRecord,
        }
    }

    fn store(&self, _: &StageRequest, outcome: &Value) -> Result<(), String> {
        *self.0.lock().unwrap() = Some(outcome.clone());
        Ok(())
    }
}

#[observe(crate = crate, replay, skip(say), key = ())]
fn stage(fails: bool, say: impl FnOnce(Recorder)) -> Result<u32, String> {
    record(say);
    let _ = says(|span| {
        span.tokens(1000, 100).cost(0.25).model("below");
    });
    if fails { Err("no".to_string()) } else { Ok(1) }
}

#[test]
fn what_a_stage_said_is_recorded_and_said_again() {
    for fails in [false, true] {
        let stages = Arc::new(OneOutcome::default());
        let run = |say: fn(Recorder)| {
            listen();
            let case = CaseContext::new(0, Some(stages.clone() as Arc<dyn Stages>));
            spans_in(case, || assert_eq!(stage(fails, say).is_err(), fails))
        };
        let live = run(|span| {
            span.model("m").tokens(1, 2).cost(0.5).retrieved(["p"]);
            span.metadata("a", 1).input("in").output("out");
        });
        let replayed = run(|_| panic!("it ran"));
        assert_eq!((live.len(), replayed.len()), (2, 1));
        let (mut before, mut now) = (live[0].clone(), replayed[0].clone());
        assert!(now.replayed);
        assert_eq!(now.usage, Some((1001, 102)));
        assert_eq!(now.cost, Some(0.75));
        assert_eq!((before.usage, before.cost), (Some((1, 2)), Some(0.5)));
        for span in [&mut before, &mut now] {
            (span.usage, span.cost, span.replayed) = (None, None, false);
            (span.start, span.end) = Default::default();
        }
        assert_eq!(before, now);
    }
}

#[test]
fn a_recording_without_words_replays_as_before() {
    let stages = Arc::new(OneOutcome(Mutex::new(Some(json!({ "ok": 7 })))));
    listen();
    let case = CaseContext::new(0, Some(stages as Arc<dyn Stages>));
    let spans = spans_in(case, || {
        assert_eq!(stage(false, |_| panic!("it ran")), Ok(7));
    });
    assert_eq!((spans[0].usage, &spans[0].model), (None, &None));
    assert_eq!(spans[0].output, json!(7));
}
