//! A judge's server that takes only so many calls at once, and counts them.

use crate::mock::{Answer, MockServer};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A server that grades, each reply after the same time, and answers 429 while it is full.
#[derive(Debug)]
pub struct Crowd {
    server: MockServer,
    seen: Arc<Mutex<Seen>>,
}

/// What the server has seen.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    inside: usize,
    /// The most calls that were in it at once, those that it refused among them.
    pub most: usize,
    /// When it was asked first.
    pub first: Option<Instant>,
    /// When it answered each call that it took.
    pub answered: Vec<Instant>,
    /// When it refused each of the others.
    pub refused: Vec<Instant>,
}

impl Seen {
    /// From the first call to the last answer.
    pub fn took(&self) -> Duration {
        let last = self.answered.iter().max();
        last.zip(self.first)
            .map_or(Duration::ZERO, |(last, first)| *last - first)
    }

    /// The share of the calls from this time on that were refused.
    pub fn refused_share(&self, from: Duration) -> f64 {
        let Some(first) = self.first else { return 0.0 };
        let late = |at: &[Instant]| at.iter().filter(|at| **at - first >= from).count() as f64;
        let (refused, answered) = (late(&self.refused), late(&self.answered));
        refused / (refused + answered).max(1.0)
    }
}

impl Crowd {
    /// Takes so many calls at once.
    ///
    /// # Panics
    ///
    /// When it cannot start.
    pub fn start(takes: usize, answers_in: Duration) -> Self {
        let seen = Arc::<Mutex<Seen>>::default();
        let log = seen.clone();
        let server = MockServer::start(move |_, _| {
            let seen = || log.lock().unwrap_or_else(PoisonError::into_inner);
            {
                let mut seen = seen();
                let now = Instant::now();
                seen.first.get_or_insert(now);
                seen.most = seen.most.max(seen.inside + 1);
                if seen.inside >= takes {
                    seen.refused.push(now);
                    return Answer::error(429, "too many calls at once");
                }
                seen.inside += 1;
            }
            std::thread::sleep(answers_in);
            let mut seen = seen();
            seen.inside -= 1;
            seen.answered.push(Instant::now());
            Answer::grade(9)
        });
        Self { server, seen }
    }

    /// The server.
    pub fn server(&self) -> &MockServer {
        &self.server
    }

    /// What it has seen so far.
    pub fn seen(&self) -> Seen {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}
