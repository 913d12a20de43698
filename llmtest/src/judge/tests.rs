use super::*;
use crate::config;
use llmtest_metrics::FakeJudge;
use std::future::Future;
use std::path::PathBuf;
use std::pin::pin;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Judges with a folder of their own, removed at the end.
pub(super) struct Bench {
    pub(super) judges: Judges,
    pub(super) recordings: Arc<Recordings>,
    pub(super) dir: PathBuf,
}

impl Bench {
    pub(super) fn new(name: &str, vars: &[(&str, &str)]) -> Self {
        let dir = std::env::temp_dir().join(format!("llmtest-judge-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let vars: Vec<_> = vars
            .iter()
            .map(|(name, value)| ((*name).to_string(), (*value).to_string()))
            .collect();
        let config = config::load(&dir, &vars, dir.clone()).unwrap();
        let recordings = Arc::new(Recordings::new(&config));
        Self {
            judges: Judges::new(&config, recordings.clone(), Arc::new(config.till(&dir))),
            recordings,
            dir,
        }
    }

    pub(super) fn recorded(&self, file: &str) -> String {
        std::fs::read_to_string(self.dir.join("recordings").join(file)).unwrap_or_default()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Any executor: this one has no timers, no sockets and nothing of tokio.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

crate::judge!("house", || FakeJudge::new()
    .when("sky", r#"{"answer": "yes"}"#));
crate::judge!("twice", FakeJudge::new);
crate::judge!("twice", FakeJudge::new);
crate::judge!("broken", || -> FakeJudge { panic!("no gateway") });

#[test]
fn a_registered_judge_is_found_by_name_and_recorded() {
    let bench = Bench::new("named", &[("LLMTEST_JUDGE", "house")]);
    let prompt = Prompt::new("colour/ask", "Is the sky blue?");
    let judge = bench.judges.standard().unwrap();
    assert!(!block_on(judge.complete(&prompt)).unwrap().replayed);
    assert!(block_on(judge.complete(&prompt)).unwrap().replayed);
    assert!(
        bench
            .recorded("judge/colour.jsonl")
            .contains(r#""model":"fake""#)
    );
    assert_eq!(bench.judges.answered(), 1);
    let chosen = bench.judges.choose(&"house".into()).unwrap();
    assert!(block_on(chosen.complete(&prompt)).unwrap().replayed);
}

#[test]
fn a_name_that_is_wrong_says_what_there_is() {
    let bench = Bench::new("unknown", &[]);
    let error = |name: &str| bench.judges.choose(&name.into()).unwrap_err().to_string();
    assert_eq!(
        error("hose"),
        "no judge is named `hose`\nhint: did you mean `house`? known: `broken`, `house`, `twice`, `twice`"
    );
    assert!(error("twice").starts_with("two judges are named `twice`: "));
    assert!(error("broken").ends_with("panicked when it was made: no gateway"));
    let nobody = registered("house", std::iter::empty())
        .unwrap_err()
        .to_string();
    assert!(
        nobody.contains("hint: register it with `llmtest::judge!(\"house\", || …);`"),
        "{nobody}"
    );
}

#[test]
fn a_judge_of_the_test_is_used_as_it_is() {
    let bench = Bench::new("own", &[]);
    let judge = bench
        .judges
        .choose(&FakeJudge::new().reply("one").into())
        .unwrap();
    assert_eq!(
        block_on(judge.complete(&Prompt::new("a/b", "x")))
            .unwrap()
            .text,
        "one"
    );
    assert!(!bench.dir.join("recordings").exists());
}

#[test]
fn without_a_judge_the_three_ways_out_are_named() {
    let bench = Bench::new("nokey", &[]);
    let judge = bench.judges.standard().unwrap();
    assert_eq!(judge.model(), "gpt-4.1-mini");
    let error = block_on(judge.complete(&Prompt::new("a/b", "x")))
        .unwrap_err()
        .to_string();
    for way in [
        "set `OPENAI_API_KEY`",
        "LLMTEST_BASE_URL=http://127.0.0.1:",
        "LLMTEST_MODE=replay",
    ] {
        assert!(error.contains(way), "{error}");
    }
}

/// Counts how many calls are in it at once. Its first three wait for each
/// other, so that they are in it together on a busy machine, too.
struct Crowd {
    first: tokio::sync::Barrier,
    inside: AtomicU64,
    most: Arc<AtomicU64>,
    calls: Arc<AtomicU64>,
}

impl Judge for Crowd {
    fn model(&self) -> &'static str {
        "crowd"
    }

    async fn complete(&self, _prompt: &Prompt) -> Result<Reply> {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(inside, Ordering::SeqCst);
        if self.calls.fetch_add(1, Ordering::SeqCst) < 3 {
            self.first.wait().await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        self.inside.fetch_sub(1, Ordering::SeqCst);
        Ok(Reply::new("ok"))
    }
}

#[test]
fn calls_in_flight_are_bounded_and_equal_requests_made_once() {
    let bench = Bench::new("crowd", &[("LLMTEST_MAX_IN_FLIGHT", "3")]);
    let (most, calls) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let gate = (bench.judges.gates).of_registered("crowd", &bench.judges.config);
    let crowd = Crowd {
        first: tokio::sync::Barrier::new(3),
        inside: AtomicU64::new(0),
        most: most.clone(),
        calls: calls.clone(),
    };
    let judge = bench.judges.wrapped(crowd.into(), gate);
    block_on(async {
        let tasks: Vec<_> = (0..40)
            .map(|n| {
                let judge = judge.clone();
                crate::runtime::handle().spawn(async move {
                    judge
                        .complete(&Prompt::new("a/b", format!("{}", n % 20)))
                        .await
                        .unwrap()
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    assert_eq!(most.load(Ordering::SeqCst), 3);
    assert_eq!(calls.load(Ordering::SeqCst), 20);
    bench.recordings.finish().unwrap();
    assert_eq!(bench.recorded("judge/a.jsonl").lines().count(), 20);
}

#[test]
fn a_server_and_model_has_one_gate_however_it_is_named() {
    let bench = Bench::new("gates", &[("LLMTEST_MODEL", "groq:m")]);
    let judges = &bench.judges;
    let standard = judges.gates.of_server(&judges.config);
    let named = judges.of_provider("groq:m").unwrap();
    assert!(Arc::ptr_eq(&standard, &judges.gates.of_server(&named)));
    for other in ["groq:n", "xai:m"] {
        let other = judges.of_provider(other).unwrap();
        assert!(!Arc::ptr_eq(&standard, &judges.gates.of_server(&other)));
    }
    let registered = judges.gates.of_registered("m", &judges.config);
    assert!(!Arc::ptr_eq(&standard, &registered));
}

/// Ends no call before its time.
struct Endless;

impl Judge for Endless {
    fn model(&self) -> &'static str {
        "endless"
    }

    async fn complete(&self, _prompt: &Prompt) -> Result<Reply> {
        std::future::pending().await
    }
}

#[test]
fn a_judge_that_never_answers_and_the_calls_behind_it_end_at_the_deadline() {
    let vars = [
        ("LLMTEST_JUDGE_DEADLINE", "300ms"),
        ("LLMTEST_MAX_IN_FLIGHT", "1"),
    ];
    let bench = Bench::new("endless", &vars);
    let judge = bench.judges.choose(&Endless.into()).unwrap();
    let errors = block_on(async {
        let ask = || {
            let judge = judge.clone();
            crate::runtime::handle()
                .spawn(async move { judge.complete(&Prompt::new("a/b", "x")).await })
        };
        let (first, second) = (ask(), ask());
        [first.await.unwrap(), second.await.unwrap()].map(|ended| ended.unwrap_err().to_string())
    });
    for error in errors {
        assert!(
            error.starts_with("the judge `endless` ")
                && error.contains("within 300ms")
                && error.contains("LLMTEST_JUDGE_DEADLINE"),
            "{error}"
        );
    }
}

#[test]
fn a_judge_that_a_part_brings_along_waits_with_the_others_of_its_name() {
    /// Notes how many calls it had at once.
    #[derive(Clone, Default)]
    struct Busy(Arc<Mutex<(usize, usize)>>);
    impl Judge for Busy {
        fn model(&self) -> &'static str {
            "busy"
        }
        async fn complete(&self, _prompt: &Prompt) -> Result<Reply> {
            let change = |by: isize| {
                let mut calls = self.0.lock().unwrap();
                calls.0 = calls.0.saturating_add_signed(by);
                calls.1 = calls.1.max(calls.0);
            };
            change(1);
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            change(-1);
            Ok(Reply::new("ok"))
        }
    }
    let bench = Bench::new("brought", &[("LLMTEST_MAX_IN_FLIGHT", "1")]);
    let busy = Busy::default();
    let whole = bench.judges.choose(&busy.clone().into()).unwrap();
    let part = bench.judges.brought(&busy.clone().into());
    crate::runtime::handle().block_on(async {
        let calls = [whole.clone(), part.clone(), whole, part].map(|judge| {
            tokio::spawn(async move { judge.complete(&Prompt::new("a/b", "x")).await.map(drop) })
        });
        for call in calls {
            call.await.unwrap().unwrap();
        }
    });
    assert_eq!(*busy.0.lock().unwrap(), (0, 1));
}
