//! How long a process takes, and how much memory.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What a process took.
pub(crate) struct Took {
    /// Seconds.
    pub(crate) seconds: f64,
    /// The most memory that it had at once, in MB; none where /proc does not say.
    pub(crate) megabytes: Option<f64>,
    pub(crate) code: Option<i32>,
}

/// Runs a command in a folder; what it prints goes to the file `said` there.
pub(crate) fn run(mut command: Command, folder: &Path) -> std::io::Result<Took> {
    let said = std::fs::File::create(folder.join("said"))?;
    let began = Instant::now();
    let mut child = command
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(said.try_clone()?)
        .stderr(said)
        .spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak = None;
    loop {
        // The peak only grows; once the process has ended it is gone.
        let seen = std::fs::read_to_string(&status).ok();
        peak = seen.as_deref().and_then(megabytes).or(peak);
        if let Some(ended) = child.try_wait()? {
            return Ok(Took {
                seconds: began.elapsed().as_secs_f64(),
                megabytes: peak,
                code: ended.code(),
            });
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn megabytes(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024.0)
}
