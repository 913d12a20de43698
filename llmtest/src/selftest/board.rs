//! Where the parts of a self-test leave what they found, and wait for what others find.

use super::report::SelfTestPart;
use llmtest_metrics::{BoxError, Family, Result};
use std::collections::BTreeMap;
use tokio::sync::watch;

/// A part that makes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Clean,
    Family(Family),
    Nulls,
    Orders,
    Length,
}

/// What the judge thinks of the answers as they are.
#[derive(Debug, Clone, Default)]
pub(super) struct Clean {
    pub(super) judge: String,
    /// For each question that is asked: the wrong answers, by index, that the judge found wrong.
    pub(super) rejected: Vec<Vec<usize>>,
}

type Found = std::result::Result<SelfTestPart, String>;

#[derive(Debug, Default)]
struct State {
    clean: Option<std::result::Result<Clean, String>>,
    parts: BTreeMap<Part, Found>,
}

/// One for each check.
pub(super) struct Board(watch::Sender<State>);

impl Board {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(State::default()))
    }

    pub(super) fn set_clean(&self, clean: Clean) {
        self.0.send_modify(|state| state.clean = Some(Ok(clean)));
    }

    /// What the judge thinks of the answers as they are, once it is known.
    pub(super) async fn clean(&self) -> Result<Clean> {
        let mut seen = self.0.subscribe();
        let state = seen.wait_for(|state| state.clean.is_some()).await?;
        let clean = state.clean.clone();
        drop(state);
        Ok(clean.ok_or("nothing was judged")??)
    }

    /// What this part found, once it is known.
    pub(super) async fn part(&self, part: Part) -> Result<SelfTestPart> {
        let mut seen = self.0.subscribe();
        let state = seen
            .wait_for(|state| state.parts.contains_key(&part))
            .await?;
        let found = state.parts.get(&part).cloned();
        drop(state);
        Ok(found.ok_or("nothing was found")??)
    }

    /// Runs a part, and leaves what it found, also if that is an error, or nothing since it was given up.
    pub(super) async fn run(
        &self,
        part: Part,
        work: impl Future<Output = Result<SelfTestPart>>,
    ) -> Result<SelfTestPart> {
        let mut leaving = Leaving {
            board: self,
            part,
            found: Err("a part of the self-test was given up".to_string()),
        };
        let found = work.await;
        leaving.found = match &found {
            Ok(part) => Ok(part.clone()),
            Err(error) => Err(first_line(error)),
        };
        found
    }
}

struct Leaving<'a> {
    board: &'a Board,
    part: Part,
    found: Found,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.board.0.send_modify(|state| {
            if let (Part::Clean, None, Err(why)) = (self.part, &state.clean, &self.found) {
                state.clean = Some(Err(why.clone()));
            }
            state.parts.insert(self.part, self.found.clone());
        });
    }
}

fn first_line(error: &BoxError) -> String {
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_string()
}
