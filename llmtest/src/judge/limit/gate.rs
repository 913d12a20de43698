//! Where calls wait for their places.

use super::controller::{Ended, Rule};
use super::shared::{Folder, Store};
use super::state::{Asker, Lease, Need, Rates, Wait};
use crate::cost::LimitReport;
use crate::runtime;
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::{Mutex as Turnstile, Notify};

/// How often the state is looked at while other processes may change it, in milliseconds: from, and how many more.
const LOOK: (u64, u64) = (10, 40);
/// How often dead processes are looked for.
const REAP: Duration = Duration::from_millis(300);

/// The entrance to one server and model. Calls of this process wait in the order in which they came, but those that were
/// sent back go before those that were never sent; only the first in the line asks for a place.
#[derive(Debug)]
pub(in crate::judge) struct Gate {
    store: Store,
    /// What the server is called in messages.
    title: String,
    /// Its key, under which headers are remembered.
    pub(super) key: String,
    rule: Rule,
    rates: Rates,
    lease: u64,
    /// Those that were never sent; then all.
    lines: [Turnstile<()>; 2],
    /// A call of this process has ended.
    freed: Notify,
    /// Calls that have ended, of all gates.
    answered: Arc<AtomicU64>,
    /// As many had ended in all processes when this one last looked.
    seen: AtomicU64,
    reaped: Mutex<Option<Instant>>,
}

/// Nobody had a place for this long.
#[derive(Debug, Clone, Copy)]
pub(in crate::judge) struct Stuck {
    /// How many calls are in flight.
    pub(in crate::judge) in_flight: usize,
}

/// What a call that was refused is told.
#[derive(Debug, Clone, Copy)]
pub(in crate::judge) struct Left {
    /// Whether the server let nobody in who was in flight with this call.
    pub(in crate::judge) barren: bool,
    /// Whether it is no use to wait for it.
    pub(in crate::judge) given_up: bool,
}

/// What is known of a server before its first call.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) title: String,
    pub(super) key: String,
    pub(super) rule: Rule,
    pub(super) rates: Rates,
    pub(super) lease: Duration,
}

impl Gate {
    pub(super) fn new(
        settings: Settings,
        folder: Option<Arc<Folder>>,
        answered: Arc<AtomicU64>,
    ) -> Self {
        let Settings {
            title,
            key,
            rule,
            rates,
            lease,
        } = settings;
        let hash = llmtest_metrics::hash::short(key.as_bytes());
        Self {
            store: Store::new(folder, &hash),
            title,
            key,
            rule,
            rates,
            lease: millis(lease),
            lines: [Turnstile::new(()), Turnstile::new(())],
            freed: Notify::new(),
            answered,
            seen: AtomicU64::new(0),
            reaped: Mutex::default(),
        }
    }

    /// Waits for a place, for as long as calls end. `again` is for a call that was sent back. An error when for `patience`
    /// no call has ended anywhere, or at the moment `until`.
    pub(in crate::judge) async fn enter(
        self: &Arc<Self>,
        need: Need,
        again: bool,
        patience: Duration,
        until: Option<Instant>,
    ) -> Result<Permit, Stuck> {
        let line = async {
            let fresh = if again {
                None
            } else {
                Some(self.lines[0].lock().await)
            };
            (fresh, self.lines[1].lock().await)
        };
        let _first = match until {
            Some(until) => match timed(left(until), line).await {
                Some(first) => first,
                None => return Err(self.stuck()),
            },
            None => line.await,
        };
        let (mut alive, mut busy) = (Instant::now(), None::<Instant>);
        loop {
            let freed = self.freed.notified();
            let now = millis_now();
            let before = self.seen.load(Ordering::Relaxed);
            let tried = self.store.try_change(|state, owner| {
                let entered = state.enter(now, &self.asker(owner), need);
                (entered, state.controller.ended())
            });
            let wait = match tried {
                Ok((Ok(lease), _)) => return Ok(Permit::new(self.clone(), lease)),
                Ok((Err(wait), ended)) => {
                    busy = None;
                    if self.seen.swap(ended, Ordering::Relaxed) != before {
                        // Others are answered: a sign of life.
                        self.answered.fetch_add(1, Ordering::Relaxed);
                        alive = Instant::now();
                    }
                    wait
                }
                Err(_) => {
                    if busy.get_or_insert_with(Instant::now).elapsed() > Duration::from_secs(5) {
                        self.store.do_without();
                    }
                    Wait::For(2)
                }
            };
            if alive.elapsed() > patience || until.is_some_and(|until| Instant::now() >= until) {
                return Err(self.stuck());
            }
            if wait == Wait::Place {
                self.reap_sometimes();
            }
            timed(self.pause(wait, until), freed).await;
        }
    }

