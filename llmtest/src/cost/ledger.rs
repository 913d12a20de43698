//! What a run has spent, in a file that all of its processes share.
//!
//! A line before every call says what it may cost at most, and one after it what it did cost. Whoever wants to spend holds
//! the lock of the file, reads what the others have added, decides, and adds a line.

use super::budget::{Amount, Budget};
use super::money::Money;
use crate::locks::Patience;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// One line: with accounts, what a call may cost; without, what it did.
#[derive(Serialize, Deserialize)]
struct Line {
    id: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    of: Vec<String>,
    /// In millionths of a millionth of a dollar.
    #[serde(default)]
    money: u64,
    #[serde(default)]
    tokens: u64,
    /// Whether the call was made.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    called: bool,
}

/// What an account has spent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) amount: Amount,
    pub(super) calls: u64,
}

/// Whether a call may be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// It may; its name in the file.
    Held(String),
    /// Not before others have ended.
    Wait,
    /// It may not: the n-th account, and what that has spent.
    Passed(usize, Spent),
}

pub(super) struct Ledger {
    path: PathBuf,
    patience: Patience,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    file: Option<File>,
    /// How far the file has been read.
    read: u64,
    accounts: BTreeMap<String, Spent>,
    open: BTreeMap<String, (Vec<String>, Amount)>,
    /// Those of them that this process makes.
    own: BTreeSet<String>,
    /// Calls of other processes that will not end any more: what they may have cost is taken as spent.
    stale: BTreeSet<String>,
    next: u64,
}

impl Ledger {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            patience: Patience::default(),
            state: Mutex::default(),
        }
    }

    /// Asks for an amount in the name of these accounts.
    pub(super) fn hold(&self, accounts: &[(String, Budget)], own: Amount) -> io::Result<Answer> {
        self.locked(|state| {
            let mut wait = false;
            for (n, (account, budget)) in accounts.iter().enumerate() {
                let spent = state.spent(account);
                if budget.is_passed_by(spent.amount + own) {
                    return Ok((Answer::Passed(n, spent), None));
                }
                wait |= budget.is_passed_by(spent.amount + state.held(account) + own);
            }
            if wait {
                return Ok((Answer::Wait, None));
            }
            let id = loop {
                state.next += 1;
                let id = format!("{}-{}", std::process::id(), state.next);
                // In a run that is resumed, a process may have the number of one that was killed.
                if !state.open.contains_key(&id) {
                    break id;
                }
            };
            state.own.insert(id.clone());
            let line = Line {
                id: id.clone(),
                of: accounts.iter().map(|(name, _)| name.clone()).collect(),
                money: own.money.as_units(),
                tokens: own.tokens,
                called: false,
            };
            Ok((Answer::Held(id), Some(line)))
        })
    }

    /// Says what a call did cost; nothing where it was not made.
    pub(super) fn settle(&self, id: String, amount: Option<Amount>) -> io::Result<()> {
        let called = amount.is_some();
        let Amount { money, tokens } = amount.unwrap_or_default();
        self.locked(|state| {
            state.own.remove(&id);
            let line = Line {
                id,
                of: Vec::new(),
                money: money.as_units(),
                tokens,
                called,
            };
            Ok(((), Some(line)))
        })
    }

    /// What an account has spent so far, in all processes.
    pub(super) fn spent(&self, account: &str) -> io::Result<Spent> {
        if !self.path.exists() {
            return Ok(Spent::default());
        }
        self.locked(|state| Ok((state.spent(account), None)))
    }

    /// Takes all calls that are under way elsewhere as ended, with all they may have cost.
    pub(super) fn give_up(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let others = state.open.keys().filter(|id| !state.own.contains(*id));
        let others: Vec<_> = others.cloned().collect();
        state.stale.extend(others);
    }

    fn open(&self) -> io::Result<File> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut options = OpenOptions::new();
        options.create(true).read(true).append(true);
        options.open(&self.path)
    }

    fn locked<T>(
        &self,
        decide: impl FnOnce(&mut State) -> io::Result<(T, Option<Line>)>,
    ) -> io::Result<T> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let known = state.file.take();
        let mut file = known.map_or_else(|| self.open(), Ok)?;
        self.patience.lock(&file)?;
        let done = state.take_over(&mut file).and_then(|()| {
            let (answer, line) = decide(&mut state)?;
            if let Some(line) = line {
                let text = serde_json::to_string(&line)? + "\n";
                file.write_all(text.as_bytes())?;
                state.read += text.len() as u64;
                state.add(line);
            }
            Ok(answer)
        });
        file.unlock()?;
        state.file = Some(file);
        done
    }
}

impl State {
    /// Reads what has been added since.
    fn take_over(&mut self, file: &mut File) -> io::Result<()> {
        let mut text = Vec::new();
        file.seek(SeekFrom::Start(self.read))?;
        file.read_to_end(&mut text)?;
        self.read += text.len() as u64;
        for line in text.split(|byte| *byte == b'\n') {
            if let Ok(line) = serde_json::from_slice(line) {
                self.add(line);
            }
        }
        if text.last().is_some_and(|last| *last != b'\n') {
            // A process was killed in the middle of a line.
            file.write_all(b"\n")?;
            self.read += 1;
        }
        Ok(())
    }

