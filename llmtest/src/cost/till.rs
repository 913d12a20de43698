//! Where live calls pay: every one asks here before it is made, and says afterwards what it cost.

use super::budget::{Amount, Budget};
use super::ledger::{Answer, Ledger, Spent};
use super::prices::Prices;
use super::report::BudgetReport;
use super::spending::Spending;
use crate::{observe, runtime};
use llmtest_metrics::{JudgeError, JudgeErrorKind, Usage};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a call waits for others that do not end, before it takes what they may cost as spent.
const PATIENCE: Duration = Duration::from_secs(90);

/// The name of the run's account.
const RUN: &str = "run";

/// The prices and budgets of a run.
pub(crate) struct Till {
    pub(crate) prices: Prices,
    run: Option<Budget>,
    ledger: Arc<Ledger>,
    /// Tests with a budget of their own.
    tests: Mutex<Vec<(String, Budget)>>,
    /// Accounts whose budget kept a call from being made, and how often.
    refused: Mutex<BTreeMap<String, u64>>,
    /// Live calls of embedders, by model.
    embedded: Mutex<BTreeMap<String, Spending>>,
    /// Calls of judges that are in no measurement, by model.
    outside: Mutex<BTreeMap<String, Spending>>,
}

impl Till {
    /// `folder` is the run's, which its processes share.
    pub(crate) fn new(prices: Prices, run: Option<Budget>, folder: &Path) -> Self {
        Self {
            prices,
            run,
            ledger: Arc::new(Ledger::new(folder.join("budget.ledger"))),
            tests: Mutex::default(),
            refused: Mutex::default(),
            embedded: Mutex::default(),
            outside: Mutex::default(),
        }
    }

    /// The number of a test's own account, for [`CaseContext::charge`](observe::CaseContext::charge).
    pub(crate) fn account(&self, test: &str, budget: Budget) -> usize {
        let mut tests = lock(&self.tests);
        let name = format!("test {test}");
        let known = tests.iter().position(|(known, _)| *known == name);
        known.unwrap_or_else(|| {
            tests.push((name, budget));
            tests.len() - 1
        })
    }

    /// The accounts that pay for a call which is made here.
    fn payers(&self) -> Vec<(String, Budget)> {
        let run = self.run.map(|budget| (RUN.to_string(), budget));
        let account = observe::current_case().and_then(|case| case.account());
        let test = account.and_then(|account| lock(&self.tests).get(account).cloned());
        run.into_iter().chain(test).collect()
    }

    /// Asks for a call of so many tokens at most; waits where the answer depends on calls that are under way. `None`
    /// where nobody has a budget.
    pub(crate) async fn hold(
        &self,
        model: &str,
        prompt: u64,
        completion: u64,
    ) -> Result<Option<Hold>, JudgeError> {
        let payers = self.payers();
        if payers.is_empty() {
            return Ok(None);
        }
        let money = self
            .prices
            .of(model)
            .and_then(|price| price.at_most(prompt, completion));
        let in_money = payers
            .iter()
            .find(|(_, budget)| matches!(budget, Budget::Money(_)));
        let money = match (money, in_money) {
            (None, Some((_, budget))) => return Err(no_price(model, *budget)),
            (money, _) => money.unwrap_or_default(),
        };
        let amount = Amount {
            money,
            tokens: prompt.saturating_add(completion),
        };
        let since = Instant::now();
        loop {
            let (ledger, asked) = (self.ledger.clone(), payers.clone());
            let asked = runtime::handle().spawn_blocking(move || ledger.hold(&asked, amount));
            let answer = asked.await.map_err(std::io::Error::other).flatten();
            match answer.map_err(|error| unwritable(&error))? {
                Answer::Held(id) => {
                    return Ok(Some(Hold {
                        ledger: self.ledger.clone(),
                        prices: self.prices.clone(),
                        model: model.to_string(),
                        open: Some((id, amount)),
                    }));
                }
                Answer::Passed(n, spent) => {
                    let (name, budget) = &payers[n];
                    *lock(&self.refused).entry(name.clone()).or_default() += 1;
                    return Err(passed(name, *budget, spent, amount));
                }
                Answer::Wait if since.elapsed() > PATIENCE => self.ledger.give_up(),
                Answer::Wait => {}
            }
            let nap = tokio::time::sleep;
            let nap = runtime::handle().spawn(async move { nap(Duration::from_millis(20)).await });
            let _ = nap.await;
        }
    }

