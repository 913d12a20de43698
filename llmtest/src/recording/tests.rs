use super::*;
use crate::config;
use crate::observe::{StageAnswer, StageRequest, Stages};
use llmtest_metrics::{JudgeError, Prompt, Reply};
use serde_json::json;
use std::path::PathBuf;

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let dir =
            std::env::temp_dir().join(format!("llmtest-recording-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }

    fn open(&self, mode: &str, ci: &str) -> Recordings {
        open(&self.0, mode, ci)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join("recordings").join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.file(name)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn open(dir: &std::path::Path, mode: &str, ci: &str) -> Recordings {
    let vars = [
        ("LLMTEST_MODE".to_string(), mode.to_string()),
        ("CI".to_string(), ci.to_string()),
    ];
    Recordings::new(&config::load(dir, &vars, dir.to_path_buf()).unwrap())
}

fn prompt(text: &str) -> Prompt {
    Prompt::new("tone/verdict", text)
}

fn keep(recordings: &Recordings, text: &str, reply: &str) {
    recordings
        .keep_reply(&Request::new("m", &prompt(text)), &Reply::new(reply))
        .unwrap();
}

/// The reply's text, `None` for going live, or the error.
fn ask(
    recordings: &Recordings,
    model: &str,
    prompt: &Prompt,
) -> Result<Option<String>, JudgeError> {
    recordings
        .reply(&Request::new(model, prompt))
        .map(|found| match found {
            Found::Reply(reply) => Some(reply.text),
            Found::Nothing => None,
        })
}

fn missing(recordings: &Recordings, model: &str, prompt: &Prompt) -> String {
    ask(recordings, model, prompt).unwrap_err().to_string()
}

#[test]
fn the_mode_and_ci_decide_over_hit_and_miss() {
    let folder = Folder::new("modes");
    keep(&folder.open("auto", ""), "known", "yes");
    // Mode, CI, a hit answers, a miss goes live.
    for (mode, ci, hit, miss) in [
        ("auto", "", true, true),
        ("auto", "true", true, false),
        ("replay", "", true, false),
        ("replay", "true", true, false),
        ("record", "", false, true),
        ("record", "true", false, true),
        ("live", "", false, true),
        ("live", "true", false, true),
    ] {
        let recordings = folder.open(mode, ci);
        assert_eq!(
            ask(&recordings, "m", &prompt("known")).unwrap().is_some(),
            hit,
            "{mode} {ci}"
        );
        assert_eq!(
            ask(&recordings, "m", &prompt("new")).is_ok(),
            miss,
            "{mode} {ci}"
        );
        assert_eq!(recordings.keeps(), mode != "live");
    }
    let recording = folder.open("record", "");
    keep(&recording, "known", "changed");
    assert_eq!(
        ask(&recording, "m", &prompt("known")).unwrap().as_deref(),
        Some("changed"),
        "once a process"
    );
    recording.finish().unwrap();
    assert_eq!(folder.read("judge/tone.jsonl").lines().count(), 1);
    assert_eq!(
        ask(&folder.open("replay", ""), "m", &prompt("known"))
            .unwrap()
            .as_deref(),
        Some("changed")
    );
}

#[test]
fn a_miss_shows_what_changed_and_the_command() {
    let folder = Folder::new("miss");
    let recordings = folder.open("auto", "");
    keep(&recordings, "Is this polite?\nHello there.\nAnswer.", "yes");
    keep(&recordings, "Something else entirely", "no");
    recordings.finish().unwrap();
    let replay = folder.open("replay", "");
    let error = missing(&replay, "m", &prompt("Is this polite?\nGo away.\nAnswer."));
    let line = 1 + folder
        .read("judge/tone.jsonl")
        .lines()
        .position(|line| line.contains("polite"))
        .unwrap();
    assert_eq!(
        error,
        format!(
            "nothing is recorded for this request of `tone/verdict`, judge `m`\n\
             what changed against the nearest recorded request (recordings/judge/tone.jsonl:{line}):\n    \
             Is this polite?\n  - Hello there.\n  + Go away.\n    Answer.\n\
             hint: `LLMTEST_MODE=auto cargo test` records it, given a judge; then commit `recordings/`"
        )
    );
    let ci = missing(&folder.open("auto", "true"), "m", &prompt("x"));
    assert!(
        ci.contains("hint: this is CI")
            && ci.contains(
                "run `LLMTEST_MODE=auto cargo test` on your machine and commit `recordings/`"
            ),
        "{ci}"
    );
    let other = missing(&replay, "larger", &prompt("Something else entirely"));
    assert!(
        other.contains("the same request to the judge `m`\nhint: set `model = \"m\"`"),
        "{other}"
    );
    let mut third = prompt("Something else entirely");
    third.repeat.trial = 2;
    let third = missing(&replay, "m", &third);
    assert!(
        third.contains("`tone/verdict` (trial 3)")
            && third.contains("the same request, as trial 1 answer 1"),
        "{third}"
    );
    let first = missing(&replay, "m", &Prompt::new("new/step", "x"));
    assert!(
        first.contains("recordings/judge/new.jsonl holds no request to compare with"),
        "{first}"
    );
}

#[test]
fn files_are_sorted_and_each_entry_is_there_once() {
    let folder = Folder::new("sorted");
    let recordings = folder.open("record", "");
    for n in 0..20 {
        keep(&recordings, &format!("question {n}"), "first");
    }
    for n in 0..20 {
        keep(&recordings, &format!("question {n}"), "second");
    }
    assert_eq!(folder.read("judge/tone.jsonl").lines().count(), 40);
    // Nothing is lost before the end, and doubles are no trouble.
    assert_eq!(
        ask(&folder.open("replay", ""), "m", &prompt("question 3"))
            .unwrap()
            .as_deref(),
        Some("second")
    );
    recordings.finish().unwrap();
    let text = folder.read("judge/tone.jsonl");
    let lines: Vec<_> = text.lines().collect();
    assert!(
        lines.len() == 20 && lines.is_sorted() && !text.contains("first"),
        "{text}"
    );
    assert!(
        lines[0].starts_with(r#"{"key":""#)
            && lines[0].contains(r#""purpose":"tone/verdict","model":"m","request":{"#),
        "{}",
        lines[0]
    );
    assert!(
        !lines[0].contains("repeat") && !lines[0].contains("null"),
        "{}",
        lines[0]
    );
    let names: Vec<_> = std::fs::read_dir(folder.file("judge"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["tone.jsonl"], "no drafts, no locks");
    let before = std::fs::metadata(folder.file("judge/tone.jsonl"))
        .unwrap()
        .modified()
        .unwrap();
    recordings.finish().unwrap();
    assert_eq!(
        std::fs::metadata(folder.file("judge/tone.jsonl"))
            .unwrap()
            .modified()
            .unwrap(),
        before
    );
}

#[test]
fn a_broken_line_names_its_place() {
    let folder = Folder::new("broken");
    keep(&folder.open("auto", ""), "known", "yes");
    let good = folder.read("judge/tone.jsonl");
    for (text, says) in [
        (
            format!("{good}\n{{oops\n{good}"),
            "recordings/judge/tone.jsonl:3: not a recording: ",
        ),
        (
            format!("<<<<<<< ours\n{good}=======\n"),
            "recordings/judge/tone.jsonl:1: an unfinished merge\nhint: delete the lines",
        ),
        (
            "{\"key\": \"00\"}\n".to_string() + &good.replace("\"reply\"", "\"replies\""),
            "recordings/judge/tone.jsonl:2: not a recording: missing field `reply`",
        ),
    ] {
        std::fs::write(folder.file("judge/tone.jsonl"), text).unwrap();
        let error = missing(&folder.open("auto", ""), "m", &prompt("known"));
        assert!(
            error.contains(says) && error.contains("\nhint: "),
            "{error}"
        );
    }
    // A process died while it wrote; the next entry goes on a line of its own.
    std::fs::write(
        folder.file("judge/tone.jsonl"),
        format!("{good}{{\"key\": \"0"),
    )
    .unwrap();
    let recordings = folder.open("auto", "");
    assert_eq!(
        ask(&recordings, "m", &prompt("known")).unwrap().as_deref(),
        Some("yes")
    );
    keep(&recordings, "new", "no");
    recordings.finish().unwrap();
    assert_eq!(folder.read("judge/tone.jsonl").lines().count(), 2);
    // An editor took the last line's end.
    std::fs::write(folder.file("judge/tone.jsonl"), good.trim_end()).unwrap();
    let recordings = folder.open("auto", "");
    keep(&recordings, "new", "no");
    recordings.finish().unwrap();
    assert_eq!(folder.read("judge/tone.jsonl").lines().count(), 2);
}

#[test]
fn what_another_process_adds_is_seen() {
    let folder = Folder::new("seen");
    let (one, two) = (folder.open("auto", ""), folder.open("auto", ""));
    assert_eq!(ask(&one, "m", &prompt("x")).unwrap(), None);
    keep(&two, "x", "yes");
    assert_eq!(
        ask(&one, "m", &prompt("x")).unwrap().as_deref(),
        Some("yes")
    );
}

const ROLE: &str = "RECORDING_TEST_WRITER";

/// Does nothing unless the test below starts it as a process of its own.
#[test]
fn one_of_several_writers() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let (who, dir) = role.split_once(' ').unwrap();
    let recordings = open(dir.as_ref(), "auto", "");
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let recordings = &recordings;
            scope.spawn(move || {
                for n in 0..20 {
                    keep(
                        recordings,
                        &format!("{who} {thread} {n} {}", "long ".repeat(500)),
                        "yes",
                    );
                    keep(recordings, &format!("shared {n}"), who);
                }
                recordings.finish().unwrap();
            });
        }
    });
}

#[test]
fn several_processes_record_into_one_folder() {
    let folder = Folder::new("processes");
    let binary = std::env::current_exe().unwrap();
    let children: Vec<_> = (0..3)
        .map(|who| {
            std::process::Command::new(&binary)
                .args(["--exact", "recording::tests::one_of_several_writers"])
                .env(ROLE, format!("w{who} {}", folder.0.display()))
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let text = folder.read("judge/tone.jsonl");
    assert_eq!(text.lines().count(), 3 * 3 * 20 + 20);
    assert!(text.lines().is_sorted());
}

#[test]
fn names_become_files_that_never_collide() {
    use super::store::file_name;
    assert_eq!(file_name("judge", "g_eval"), "judge/g_eval.jsonl");
    let names = [
        "G_Eval",
        "../../etc/passwd",
        "a::b<T>",
        "a__b_t_",
        "",
        "con",
        "com1",
        "ä",
        "ö",
        &"x".repeat(200),
        &"x".repeat(201),
    ];
    let files: std::collections::BTreeSet<_> = names
        .iter()
        .map(|name| file_name("stages", name).to_lowercase())
        .collect();
    assert_eq!(files.len(), names.len());
    for file in files {
        let name = file.strip_prefix("stages/").unwrap();
        assert!(
            name.len() < 80 && !name.contains(['/', '\\', ':']) && !name.starts_with('.'),
            "{name}"
        );
    }
}

fn call(question: &str) -> StageRequest {
    let digest = u64::from(question.as_bytes()[0]);
    StageRequest {
        name: "answer".to_string(),
        arguments: json!({ "question": question }),
        digest,
        types: Vec::new(),
        body_hash: 1,
        redacted: Vec::new(),
        source: "",
        key: json!({ "model": "small" }),
        trial: 0,
        call: 0,
        file: "src/lib.rs",
        line: 7,
    }
}

fn looked_up(recordings: &Recordings, request: &StageRequest) -> String {
    match recordings.look_up(request) {
        StageAnswer::Recorded(value) => value.to_string(),
        StageAnswer::Run => "run".to_string(),
        StageAnswer::RunAndRecord => "run and record".to_string(),
        StageAnswer::Miss(why) => why,
    }
}

#[test]
fn a_body_is_kept_once_without_secrets_and_forgotten_with_its_last_result() {
    let folder = Folder::new("bodies");
    let with = |question, body_hash, source| StageRequest {
        body_hash,
        source,
        ..call(question)
    };
    let old = "let key = \"Bearer sk-secret-0123456789\";\nask(1)\n";
    let auto = folder.open("auto", "");
    for question in ["When?", "How?"] {
        auto.store(&with(question, 1, old), &json!({ "ok": 1 }))
            .unwrap();
    }
    auto.finish().unwrap();
    let text = || folder.read("stages/answer.jsonl");
    let bodies = || text().matches("\"key\":\"body:").count();
    assert_eq!((text().lines().count(), bodies()), (3, 1));
    assert!(!text().contains("sk-secret"), "{}", text());

    let new = "let key = \"Bearer sk-secret-0123456789\";\nask(2)\n";
    let replay = folder.open("replay", "");
    let error = looked_up(&replay, &with("When?", 2, new));
    assert!(
        error
            .contains(":1):\n    let key = \"Bearer [redacted]\";\n  - ask(1)\n  + ask(2)\nhint: "),
        "{error}"
    );
    // The same text of other tokens, as a macro may make it, shows nothing.
    let error = looked_up(&replay, &with("When?", 2, old));
    assert!(error.contains(":1)\nhint: "), "{error}");

    for (question, left) in [("When?", 2), ("How?", 1)] {
        let auto = folder.open("auto", "");
        auto.store(&with(question, 2, new), &json!({ "ok": 2 }))
            .unwrap();
        auto.finish().unwrap();
        assert_eq!(bodies(), left);
    }
}

#[test]
fn results_of_other_keys_stand_beside_each_other_and_hold_no_secret() {
    let folder = Folder::new("keys");
    let with = |model: &str, body_hash| StageRequest {
        key: json!({ "model": model, "header": "Bearer sk-secret-0123456789" }),
        body_hash,
        ..call("When?")
    };
    let auto = folder.open("auto", "");
    for model in ["small", "large"] {
        auto.store(&with(model, 1), &json!({ "ok": model }))
            .unwrap();
    }
    auto.finish().unwrap();
    let replay = folder.open("replay", "");
    for model in ["small", "large"] {
        let ok = format!(r#"{{"ok":"{model}"}}"#);
        assert_eq!(looked_up(&replay, &with(model, 1)), ok);
        let error = looked_up(&replay, &with(model, 2));
        assert!(error.starts_with("the body of `answer`"), "{error}");
    }
    // Another secret is the same `key`: it is neither written nor hashed.
    let rotated = StageRequest {
        key: json!({ "model": "small", "header": "Bearer sk-secret-9876543210" }),
        ..call("When?")
    };
    assert_eq!(looked_up(&replay, &rotated), r#"{"ok":"small"}"#);
    assert_eq!(
        Stages::depends_on(&replay, rotated.key),
        json!({ "header": "Bearer [redacted]", "model": "small" })
    );
    let error = looked_up(&replay, &with("other", 1));
    assert!(
        error.contains("the `key` of the stage `answer` (src/lib.rs:7) changed")
            && error.contains("  +   \"model\": \"other\""),
        "{error}"
    );
}

#[test]
fn what_holds_a_redacted_argument_is_not_recorded() {
    let folder = Folder::new("redacted");
    let auto = folder.open("auto", "");
    let with = |text: &str| StageRequest {
        redacted: vec![text.to_string()],
        ..call("When?")
    };
    for outcome in [
        json!({ "ok": { "text": ["for hunter2 only"] } }),
        json!({ "error": null, "message": "no such user: hunter2" }),
        json!({ "ok": 1, "said": { "metadata": { "user": "hunter2" } } }),
    ] {
        let error = auto.store(&with("hunter2"), &outcome).unwrap_err();
        assert!(
            error.starts_with(
                "what stage `answer` gave holds the text of an argument that is redacted"
            ) && error.contains("\nhint: leave it out")
                && !error.contains("hunter2"),
            "{error}"
        );
    }
    let chance = json!({ "ok": "a cat" });
    auto.store(&with("cat"), &chance).unwrap();
    auto.store(&with("hunter2"), &chance).unwrap();
}

#[test]
fn results_of_other_types_are_named_when_one_is_missing() {
    let folder = Folder::new("types");
    let auto = folder.open("auto", "");
    let with = |ty: &str, digest| StageRequest {
        types: vec![ty.to_string()],
        digest,
        ..call("When?")
    };
    auto.store(&with("app::A", 1), &json!({ "ok": 1 })).unwrap();
    let error = looked_up(&folder.open("replay", ""), &with("app::B", 2));
    assert!(
        error.contains("the same arguments, for the types [\"app::A\"] and not [\"app::B\"]"),
        "{error}"
    );
}

#[test]
fn stages_replay_unless_body_or_key_changed() {
    let folder = Folder::new("stages");
    let auto = folder.open("auto", "");
    assert_eq!(looked_up(&auto, &call("When?")), "run and record");
    auto.store(&call("When?"), &json!({ "ok": "in 30 days" }))
        .unwrap();
    auto.finish().unwrap();
    let replay = folder.open("replay", "");
    assert_eq!(looked_up(&replay, &call("When?")), r#"{"ok":"in 30 days"}"#);
    assert_eq!(looked_up(&folder.open("live", ""), &call("When?")), "run");
    assert_eq!(
        looked_up(&folder.open("record", ""), &call("When?")),
        "run and record"
    );

    let edited = StageRequest {
        body_hash: 2,
        ..call("When?")
    };
    let error = looked_up(&replay, &edited);
    assert!(error.starts_with("the body of `answer` (src/lib.rs:7) changed since it was recorded (recordings/stages/answer.jsonl:1)\nhint: `LLMTEST_MODE=auto cargo test` records it"), "{error}");
    assert_eq!(
        looked_up(&folder.open("auto", ""), &edited),
        "run and record"
    );
    assert!(looked_up(&folder.open("auto", "true"), &edited).contains("hint: this is CI"));

    let larger = StageRequest {
        key: json!({ "model": "large" }),
        ..call("When?")
    };
    let error = looked_up(&replay, &larger);
    assert!(
        error.contains("the `key` of the stage `answer` (src/lib.rs:7) changed")
            && error.contains("-   \"model\": \"small\"\n  +   \"model\": \"large\""),
        "{error}"
    );

    let error = looked_up(&replay, &call("How?"));
    assert!(
        error.contains("nothing is recorded for this call")
            && error.contains("-   \"question\": \"When?\"\n  +   \"question\": \"How?\""),
        "{error}"
    );
    let error = looked_up(
        &replay,
        &StageRequest {
            trial: 1,
            ..call("When?")
        },
    );
    assert!(
        error.contains(
            ", trial 2\nrecordings/stages/answer.jsonl:1: the same arguments, as trial 1 call 1"
        ),
        "{error}"
    );

    // Recorded anew, the new body counts.
    let again = folder.open("auto", "");
    again.store(&edited, &json!({ "ok": "never" })).unwrap();
    again.finish().unwrap();
    assert_eq!(
        looked_up(&folder.open("replay", ""), &edited),
        r#"{"ok":"never"}"#
    );
    assert_eq!(folder.read("stages/answer.jsonl").lines().count(), 1);
}

#[test]
fn a_broken_stage_file_is_not_run_over() {
    let folder = Folder::new("stagebroken");
    std::fs::create_dir_all(folder.file("stages")).unwrap();
    std::fs::write(folder.file("stages/answer.jsonl"), "oops\n").unwrap();
    let error = looked_up(&folder.open("auto", ""), &call("When?"));
    assert!(
        error.starts_with("recordings/stages/answer.jsonl:1: not a recording"),
        "{error}"
    );
}

#[test]
fn a_secret_in_what_a_stage_said_is_taken_out_and_one_in_its_result_refused() {
    let folder = Folder::new("said");
    std::fs::write(
        folder.0.join("llmtest.toml"),
        "[redact]\npatterns = [\"swordfish\"]\n",
    )
    .unwrap();
    let auto = folder.open("auto", "");
    let outcome = json!({ "ok": 1, "said": { "model": "swordfish-7" } });
    auto.store(&call("When?"), &outcome).unwrap();
    auto.finish().unwrap();
    let replay = folder.open("replay", "");
    let kept = looked_up(&replay, &call("When?"));
    assert_eq!(kept, r#"{"ok":1,"said":{"model":"[redacted]-7"}}"#);
    let error = auto.store(&call("When?"), &json!({ "ok": "swordfish" }));
    assert!(error.unwrap_err().contains("holds a secret"));
}