    fn add(&mut self, line: Line) {
        let amount = Amount {
            money: Money::units(line.money),
            tokens: line.tokens,
        };
        if !line.of.is_empty() {
            self.open.insert(line.id, (line.of, amount));
            return;
        }
        self.stale.remove(&line.id);
        let Some((accounts, _)) = self.open.remove(&line.id) else {
            return;
        };
        for account in accounts {
            let spent = self.accounts.entry(account).or_default();
            spent.amount = spent.amount + amount;
            spent.calls += u64::from(line.called);
        }
    }

    fn spent(&self, account: &str) -> Spent {
        let mut spent = self.accounts.get(account).copied().unwrap_or_default();
        spent.amount = spent.amount + self.sum(account, true);
        spent
    }

    /// What calls under way may cost.
    fn held(&self, account: &str) -> Amount {
        self.sum(account, false)
    }

    fn sum(&self, account: &str, stale: bool) -> Amount {
        let open = self.open.iter().filter(|(id, (of, _))| {
            self.stale.contains(*id) == stale && of.iter().any(|name| name == account)
        });
        open.fold(Amount::default(), |sum, (_, (_, amount))| sum + *amount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cents(cents: u64) -> Amount {
        Amount {
            money: Money::units(cents * 10_000_000_000),
            tokens: cents,
        }
    }

    fn at(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("llmtest-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder.join("budget.ledger")
    }

    fn id(answer: Answer) -> String {
        match answer {
            Answer::Held(id) => id,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn two_ledgers_of_one_file_spend_together() {
        let path = at("ledger");
        let (one, two) = (Ledger::new(path.clone()), Ledger::new(path.clone()));
        let run = [("run".to_string(), Budget::parse("$0.10").unwrap())];
        let first = id(one.hold(&run, cents(6)).unwrap());
        assert_eq!(two.hold(&run, cents(6)).unwrap(), Answer::Wait);
        one.settle(first, Some(cents(3))).unwrap();
        // Another process would have another number.
        two.state.lock().unwrap().next = 100;
        let second = id(two.hold(&run, cents(6)).unwrap());
        let spent = |calls, amount| Spent { amount, calls };
        assert_eq!(one.spent("run").unwrap(), spent(1, cents(3)));
        two.settle(second, Some(cents(6))).unwrap();
        let nine = spent(2, cents(9));
        assert_eq!(one.hold(&run, cents(2)).unwrap(), Answer::Passed(0, nine));
        let third = id(one.hold(&run, cents(1)).unwrap());
        one.settle(third, None).unwrap();
        assert_eq!(two.spent("run").unwrap(), nine, "a call that was not made");
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_process_that_never_lets_the_lock_go_stops_nobody_for_ever() {
        let path = at("ledger-held");
        let run = [("run".to_string(), Budget::Tokens(10))];
        let ledger = Ledger::new(path.clone());
        let first = id(ledger.hold(&run, cents(1)).unwrap());
        let stopped = File::open(&path).unwrap();
        stopped.lock().unwrap();
        for _ in 0..3 {
            let error = ledger.hold(&run, cents(1)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        }
        stopped.unlock().unwrap();
        ledger.settle(first, Some(cents(1))).unwrap();
        assert_eq!(ledger.spent("run").unwrap().amount, cents(1));
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn a_process_with_the_number_of_a_killed_one_goes_on_with_its_budget() {
        let path = at("ledger-resumed");
        let run = [("run".to_string(), Budget::Tokens(10))];
        let killed = Ledger::new(path.clone());
        id(killed.hold(&run, cents(4)).unwrap());
        id(killed.hold(&run, cents(4)).unwrap());
        drop(killed);
        let resumed = Ledger::new(path.clone());
        assert_eq!(resumed.hold(&run, cents(3)).unwrap(), Answer::Wait);
        let own = id(resumed.hold(&run, cents(2)).unwrap());
        resumed.give_up();
        let spent = resumed.spent("run").unwrap();
        assert_eq!(spent.amount.tokens, 8, "its own call is under way");
        resumed.settle(own, Some(cents(1))).unwrap();
        assert_eq!(resumed.spent("run").unwrap().amount.tokens, 9);
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }

    #[test]
    fn what_a_killed_process_left_is_spent_in_the_end() {
        let path = at("ledger-killed");
        let ledger = Ledger::new(path.clone());
        let run = [("run".to_string(), Budget::Tokens(10))];
        ledger.spent("run").unwrap();
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let left = r#"{"id":"x-1","of":["run"],"money":0,"tokens":8}"#;
        std::fs::write(&path, format!("{left}\n{{\"id\":\"x-2\",\"of")).unwrap();
        assert_eq!(ledger.hold(&run, cents(3)).unwrap(), Answer::Wait);
        ledger.give_up();
        let passed = ledger.hold(&run, cents(3)).unwrap();
        assert!(matches!(passed, Answer::Passed(0, spent) if spent.amount.tokens == 8));
        let held = id(ledger.hold(&run, cents(2)).unwrap());
        ledger.settle(held, Some(cents(2))).unwrap();
        assert_eq!(
            Ledger::new(path.clone())
                .spent("run")
                .unwrap()
                .amount
                .tokens,
            2
        );
        std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    }
}
