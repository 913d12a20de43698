//! Waits for the tests, shows how far they are, and outlives Ctrl-C: what was recorded is to be said then, too.

use super::Place;
use super::follow::{Follow, expected};
use super::progress::Bar;
use std::io::{IsTerminal, stderr, stdin};
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How often it is looked whether the tests have ended.
const OFTEN: Duration = Duration::from_millis(20);

/// How often it is looked how far they are.
const SELDOM: Duration = Duration::from_millis(200);

/// How the tests ended.
pub(super) struct Watched {
    pub(super) status: ExitStatus,
    /// Whether somebody stopped them.
    pub(super) stopped: bool,
}

/// Runs the command, whose tests are recorded as the run `id` in `root`. A terminal sends Ctrl-C to the tests as well; a
/// second one ends cargo, whatever it is doing.
pub(super) fn watch(
    command: &mut Command,
    place: &Place,
    root: Option<&Path>,
    id: &str,
) -> std::io::Result<Watched> {
    let asked = interrupts();
    let mut child = command.spawn()?;
    let mut shown =
        root.and_then(|root| Some((root, Bar::on_terminal(place)?, Follow::new(root, id))));
    let (mut began, mut looked) = (None, Instant::now());
    loop {
        if let Some(status) = child.try_wait()? {
            let stopped = status.code().is_none() || asked.load(Ordering::Relaxed) > 0;
            return Ok(Watched { status, stopped });
        }
        if asked.load(Ordering::Relaxed) > 1 {
            let _ = child.kill();
        }
        if let Some((root, bar, follow)) = &mut shown
            && looked.elapsed() >= SELDOM
        {
            let so_far = follow.look();
            // While cargo builds, there is nothing to be said.
            if let Some(process) = &so_far.began {
                let (began, all) = began.get_or_insert_with(|| {
                    let (root, id) = (root.to_path_buf(), id.to_string());
                    let process = process.clone();
                    // The last run may be long.
                    let all = thread::spawn(move || expected(&root, &id, &process));
                    (Instant::now(), Later::Reading(all))
                });
                bar.show(so_far, all.get(), began.elapsed());
            }
            looked = Instant::now();
        }
        thread::sleep(OFTEN);
    }
}

/// What another thread finds out.
enum Later {
    Reading(JoinHandle<Option<usize>>),
    Known(Option<usize>),
}

impl Later {
    fn get(&mut self) -> Option<usize> {
        if let Self::Reading(thread) = self {
            if !thread.is_finished() {
                return None;
            }
            let ended = std::mem::replace(self, Self::Known(None));
            if let Self::Reading(thread) = ended {
                *self = Self::Known(thread.join().unwrap_or_default());
            }
        }
        match self {
            Self::Known(all) => *all,
            Self::Reading(_) => None,
        }
    }
}

/// Counts Ctrl-C from here on, where there is a terminal to press it at. What CI ends a job with counts twice: nobody sends
/// it to the tests.
fn interrupts() -> Arc<AtomicUsize> {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let terminal = stdin().is_terminal() || stderr().is_terminal();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    if let Ok(runtime) = runtime {
        thread::spawn(move || {
            runtime.block_on(async {
                let pressed = async {
                    while terminal && tokio::signal::ctrl_c().await.is_ok() {
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                };
                tokio::join!(pressed, ended(&counted));
            });
        });
    }
    count
}

#[cfg(unix)]
async fn ended(counted: &AtomicUsize) {
    use tokio::signal::unix::{SignalKind, signal};
    if let Ok(mut terminated) = signal(SignalKind::terminate()) {
        while terminated.recv().await.is_some() {
            counted.fetch_add(2, Ordering::Relaxed);
        }
    }
}

#[cfg(not(unix))]
async fn ended(_: &AtomicUsize) {}
