//! Locks of files that several processes share, which nobody waits for without end: a process that was stopped while it held
//! one must not stop all others.

use std::fs::{File, TryLockError};
use std::io::{Error, ErrorKind, Result};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a lock is waited for.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 30 });
/// How long after one was waited for in vain.
const IMPATIENCE: Duration = Duration::from_millis(50);

/// Whether a lock was waited for in vain, and has not been had since.
#[derive(Debug, Default)]
pub(crate) struct Patience(AtomicBool);

impl Patience {
    /// Locks the file, or says that it cannot be had. Blocks its thread.
    pub(crate) fn lock(&self, file: &File) -> Result<()> {
        let most = if self.0.load(Ordering::Relaxed) {
            IMPATIENCE
        } else {
            PATIENCE
        };
        let (started, mut nap) = (Instant::now(), Duration::from_micros(50));
        loop {
            match file.try_lock() {
                Ok(()) => {
                    self.0.store(false, Ordering::Relaxed);
                    return Ok(());
                }
                Err(TryLockError::Error(error)) => return Err(error),
                Err(TryLockError::WouldBlock) => {}
            }
            if started.elapsed() >= most {
                self.0.store(true, Ordering::Relaxed);
                return Err(Error::new(
                    ErrorKind::TimedOut,
                    "another process holds its lock and does not let it go",
                ));
            }
            std::thread::sleep(nap);
            nap = (nap * 2).min(Duration::from_millis(10));
        }
    }
}
