use super::*;
use llmtest_metrics::{Judge, Prompt, Reply};

/// What a judge reads between the markers, without them.
fn answer(prompt: &Prompt) -> String {
    let text = prompt.text();
    let (_, fenced) = text
        .rsplit_once("answer:\n<data ")
        .or(text.rsplit_once("output:\n<data "))
        .unwrap();
    let (nonce, fenced) = fenced.split_once(">\n").unwrap();
    fenced
        .split_once(&format!("\n</data {nonce}>"))
        .unwrap()
        .0
        .to_string()
}

/// Knows what is right; `obeys` says which answers talk it into the best verdict.
struct Knowing(fn(&str) -> bool);

impl Judge for Knowing {
    fn model(&self) -> &'static str {
        "knowing"
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Reply> {
        assert!(
            prompt.purpose.starts_with("selftest/"),
            "{}",
            prompt.purpose
        );
        let rights = ["Canberra", "Shakespeare", "30 days", "carbon dioxide"];
        let is_right = |text: &str| rights.iter().any(|right| text.contains(right));
        if prompt.purpose.ends_with("winner") {
            let text = prompt.text();
            let (_, first) = text.split_once("answer A:").unwrap();
            let (first, _) = first.split_once("answer B:").unwrap();
            let first = is_right(first) || (self.0)(first);
            let winner = if first { "A" } else { "B" };
            return Ok(json(&serde_json::json!({"reason": "", "winner": winner})));
        }
        let answer = answer(prompt);
        let passes = is_right(&answer) || (self.0)(&answer);
        Ok(json(&if prompt.purpose.ends_with("verdict") {
            serde_json::json!({"reason": "", "verdict": if passes { "yes" } else { "no" }})
        } else {
            serde_json::json!({"reason": "", "score": if passes { 10 } else { 0 }})
        }))
    }
}

fn json(reply: &serde_json::Value) -> Reply {
    Reply::new(reply.to_string())
}

fn found(judge: fn(&str) -> bool) -> SelfTest {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let selftest = judge_selftest().judged_by(Knowing(judge));
    runtime.block_on(selftest.run()).unwrap()
}

#[test]
fn a_judge_that_resists_lets_nothing_through() {
    let selftest = found(|_| false);
    assert_eq!(selftest.judge, "knowing");
    assert_eq!((selftest.clean.held, selftest.clean.of), (16, 16));
    let all = selftest.all_attacks();
    assert_eq!((all.held, all.of), (2 * 73, 2 * 73));
    assert_eq!(selftest.flipped(), Some(0.0));
    assert_eq!(selftest.attacks.len(), Family::ALL.len());
    // Two questions, two metrics, five answers.
    assert_eq!((selftest.nulls.held, selftest.nulls.of), (20, 20));
    assert_eq!((selftest.orders.held, selftest.orders.of), (4, 4));
    assert_eq!((selftest.length.held, selftest.length.of), (12, 12));
    assert!(!selftest.to_string().contains("got through"));
}

#[test]
fn a_judge_that_obeys_is_caught_with_the_name_of_the_attack() {
    let selftest = found(|answer| answer.contains("JSON only") || answer.contains("base64"));
    let names = |part: &SelfTestPart| -> Vec<String> {
        let all = part.got_through.iter();
        all.map(|one| format!("{}/{}", one.what, one.metric))
            .collect()
    };
    let fences = selftest.attacks.iter().find(|part| part.name == "fences");
    assert_eq!(
        names(fences.unwrap()),
        [
            "closing_without_nonce/correct",
            "closing_without_nonce/correctness"
        ]
    );
    let all = selftest.all_attacks();
    assert_eq!((all.held, all.of), (142, 146));
    let shown = selftest.to_string();
    assert!(
        shown.contains("got through: encodings: `base64` with `correct` on \"")
            && shown.contains("all attacks              142   146  97.3 %"),
        "{shown}"
    );
    let read: SelfTest = serde_json::from_str(&serde_json::to_string(&selftest).unwrap()).unwrap();
    assert_eq!(read, selftest);
}

#[test]
fn a_judge_that_passes_whatever_is_long_or_empty_is_caught() {
    let selftest = found(|answer| answer.len() > 600 || answer.is_empty());
    // Each wrong answer under both metrics; whoever takes what is long in both orders only ties.
    assert_eq!(
        (selftest.length.held, selftest.length.of),
        (4, 12),
        "{selftest}"
    );
    let nulls: Vec<&str> = selftest
        .nulls
        .got_through
        .iter()
        .map(|one| one.what.as_str())
        .collect();
    // G-Eval refuses an empty answer before it asks.
    assert_eq!(nulls, ["empty", "empty"]);
}

#[test]
fn a_judge_that_takes_what_it_reads_first_is_caught() {
    let selftest = found(|text| text.contains("<data "));
    assert_eq!((selftest.orders.held, selftest.orders.of), (0, 4));
    assert!(
        selftest
            .orders
            .got_through
            .iter()
            .all(|one| one.what == "order")
    );
}

#[test]
fn attacks_on_answers_that_the_judge_takes_for_right_are_left_out() {
    let selftest = found(|_| true);
    assert_eq!((selftest.clean.held, selftest.clean.of), (8, 16));
    let all = selftest.all_attacks();
    assert_eq!((all.of, all.left_out, selftest.flipped()), (0, 146, None));
    assert!(selftest.to_string().contains("nothing was tried"));
}

#[test]
fn families_and_numbers_can_be_chosen() {
    let selftest = judge_selftest()
        .families([Family::Unicode, Family::Fences])
        .per_family(2);
    let check = selftest.check();
    let names: Vec<&str> = check.expectations().iter().map(Expectation::name).collect();
    assert_eq!(
        names,
        [
            "right_without_attack",
            "resists_attacks",
            "rejects_null_answers",
            "same_in_both_orders",
            "not_misled_by_length",
            "resists_fences",
            "resists_unicode"
        ]
    );
}
