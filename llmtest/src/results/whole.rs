//! Files that are never left with half of what was written to them.

use crate::Result;
use std::fs::{self, File};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

/// A file of whole lines.
pub(super) struct Appended {
    file: File,
    /// How long it is without what was cut off.
    length: u64,
    /// Whether half a line stands behind that.
    torn: bool,
}

impl Appended {
    /// An empty one.
    pub(super) fn new(file: File) -> Self {
        Self {
            file,
            length: 0,
            torn: false,
        }
    }

    /// Adds a line, or nothing: half of one, as on a full disk, would take the next one with it.
    pub(super) fn append(&mut self, line: &[u8]) -> std::io::Result<()> {
        self.mend()?;
        let written = self.file.write_all(line);
        self.torn = written.is_err();
        match written {
            Ok(()) => self.length += line.len() as u64,
            // Now, if that can be done: nobody may write a line after it.
            Err(_) => drop(self.mend()),
        }
        written
    }

    /// Takes half a line away.
    fn mend(&mut self) -> std::io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
            self.file.seek(SeekFrom::Start(self.length))?;
            self.torn = false;
        }
        Ok(())
    }
}

/// Writes a file so that readers see the old or the new one, never half of it.
pub(crate) fn write_whole(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let draft = path.with_extension(format!("{}.tmp", std::process::id()));
    let written = (|| {
        let mut out = BufWriter::new(File::create(&draft)?);
        write(&mut out)?;
        out.flush()?;
        Ok(fs::rename(&draft, path)?)
    })();
    if written.is_err() {
        // Half a report on a full disk takes what others need.
        let _ = fs::remove_file(&draft);
    }
    written
}

/// Takes away reports that were cut off when their process was killed. Only under the lock of the fold.
pub(super) fn forget_drafts(run: &Path) {
    let files = fs::read_dir(run).into_iter().flatten().flatten();
    let drafts = files.map(|entry| entry.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("report.") && name.ends_with(".tmp")
    });
    drafts.for_each(|draft| {
        let _ = fs::remove_file(draft);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_written_leaves_the_old_report_and_nothing_else() {
        let folder = std::env::temp_dir().join(format!("llmtest-whole-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("report.json");
        let text = |text: &'static str| {
            move |out: &mut dyn Write| -> Result<()> { Ok(out.write_all(text.as_bytes())?) }
        };
        write_whole(&path, text("old")).unwrap();
        let failed = write_whole(&path, |out| {
            out.write_all(b"half")?;
            Err("no space".into())
        });
        assert_eq!(failed.unwrap_err().to_string(), "no space");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        fs::write(folder.join("report.123.tmp"), "half of a killed process").unwrap();
        forget_drafts(&folder);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_dir_all(folder).unwrap();
    }
}