    /// Counts a live call of an embedder.
    #[cfg(feature = "http")]
    pub(crate) fn embedded(&self, model: &str, usage: Option<Usage>) {
        let mut embedded = lock(&self.embedded);
        let spending = embedded.entry(model.to_string()).or_default();
        spending.add(usage, self.prices.cost(model, usage, None), false);
    }

    /// Counts calls that no measurement holds.
    pub(crate) fn outside(&self, spending: BTreeMap<String, Spending>) {
        let mut outside = lock(&self.outside);
        for (model, spending) in spending {
            *outside.entry(model).or_default() += spending;
        }
    }

    /// What no measurement holds: calls of judges, and of embedders.
    pub(crate) fn apart(&self) -> (BTreeMap<String, Spending>, BTreeMap<String, Spending>) {
        (lock(&self.outside).clone(), lock(&self.embedded).clone())
    }

    /// How each budget stands.
    pub(crate) fn budgets(&self) -> Vec<BudgetReport> {
        let run = self.run.map(|budget| (RUN.to_string(), budget));
        let all: Vec<_> = run.into_iter().chain(lock(&self.tests).clone()).collect();
        let report = |(of, budget): (String, Budget)| {
            let Spent { amount, calls } = self.ledger.spent(&of).unwrap_or_default();
            BudgetReport {
                budget: budget.to_string(),
                spent: budget.shown(amount),
                cost: amount.money.as_dollars(),
                tokens: amount.tokens,
                calls,
                refused: lock(&self.refused).get(&of).copied().unwrap_or_default(),
                of,
            }
        };
        all.into_iter().map(report).collect()
    }
}

/// What is set aside for a call that is under way. Dropped without a word, it is spent: the call may have been billed.
#[must_use = "what is set aside counts as spent when this is dropped"]
pub(crate) struct Hold {
    ledger: Arc<Ledger>,
    prices: Prices,
    model: String,
    open: Option<(String, Amount)>,
}

impl Hold {
    /// The call was answered. Where it is not known what it cost, all that was set aside is spent.
    pub(crate) async fn settle(mut self, usage: Option<Usage>, said: Option<f64>) {
        if let Some((id, most)) = self.open.take() {
            let money = self.prices.cost(&self.model, usage, said);
            let amount = Amount {
                money: money.unwrap_or(most.money),
                tokens: usage.map_or(most.tokens, Usage::total),
            };
            self.tell(id, Some(amount)).await;
        }
    }

    /// The call was not billed.
    pub(crate) async fn release(mut self) {
        if let Some((id, _)) = self.open.take() {
            self.tell(id, None).await;
        }
    }

    async fn tell(&self, id: String, amount: Option<Amount>) {
        let ledger = self.ledger.clone();
        // What cannot be written stays set aside.
        let told = runtime::handle().spawn_blocking(move || ledger.settle(id, amount));
        let _ = told.await;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if let Some((id, most)) = self.open.take() {
            let _ = self.ledger.settle(id, Some(most));
        }
    }
}

