//! The command `text-similarity`: what passes, what fails, and how it ends.

use std::path::PathBuf;
use std::process::Command;

/// Runs the command on these lines. Gives whether it succeeded and what it printed.
fn run(name: &str, lines: &str, flags: &[&str]) -> (bool, String) {
    let file =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("text_similarity_{name}.jsonl"));
    std::fs::write(&file, lines).expect("a file of its own");
    let output = Command::new(env!("CARGO_BIN_EXE_text-similarity"))
        .arg(&file)
        .args(flags)
        .output()
        .expect("the command runs");
    (
        output.status.success(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

fn pair(metrics: &str) -> String {
    format!(r#"{{"id":"one","output":"a b c d","references":["a b c d"],"metrics":{{{metrics}}}}}"#)
}

#[test]
fn values_that_are_ours_pass() {
    let lines = pair(
        r#""sacrebleu.sentence_bleu.13a":100.0,"jiwer.wer":0.0,"rouge_score.rouge1":[1.0,1.0,1.0]"#,
    );
    let (passed, out) = run("good", &lines, &[]);
    assert!(
        passed && out.ends_with("\n3 passed, 0 failed, 0 skipped\n"),
        "{out}"
    );
}

#[test]
fn a_value_that_differs_and_a_name_that_is_not_known_fail() {
    let lines = pair(
        r#""sacrebleu.sentence_bleu.13a":99.9,"jiwer.wer":0.0,"jiwer.sentences":1.0,"rouge_score.rouge1":[1.0]"#,
    );
    let (passed, out) = run("bad", &lines, &[]);
    assert!(
        !passed && out.ends_with("\n1 passed, 3 failed, 0 skipped\n"),
        "{out}"
    );
    assert!(
        out.contains("FAILED one sacrebleu.sentence_bleu.13a: ours [100.0], the reference [99.9]"),
        "{out}"
    );
    assert!(
        out.contains("FAILED one jiwer.sentences: no metric has this name"),
        "{out}"
    );
    assert!(
        out.contains("FAILED one rouge_score.rouge1: [1.0] is not 3 numbers"),
        "{out}"
    );
}

#[test]
fn only_the_pairs_of_the_table_may_differ_in_meteor() {
    let (passed, out) = run("meteor", &pair(r#""nltk.meteor":0.5"#), &[]);
    assert!(
        !passed && out.ends_with("\n0 passed, 1 failed, 0 skipped\n"),
        "{out}"
    );
}

#[test]
fn nothing_read_and_rows_of_the_table_that_nothing_needs_fail() {
    let (passed, out) = run("empty", "", &[]);
    assert!(
        !passed && out.ends_with("\n0 passed, 0 failed, 0 skipped\n"),
        "{out}"
    );
    let (passed, out) = run("table", &pair(r#""jiwer.wer":0.0"#), &["--check-table"]);
    assert!(
        !passed && out.contains("FAILED: the table has a row that no value needs: `summeval::"),
        "{out}"
    );
    let (passed, out) = run("broken", "{}", &[]);
    assert!(
        !passed && out.contains(":1: not an object with `id`"),
        "{out}"
    );
}
