use super::*;

/// A folder of its own, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, toml: &str) -> Self {
        let dir =
            std::env::temp_dir().join(format!("llmtest-config-{name}-{}", std::process::id()));
        std::fs::create_dir_all(dir.join("crates/app")).unwrap();
        std::fs::write(dir.join(FILE), toml).unwrap();
        Self(dir)
    }

    fn load(&self, vars: &[(&str, &str)]) -> Result<Config, ConfigError> {
        load(
            &self.0.join("crates/app"),
            &owned(vars),
            std::env::temp_dir(),
        )
    }

    fn error(&self, vars: &[(&str, &str)]) -> String {
        self.load(vars).unwrap_err().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn owned(vars: &[(&str, &str)]) -> Vec<(String, String)> {
    vars.iter()
        .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
        .collect()
}

#[test]
fn without_file_and_variables_there_are_defaults() {
    let config = Folder::new("defaults", "").load(&[]).unwrap();
    assert_eq!(config.judge.base_url, "https://api.openai.com/v1");
    assert_eq!(
        (
            config.judge.max_in_flight,
            config.judge.retries,
            config.concurrency
        ),
        (MaxInFlight::Usual, 5, 64)
    );
    assert_eq!(
        (config.judge.timeout, config.judge.deadline, config.timeout),
        (
            Duration::from_secs(60),
            Duration::from_secs(600),
            Duration::from_secs(120)
        )
    );
    assert!(config.judge.lacks_key() && !config.judge.is_local() && !config.ci);
    assert_eq!((config.mode, config.attempt), (Mode::Auto, 1));
}

#[test]
fn the_file_is_found_upwards_and_paths_are_relative_to_it() {
    let folder = Folder::new(
        "upwards",
        "[judge]\nbase-url = \"http://localhost:1/v1/\"\nmodel = \"m\"\ntimeout = \"1.5s\"\n[recording]\ndir = \"tapes\"\n\
         [run]\nconcurrency = 3\n[gate]\non-inconclusive = \"more-trials\"\nmargin = 0.1\n",
    );
    let config = folder.load(&[]).unwrap();
    assert_eq!(config.root, folder.0);
    assert_eq!(config.recordings, folder.0.join("tapes"));
    assert_eq!(config.judge.base_url, "http://localhost:1/v1");
    assert_eq!(config.judge.timeout, Duration::from_millis(1500));
    assert!(config.judge.is_local() && !config.judge.lacks_key());
    assert_eq!(config.gate.on_inconclusive, OnInconclusive::MoreTrials);
}

#[test]
fn variables_go_before_the_file() {
    let folder = Folder::new(
        "variables",
        "[judge]\nmodel = \"file\"\napi-key-env = \"MY_KEY\"\n[run]\nconcurrency = 3\n",
    );
    let config = folder
        .load(&[
            ("LLMTEST_MODEL", "env"),
            ("LLMTEST_CONCURRENCY", "9"),
            ("LLMTEST_MODE", "replay"),
            ("LLMTEST_TAGS", "must, slow"),
            ("LLMTEST_FAILED", "1"),
            ("LLMTEST_SHOW", "all"),
            ("MY_KEY", "sk-0123456789"),
            ("CI", "true"),
            ("NEXTEST", "1"),
            ("NEXTEST_ATTEMPT", "2"),
        ])
        .unwrap();
    assert_eq!(
        (config.judge.model.as_str(), config.concurrency, config.mode),
        ("env", 9, Mode::Replay)
    );
    assert_eq!(config.tags, ["must", "slow"]);
    assert!(config.failed && config.show_all && config.ci && config.nextest && config.attempt == 2);
    assert!(!config.judge.lacks_key());
    assert!(
        !format!("{config:?}").contains("0123456789"),
        "no key in debug output"
    );
}

#[test]
fn the_embedder_is_on_the_judges_server_unless_it_has_its_own() {
    let folder = Folder::new(
        "embedder",
        "[judge]\nbase-url = \"http://localhost:1/v1\"\napi-key-env = \"MY_KEY\"\nretries = 2\n",
    );
    let key = ("MY_KEY", "sk-0123456789");
    let shared = folder.load(&[key]).unwrap().embedder;
    assert_eq!(shared.base_url, "http://localhost:1/v1");
    assert_eq!(shared.model, "text-embedding-3-small");
    assert_eq!((shared.api_key_env.as_str(), shared.retries), ("MY_KEY", 2));
    assert!(shared.api_key.is_some());
    let own = folder
        .load(&[
            key,
            ("LLMTEST_EMBEDDER_BASE_URL", "https://vectors.test/v1"),
            ("LLMTEST_EMBEDDER_MODEL", "minilm"),
        ])
        .unwrap()
        .embedder;
    assert_eq!(
        (own.base_url.as_str(), own.model.as_str()),
        ("https://vectors.test/v1", "minilm")
    );
    assert!(
        own.api_key.is_none(),
        "the judge's key stays with the judge"
    );
    std::fs::write(
        folder.0.join(FILE),
        "[embedder]\nmodel = \"m\"\nbase-url = \"http://me:hunter2hunter2@h/v1\"\napi-key-env = \"THEIR_KEY\"\n",
    )
    .unwrap();
    let config = folder.load(&[("THEIR_KEY", "sk-9876543210")]).unwrap();
    assert_eq!(config.embedder.model, "m");
    assert!(config.embedder.api_key.is_some() && config.judge.api_key.is_none());
    assert_eq!(
        config.redactor.scrub("sk-9876543210 hunter2hunter2"),
        "[redacted] [redacted]"
    );
    let error = folder.error(&[("LLMTEST_EMBEDDER_API_KEY_ENV", "sk-secret")]);
    assert!(
        error.starts_with("`LLMTEST_EMBEDDER_API_KEY_ENV`") && error.contains("hint: "),
        "{error}"
    );
}

#[test]
fn ci_can_say_no() {
    let folder = Folder::new("ci", "");
    for (value, ci) in [
        ("", false),
        ("false", false),
        ("0", false),
        ("1", true),
        ("woodpecker", true),
    ] {
        assert_eq!(folder.load(&[("CI", value)]).unwrap().ci, ci, "{value}");
    }
}

#[test]
fn unknown_keys_name_file_line_and_what_was_meant() {
    let error = Folder::new("unknown", "[judge]\nmodel = \"m\"\nmax-inflight = 3\n").error(&[]);
    assert!(error.contains("llmtest.toml:3: unknown key `max-inflight`\nhint: did you mean `max-in-flight`? known here: `base-url`"), "{error}");
    let error = Folder::new("table", "\n[jugde]\nmodel = \"m\"\n").error(&[]);
    assert!(
        error.contains("llmtest.toml:2: unknown key `jugde`\nhint: did you mean `judge`?"),
        "{error}"
    );
    let error = Folder::new("variant", "[gate]\non-inconclusive = \"wran\"\n").error(&[]);
    assert!(
        error.contains("llmtest.toml:2: unknown value `wran`\nhint: did you mean `warn`?"),
        "{error}"
    );
    let error = Folder::new("env", "").error(&[("LLMTEST_CONCURENCY", "m")]);
    assert!(
        error.starts_with(
            "unknown environment variable `LLMTEST_CONCURENCY`\nhint: did you mean `LLMTEST_CONCURRENCY`?"
        ),
        "{error}"
    );
}

#[test]
fn a_key_in_the_wrong_place_is_not_shown() {
    for toml in [
        "[judge]\napi-key = \"sk-123456\"\n",
        "[judge]\napi-key-env = \"sk-123456\"\n",
        "[judge]\nbase-url = \"sk-123456\"\n",
    ] {
        let error = Folder::new("key", toml).error(&[]);
        assert!(
            error.contains("llmtest.toml:2: ")
                && error.contains("hint: ")
                && !error.contains("123456"),
            "{error}"
        );
    }
}

#[test]
fn wrong_values_name_their_place() {
    for (toml, says) in [
        (
            "[judge]\ntimeout = \"soon\"\n",
            "llmtest.toml:2: `soon` is not a time limit",
        ),
        ("[judge]\ntimeout = 60\n", "llmtest.toml:2: "),
        ("[run]\nconcurrency = 0\n", "llmtest.toml:2: "),
        (
            "[gate]\nmargin = 1.5\n",
            "llmtest.toml:2: the margin is 1.5, and must be from 0 to 1",
        ),
        (
            "[gate]\nalpha = 0.0\n",
            "llmtest.toml:2: alpha is 0, and must be between 0 and 0.5",
        ),
        (
            "[redact]\npatterns = [\"(\"]\n",
            "llmtest.toml:2: `(` is not a regular expression: unclosed group",
        ),
        ("[judge\n", "llmtest.toml:1: "),
    ] {
        let error = Folder::new("wrong", toml).error(&[]);
        assert!(error.contains(says), "{error}");
    }
    let folder = Folder::new("wrong-env", "");
    for (name, value) in [
        ("LLMTEST_MODE", "reply"),
        ("LLMTEST_CONCURRENCY", "0"),
        ("LLMTEST_RETRIES", "-1"),
        ("LLMTEST_TIMEOUT", "1 year"),
        ("LLMTEST_FAILED", "maybe"),
        ("LLMTEST_SHOW", "some"),
        ("LLMTEST_DECISIONS", "probability"),
        ("LLMTEST_RUN_ID", "../up"),
        ("LLMTEST_BASE_URL", "localhost"),
        ("LLMTEST_API_KEY_ENV", "sk-secret"),
    ] {
        let error = folder.error(&[(name, value)]);
        assert!(
            error.starts_with(&format!("`{name}`")) && error.contains("hint: "),
            "{error}"
        );
    }
}

#[test]
fn blame_is_causal_where_the_file_or_the_environment_says_so() {
    let folder = Folder::new("blame", "[blame]\ncausal = true\nmax = 5\n");
    let blame = |vars: &[(&str, &str)]| folder.load(vars).map(|config| config.blame);
    let asked = blame(&[]).unwrap();
    assert_eq!((asked.causal, asked.max), (true, 5));
    assert!(!blame(&[("LLMTEST_BLAME", "table")]).unwrap().causal);
    let error = blame(&[("LLMTEST_BLAME", "casual")]).unwrap_err();
    assert!(error.to_string().contains("`casual`"), "{error}");
    let none = Folder::new("no_blame", "[blame]\nmax = 0\n").load(&[]);
    assert!(none.is_err(), "at least one");
}

#[test]
fn verdicts_come_from_probabilities_where_the_file_or_the_environment_says_so() {
    let folder = Folder::new("decisions", "[judge]\ndecisions = \"probabilities\"\n");
    let decisions = |vars: &[(&str, &str)]| folder.load(vars).unwrap().decisions;
    assert_eq!(decisions(&[]), Decisions::by_probability());
    assert_eq!(decisions(&[("LLMTEST_DECISIONS", "text")]), Decisions::Text);
    let plain = Folder::new("no_decisions", "").load(&[]).unwrap();
    assert_eq!(plain.decisions, Decisions::Text);
}

#[test]
fn a_url_is_shown_without_user_and_password() {
    let config = Folder::new("url", "")
        .load(&[(
            "LLMTEST_BASE_URL",
            "http://me:hunter2hunter2@[::1]:80/v1?x=y",
        )])
        .unwrap();
    assert_eq!(config.judge.shown_url(), "http://[::1]:80/v1");
    assert!(config.judge.is_local());
    assert_eq!(config.redactor.scrub("pw hunter2hunter2"), "pw [redacted]");
}

#[test]
fn the_documentation_names_every_variable_and_the_true_defaults() {
    let text = include_str!("../../../CONFIGURATION.md");
    for (name, _) in env::VARIABLES {
        assert!(
            text.contains(&format!("`{name}`")),
            "{name} is not documented"
        );
    }
    let toml = text
        .split("```toml")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let folder = Folder::new("documented", toml);
    let shown = |config: Config| {
        let gate = format!("{:?}{:?}", config.gate, config.blame);
        (
            format!("{:?}{:?}", config.judge, config.embedder),
            gate,
            config.concurrency,
            config.timeout,
            config.recordings,
        )
    };
    let documented = shown(folder.load(&[]).unwrap());
    std::fs::write(folder.0.join(FILE), "").unwrap();
    assert_eq!(documented, shown(folder.load(&[]).unwrap()));
}

#[test]
fn sizes_are_bytes_or_have_a_unit() {
    let limits = |toml: &str| {
        let table = format!("[observe]\n{toml}");
        Folder::new("sizes", &table)
            .load(&[])
            .map(|config| config.limits)
    };
    let defaults = crate::observe::Limits::default();
    assert_eq!(limits("").unwrap(), defaults);
    assert_eq!((defaults.value, defaults.case), (262_144, 16_777_216));
    for (text, bytes) in [
        ("\"64KiB\"", 65_536),
        ("\"1 MiB\"", 1_048_576),
        ("\"2kB\"", 2000),
        ("\"4096\"", 4096),
        ("5000", 5000),
    ] {
        assert_eq!(limits(&format!("max-value = {text}")).unwrap().value, bytes);
        assert_eq!(limits(&format!("max-case = {text}")).unwrap().case, bytes);
    }
    for (text, words) in [
        (
            "\"many\"",
            "`many` is no size\nhint: write a number of bytes",
        ),
        ("\"1.5MiB\"", "`1.5MiB` is no size"),
        ("\"99999999999GiB\"", "is no size"),
        ("100", "the size is 100 bytes, and must be at least 1 KiB"),
        ("true", "expected a size such as `\"256KiB\"`"),
        ("-5", "expected a size"),
    ] {
        let error = limits(&format!("max-value = {text}"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("llmtest.toml:2: ") && error.contains(words),
            "{text}: {error}"
        );
    }
}

#[test]
fn calls_at_once_are_a_number_or_a_word_and_calls_a_minute_a_number() {
    let text =
        "[judge]\nmax-in-flight = \"adaptive\"\nrequests-per-minute = 60\ndeadline = \"2m\"\n";
    let folder = Folder::new("in-flight", text);
    let judge = folder.load(&[]).unwrap().judge;
    assert_eq!(judge.max_in_flight, MaxInFlight::Adaptive);
    assert_eq!(
        (judge.requests_per_minute, judge.tokens_per_minute),
        (Some(60), None)
    );
    assert_eq!(judge.deadline, Duration::from_secs(120));
    let vars = [
        ("LLMTEST_MAX_IN_FLIGHT", "3"),
        ("LLMTEST_TOKENS_PER_MINUTE", "90000"),
        ("LLMTEST_JUDGE_DEADLINE", "5s"),
    ];
    let judge = folder.load(&vars).unwrap().judge;
    assert_eq!(MaxInFlight::parse("3"), Some(judge.max_in_flight));
    assert_eq!(judge.tokens_per_minute, Some(90_000));
    assert_eq!(judge.deadline, Duration::from_secs(5));
    for (vars, words) in [
        (("LLMTEST_MAX_IN_FLIGHT", "many"), "or to `adaptive`"),
        (
            ("LLMTEST_REQUESTS_PER_MINUTE", "0"),
            "a whole number from 1",
        ),
        (
            ("LLMTEST_JUDGE_DEADLINE", "5000000000000000h"),
            "is not a time limit",
        ),
    ] {
        let error = folder.load(&[vars]).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    for (value, words) in [
        ("\"some\"", "or `\"adaptive\"`"),
        ("0", "a whole number from 1"),
    ] {
        let folder = Folder::new(
            "in-flight-wrong",
            &format!("[judge]\nmax-in-flight = {value}\n"),
        );
        let error = folder.load(&[]).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn a_run_to_resume_is_a_name_and_the_branch_is_that_of_the_pull_request() {
    let folder = Folder::new("resume", "");
    let config = folder
        .load(&[
            ("LLMTEST_RESUME", "last"),
            ("GITHUB_HEAD_REF", "fix"),
            ("GITHUB_REF_NAME", "12/merge"),
            ("CI_COMMIT_SHA", "0123abcd"),
            ("CARGO_PKG_VERSION", "0.3.1"),
        ])
        .unwrap();
    assert_eq!(config.resume.as_deref(), Some("last"));
    assert_eq!(config.git.branch.as_deref(), Some("fix"));
    assert_eq!(config.git.commit.as_deref(), Some("0123abcd"));
    assert_eq!(config.version.as_deref(), Some("0.3.1"));
    let pushed = [("GITHUB_HEAD_REF", ""), ("GITHUB_REF_NAME", "main")];
    let config = folder.load(&pushed).unwrap();
    assert_eq!(config.git.branch.as_deref(), Some("main"));
    assert_eq!(config.git.commit, None);
    let error = folder.error(&[("LLMTEST_RESUME", "../x")]);
    assert!(
        error.starts_with("`LLMTEST_RESUME` is set to `../x`"),
        "{error}"
    );
}