/// About so many tokens are in so many bytes of text: four bytes each, as providers say of English. Other scripts have
/// more bytes a character, and more tokens.
pub(crate) fn about_tokens(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn no_price(model: &str, budget: Budget) -> JudgeError {
    JudgeError::new(
        JudgeErrorKind::Budget,
        format!(
            "the budget is {budget}, and it is not known what `{model}` costs\n\
             hint: set its price in llmtest.toml, in US dollars for a million tokens: `[prices.\"{model}\"]` with `input = …` and `output = …` \
             (0 for a model of your own), or give the budget in tokens, such as `\"200k tokens\"`"
        ),
    )
}

fn passed(account: &str, budget: Budget, spent: Spent, next: Amount) -> JudgeError {
    let (whose, raise) = match account.strip_prefix("test ") {
        Some(_) => (
            "the test's budget",
            "raise `budget` in `#[llm_test(budget = \"…\")]`",
        ),
        None => (
            "the run's budget",
            "raise `budget` under `[cost]` in llmtest.toml (or LLMTEST_BUDGET)",
        ),
    };
    let (calls, next) = (spent.calls, budget.shown(next));
    let spent = budget.shown(spent.amount);
    JudgeError::new(
        JudgeErrorKind::Budget,
        format!(
            "{whose} of {budget} is reached: {spent} spent in {calls} calls, and this one may take {next}\n\
             hint: {raise} and run `LLMTEST_FAILED=1 cargo test`: what is recorded is not paid for again"
        ),
    )
}

fn unwritable(error: &std::io::Error) -> JudgeError {
    JudgeError::new(
        JudgeErrorKind::Budget,
        format!(
            "what the run has spent cannot be kept: {error}\nhint: set LLMTEST_DIR to a folder that can be written"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::priced_for_tests;
    use llmtest_metrics::{Judge, Prompt, Reply, Result};
    use std::sync::atomic::{AtomicU64, Ordering};

    /// Takes as much as was set aside for it, or less.
    struct Dear {
        calls: Arc<AtomicU64>,
        completion: u64,
    }

    impl Judge for Dear {
        fn model(&self) -> &'static str {
            "gpt-4.1-mini"
        }

        async fn complete(&self, _prompt: &Prompt) -> Result<Reply> {
            self.calls.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
            Ok(Reply::new("ok").usage(Usage {
                prompt_tokens: 10,
                completion_tokens: self.completion,
                ..Usage::default()
            }))
        }
    }

    /// Makes 64 calls at once; how many were made, and why others were not.
    fn crowd(
        name: &str,
        budget: &str,
        completion: u64,
    ) -> (u64, Vec<JudgeError>, Vec<BudgetReport>) {
        let folder =
            std::env::temp_dir().join(format!("llmtest-till-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let till = Arc::new(Till::new(Prices::default(), Budget::parse(budget), &folder));
        let calls = Arc::<AtomicU64>::default();
        let dear = Dear {
            calls: calls.clone(),
            completion,
        };
        let judge = priced_for_tests(dear.into(), till.clone());
        let errors = runtime::handle().block_on(async {
            let call = |n: u32| {
                let judge = judge.clone();
                tokio::spawn(async move {
                    let prompt = Prompt::new("a/b", format!("number {n:02}"));
                    judge.complete(&prompt).await.err()
                })
            };
            let tasks: Vec<_> = (0..64).map(call).collect();
            let mut errors = Vec::new();
            for task in tasks {
                let error = task.await.unwrap();
                errors.extend(error.map(|error| *error.downcast::<JudgeError>().unwrap()));
            }
            errors
        });
        let budgets = till.budgets();
        std::fs::remove_dir_all(folder).unwrap();
        (calls.load(Ordering::SeqCst), errors, budgets)
    }

    #[test]
    fn sixty_four_calls_at_once_overshoot_by_nothing() {
        // Each takes 10 × 0.40 + 1,024 × 1.60 dollars a million, and 7 tokens are set aside for its prompt: 30 fit.
        let (made, errors, budgets) = crowd("money", "$0.05", 1020);
        let each = 0.000_001 * (10.0 * 0.40 + 1020.0 * 1.60);
        assert_eq!(made, 30);
        assert_eq!(errors.len() as u64, 64 - made);
        assert!(
            errors
                .iter()
                .all(|error| error.kind == JudgeErrorKind::Budget && !error.is_retryable())
        );
        let text = errors[0].to_string();
        assert!(
            text.starts_with("the run's budget of $0.0500 is reached: $0.0491 spent in 30 calls"),
            "{text}"
        );
        let [run] = budgets.as_slice() else {
            panic!("{budgets:?}")
        };
        assert_eq!((run.calls, run.refused), (made, 64 - made));
        assert!((run.cost - made as f64 * each).abs() < 1e-12 && run.cost <= 0.05);
    }

    #[test]
    fn calls_that_take_less_than_was_set_aside_leave_room_for_others() {
        // 1,031 are set aside and 20 taken: after eight calls 160 + 1,031 fit, after nine 180 + 1,031 do not.
        let (made, errors, budgets) = crowd("tokens", "1200 tokens", 10);
        assert_eq!((made, errors.len()), (9, 55));
        assert_eq!(
            (budgets[0].tokens, budgets[0].spent.as_str()),
            (180, "180 tokens")
        );
    }

    #[test]
    fn a_model_without_a_price_is_an_error_under_a_budget_of_money() {
        let error = no_price("qwen", Budget::parse("$1").unwrap()).to_string();
        assert!(
            error.contains("`[prices.\"qwen\"]`") && error.contains("hint:"),
            "{error}"
        );
    }
}
