use super::*;
use crate::results::TrialRecord;

fn record(name: &str, attempt: u32, outcome: Outcome) -> TestRecord {
    TestRecord {
        test: name.to_string(),
        row: None,
        position: 0,
        dataset: None,
        binary: "b".to_string(),
        file: "f.rs".to_string(),
        line: 1,
        description: String::new(),
        tags: Vec::new(),
        outcome,
        passes_needed: 1,
        attempt,
        duration: 0.1,
        trials: vec![TrialRecord {
            outcome,
            error: None,
            cases: Vec::new(),
            measurements: Vec::new(),
            spans: Vec::new(),
            stages: (0, 0),
            application: crate::Spending::default(),
            started: 0,
            digest: String::new(),
            duration: 0.1,
        }],
    }
}

#[test]
fn the_fold_joins_processes_and_keeps_the_last_attempt() {
    let root = std::env::temp_dir().join(format!("llmtest-shards-{}", std::process::id()));
    let (one, two) = (
        Shards::new(root.clone(), "a/b".to_string(), Arc::default()),
        Shards::new(root.clone(), "a/b".to_string(), Arc::default()),
    );
    one.test(record("x", 2, Outcome::Passed)).unwrap();
    one.test(record("y", 1, Outcome::Failed)).unwrap();
    two.test(record("x", 1, Outcome::Errored)).unwrap();
    let path = two.fold().unwrap().unwrap();
    // A process that was killed leaves half a line.
    fs::write(root.join("runs/a_b/0.jsonl"), "{\"test\": {\"test\": ").unwrap();
    two.fold().unwrap();
    let report = RunReport::from_json(&fs::read_to_string(path).unwrap()).unwrap();
    let ended: Vec<_> = report
        .tests
        .iter()
        .map(|test| (test.test.as_str(), test.outcome))
        .collect();
    assert_eq!(ended, [("x", Outcome::Passed), ("y", Outcome::Failed)]);
    assert_eq!(
        failed_last(&root, Path::new("x"), "b").unwrap(),
        FailedLast(HashSet::from(["y".to_string()]))
    );
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_cut_off_line_takes_no_other_one_with_it_and_a_resumption_goes_before_higher_attempts() {
    let root = std::env::temp_dir().join(format!("llmtest-resumed-{}", std::process::id()));
    let new = || Shards::new(root.clone(), "r".to_string(), Arc::default());
    let (first, second) = (new(), new());
    first.process(BinaryInfo::default()).unwrap();
    first.test(record("x", 2, Outcome::Errored)).unwrap();
    first.test(record("z", 1, Outcome::Failed)).unwrap();
    let shards = shards_in(&root.join("runs/r")).unwrap();
    let mut torn = fs::read_to_string(&shards[0]).unwrap();
    torn.push_str(r#"{"test":{"test":"y","#);
    fs::write(&shards[0], torn).unwrap();

    // The same process id, as in a container.
    let resumed = BinaryInfo {
        resumption: 1,
        ..BinaryInfo::default()
    };
    second.process(resumed).unwrap();
    let mut moved = record("x", 1, Outcome::Passed);
    moved.line = 99;
    second.test(moved).unwrap();
    second.test(record("y", 1, Outcome::Passed)).unwrap();
    assert_eq!(shards_in(&root.join("runs/r")).unwrap().len(), 2);
    let path = second.fold().unwrap().unwrap();
    let report = RunReport::from_json(&fs::read_to_string(path).unwrap()).unwrap();
    let mut ended: Vec<_> = report
        .tests
        .iter()
        .map(|test| (test.test.as_str(), test.attempt, test.outcome))
        .collect();
    ended.sort_unstable();
    let (passed, failed) = (Outcome::Passed, Outcome::Failed);
    assert_eq!(
        ended,
        [("x", 1, passed), ("y", 1, passed), ("z", 1, failed)]
    );
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn of_equal_attempts_that_of_the_process_which_began_last_counts_whatever_its_number() {
    let root = std::env::temp_dir().join(format!("llmtest-in-time-{}", std::process::id()));
    let folder = root.join("runs/r");
    fs::create_dir_all(&folder).unwrap();
    let shards = [
        (900, "9-0", Outcome::Failed),
        (1_000, "10-0", Outcome::Passed),
    ];
    for (started, name, outcome) in shards {
        let info = BinaryInfo {
            started,
            ..BinaryInfo::default()
        };
        let lines = [Line::Process(info), Line::Test(record("x", 1, outcome))]
            .map(|line| serde_json::to_string(&line).unwrap() + "\n");
        fs::write(folder.join(format!("{name}.jsonl")), lines.concat()).unwrap();
    }
    let mut report = Vec::new();
    let shards = in_time(shards_in(&folder).unwrap());
    fold(&shards, "r", &mut report).unwrap();
    let report = RunReport::from_json(std::str::from_utf8(&report).unwrap()).unwrap();
    assert_eq!(report.tests[0].outcome, Outcome::Passed);
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn another_format_is_refused() {
    let error = RunReport::from_json(r#"{"format": 99, "run": {}, "tests": []}"#)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("format 99") && error.contains("hint:"),
        "{error}"
    );
}
