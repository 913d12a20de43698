//! What a command counts, and how it ends.

use std::fmt;
use std::ops::AddAssign;
use std::process::ExitCode;

/// How many passed, failed and were skipped for a committed reason. Prints the line with which commands close.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// As expected.
    pub passed: usize,
    /// Not as expected.
    pub failed: usize,
    /// Different for a reason in a committed table.
    pub skipped: usize,
}

impl Tally {
    /// Failure when anything failed or nothing was looked at.
    pub fn exit_code(self) -> ExitCode {
        if self.failed == 0 && self.passed + self.skipped > 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(f, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}