    /// How long to wait before the state is looked at again.
    fn pause(&self, wait: Wait, until: Option<Instant>) -> Duration {
        let look = LOOK.0 + u64::from(jitter()) % LOOK.1;
        let pause = match wait {
            // Other processes may hear of it earlier than this one.
            Wait::For(wait) if self.store.is_shared() => wait.clamp(1, 200 + look),
            Wait::For(wait) => wait.clamp(1, 1000),
            Wait::Place if self.store.is_shared() => look,
            Wait::Place => 1000,
        };
        until.map_or(Duration::from_millis(pause), |until| {
            left(until).min(Duration::from_millis(pause))
        })
    }

    fn reap_sometimes(&self) {
        let mut reaped = self.reaped.lock().unwrap_or_else(PoisonError::into_inner);
        if reaped.is_none_or(|last| last.elapsed() > REAP) {
            *reaped = Some(Instant::now());
            drop(reaped);
            self.store.reap();
        }
    }

    /// How the limit changed since, and what was refused; nothing where neither was so. Blocks its thread.
    pub(super) fn report(&self, since: u64) -> Option<LimitReport> {
        let controller = self.store.look()?.controller;
        let shared = self.store.is_shared();
        // What changed before was seen by the processes that ran then.
        let changes = controller.changes().iter().copied();
        let changes = changes.filter(|change| !shared || change.at >= since);
        let some = controller.refused() > 0 || !controller.changes().is_empty();
        some.then(|| LimitReport {
            id: llmtest_metrics::hash::short(self.key.as_bytes()),
            of: self.title.clone(),
            calls: controller.ended(),
            refused: controller.refused(),
            limit: controller.limit(),
            most: controller.most(),
            barren: controller.is_barren(),
            shared,
            changes: changes.collect(),
        })
    }

    fn stuck(&self) -> Stuck {
        let in_flight = self.store.try_change(|state, _| state.in_flight());
        Stuck {
            in_flight: in_flight.unwrap_or_default(),
        }
    }

    fn asker<'a>(&'a self, owner: &'a str) -> Asker<'a> {
        Asker {
            owner,
            rule: &self.rule,
            rates: self.rates,
            lease: self.lease,
        }
    }

    /// What the server is called.
    pub(in crate::judge) fn title(&self) -> &str {
        &self.title
    }

    /// Ends a call. Short where nobody else has the state, else on a thread that may block.
    fn leave(self: Arc<Self>, lease: Lease, how: Ended, used: Option<(f64, f64)>) -> Option<Left> {
        self.answered.fetch_add(1, Ordering::Relaxed);
        let now = millis_now();
        let spent = super::quota::spent_until(&self.key);
        let gate = self.clone();
        let change = move |state: &mut super::state::State, owner: &str| {
            let asker = gate.asker(owner);
            state.leave(now, &asker, &lease, how, used);
            if let Some(until) = spent {
                state.spent(now, until);
            }
            Left {
                barren: state.controller.is_barren(),
                given_up: state.controller.is_given_up(asker.rule),
            }
        };
        let mut change = Some(change);
        for _ in 0..20 {
            let tried = self
                .store
                .try_change(|state, owner| change.take().map(|change| change(state, owner)));
            if let Ok(left) = tried {
                self.freed.notify_one();
                return left;
            }
            std::thread::yield_now();
        }
        let change = change?;
        runtime::handle().spawn_blocking(move || {
            self.store.change(|state, owner| {
                change(state, owner);
            });
            self.freed.notify_one();
        });
        None
    }
}

/// A place. It is given back when it is dropped, as that of a call that failed.
#[derive(Debug)]
pub(in crate::judge) struct Permit {
    gate: Arc<Gate>,
    lease: Option<Lease>,
}

impl Permit {
    fn new(gate: Arc<Gate>, lease: Lease) -> Self {
        Self {
            gate,
            lease: Some(lease),
        }
    }

    /// The call has ended, and used so many tokens: in all, and for its reply.
    pub(in crate::judge) fn leave(mut self, how: Ended, used: Option<(f64, f64)>) -> Left {
        let lease = self.lease.take();
        let left = lease.and_then(|lease| self.gate.clone().leave(lease, how, used));
        left.unwrap_or(Left {
            barren: false,
            given_up: false,
        })
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            self.gate.clone().leave(lease, Ended::Failed, None);
        }
    }
}

/// What the future gives within this time. The clock is that of our runtime, whichever one polls this.
pub(in crate::judge) async fn timed<T>(
    limit: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    let timeout = {
        let _inside = runtime::handle().enter();
        tokio::time::timeout(limit, future)
    };
    timeout.await.ok()
}

/// The time until then.
pub(in crate::judge) fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

pub(super) fn millis_now() -> u64 {
    millis(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    )
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A number that differs between processes and moments; nothing but waits depends on it.
fn jitter() -> u32 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    now.subsec_nanos().wrapping_mul(2_654_435_761) ^ std::process::id().wrapping_mul(40_503)
}
