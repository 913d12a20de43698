//! The folder: files of lines, read once, appended to under a lock, sorted at the end.

use crate::locks::Patience;
use llmtest_metrics::hash;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

/// What the key of a stage's body begins with; its hash follows.
pub(super) const BODY: &str = "body:";

/// An entry as it stands in its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// From one; zero for what this process has just added.
    pub(super) number: usize,
    pub(super) text: String,
}

/// By key; of equal keys the last one counts.
type Lines = BTreeMap<String, Line>;

/// A file's length and when it was written, to notice what other processes do to it.
type Stamp = (u64, Option<SystemTime>);

fn stamp(path: &Path) -> Stamp {
    fs::metadata(path).map_or((0, None), |meta| (meta.len(), meta.modified().ok()))
}

/// Which entry stays where two processes record one key at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    /// That of the first, which the second is given.
    First,
    /// That of the last.
    Last,
}

/// All files of a folder that were asked for.
pub(super) struct Store {
    dir: PathBuf,
    shown: String,
    locks: PathBuf,
    patience: Patience,
    files: Mutex<HashMap<String, Loaded>>,
}

#[derive(Default)]
struct Loaded {
    lines: Lines,
    /// As the file was when it was read.
    stamp: Stamp,
    /// What this process has added.
    own: HashSet<String>,
    unsorted: bool,
}

/// All that the folder needs to know of an entry.
#[derive(Deserialize)]
struct Keyed {
    key: String,
}

/// Puts a file in the place of another: a reader sees the old one or the new one, and a crash leaves one of them.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}", std::process::id()));
    fs::write(&draft, bytes).and_then(|()| fs::rename(&draft, path))
}

impl Store {
    /// `shown` is the folder's name in messages; `locks` is where its lock file may stand.
    pub(super) fn new(dir: PathBuf, shown: String, locks: PathBuf) -> Self {
        Self {
            dir,
            shown,
            locks,
            patience: Patience::default(),
            files: Mutex::default(),
        }
    }

    #[cfg(feature = "cli")]
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn shown(&self) -> &str {
        &self.shown
    }

    /// The place of a line for messages.
    pub(super) fn place(&self, file: &str, line: usize) -> String {
        if line == 0 {
            format!("{}/{file}", self.shown)
        } else {
            format!("{}/{file}:{line}", self.shown)
        }
    }

    pub(super) fn get(&self, file: &str, key: &str) -> Result<Option<Line>, String> {
        let mut files = self.files();
        self.load(&mut files, file, key)?;
        Ok(files
            .get(file)
            .and_then(|loaded| loaded.lines.get(key))
            .cloned())
    }

    /// Whether this process has written the entry.
    pub(super) fn is_own(&self, file: &str, key: &str) -> bool {
        self.files()
            .get(file)
            .is_some_and(|loaded| loaded.own.contains(key))
    }

    /// Every entry of a file that was read.
    pub(super) fn all(&self, file: &str) -> Vec<Line> {
        self.files()
            .get(file)
            .map(|loaded| loaded.lines.values().cloned().collect())
            .unwrap_or_default()
    }

    /// Adds an entry, at once and for other processes as well. With [`Keep::First`] the entry that another process has
    /// added meanwhile is returned, and this one is not written.
    pub(super) fn add(
        &self,
        file: &str,
        key: &str,
        text: String,
        keep: Keep,
    ) -> Result<Option<Line>, String> {
        let mut files = self.files();
        // What stood in a file that was never read is as old.
        let was_read = files.contains_key(file);
        let loaded = files.entry(file.to_string()).or_default();
        let path = self.dir.join(file);
        let added = (|| {
            fs::create_dir_all(path.parent().unwrap_or(&self.dir))?;
            let _lock = self.lock()?;
            mend_tail(&path)?;
            let before = stamp(&path);
            let mut up_to_date = loaded.stamp == before;
            if !up_to_date
                && keep == Keep::First
                && let Ok(lines) = self.parse(file, &fs::read_to_string(&path)?)
            {
                // What stood there before this process asked is what it asks anew.
                let known = loaded.lines.get(key).map(|line| line.text.as_str());
                let others = lines
                    .get(key)
                    .filter(|line| was_read && known != Some(&line.text));
                let others = others.cloned();
                (loaded.lines, loaded.stamp) = (lines, before);
                if others.is_some() {
                    return Ok(others);
                }
                up_to_date = true;
            }
            let mut out = OpenOptions::new().append(true).create(true).open(&path)?;
            out.write_all(format!("{text}\n").as_bytes())?;
            // Otherwise another process has added something as well, which is yet to be read.
            if up_to_date {
                loaded.stamp = stamp(&path);
            }
            Ok(None)
        })();
        let others = added
            .map_err(|error: std::io::Error| format!("cannot write {}: {error}", path.display()))?;
        loaded.own.insert(key.to_string());
        if others.is_none() {
            let line = Line { number: 0, text };
            loaded.lines.insert(key.to_string(), line);
            loaded.unsorted = true;
        }
        Ok(others)
    }

    /// Sorts the files that this process has added to.
    pub(super) fn finish(&self) -> Result<(), String> {
        let mut files = self.files();
        for (file, loaded) in files.iter_mut().filter(|(_, loaded)| loaded.unsorted) {
            self.sort(file)?;
            loaded.unsorted = false;
        }
        Ok(())
    }

    fn sort(&self, file: &str) -> Result<(), String> {
        let path = self.dir.join(file);
        let failed = |error: std::io::Error| format!("cannot sort {}: {error}", path.display());
        let _lock = self.lock().map_err(failed)?;
        let before = fs::read_to_string(&path).map_err(failed)?;
        let mut lines = self.parse(file, &before)?;
        forget_bodies(&mut lines);
        let after: String = lines
            .into_values()
            .flat_map(|line| [line.text, "\n".to_string()])
            .collect();
        if after == before {
            return Ok(());
        }
        replace(&path, after.as_bytes()).map_err(failed)
    }

    /// Reads the file when it was not yet read, or when the key is not in it and it has changed since.
    fn load(
        &self,
        files: &mut HashMap<String, Loaded>,
        file: &str,
        key: &str,
    ) -> Result<(), String> {
        let path = self.dir.join(file);
        let known = files.get(file);
        if known.is_some_and(|loaded| loaded.lines.contains_key(key)) {
            return Ok(());
        }
        if known.is_some_and(|loaded| loaded.stamp == stamp(&path)) {
            return Ok(());
        }
        // Without a lock (a folder that cannot be written) nobody records here either.
        let _lock = self.lock().ok();
        let stamp = stamp(&path);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        let lines = self.parse(file, &text)?;
        let loaded = files.entry(file.to_string()).or_default();
        (loaded.lines, loaded.stamp) = (lines, stamp);
        Ok(())
    }

    fn parse(&self, file: &str, text: &str) -> Result<Lines, String> {
        let mut lines = Lines::new();
        let complete = text.is_empty() || text.ends_with('\n');
        let count = text.lines().count();
        for (number, line) in (1..)
            .zip(text.lines())
            .filter(|(_, line)| !line.trim().is_empty())
        {
            match serde_json::from_str::<Keyed>(line) {
                Ok(Keyed { key }) => {
                    lines.insert(
                        key,
                        Line {
                            number,
                            text: line.to_string(),
                        },
                    );
                }
                // A process that was killed while it wrote: the entry was not yet anyone's.
                Err(_) if number == count && !complete => {}
                Err(error) => return Err(self.broken(file, number, line, &error)),
            }
        }
        Ok(lines)
    }

    /// A line that is not an entry.
    pub(super) fn broken(
        &self,
        file: &str,
        number: usize,
        line: &str,
        error: &serde_json::Error,
    ) -> String {
        let place = self.place(file, number);
        if ["<<<<<<<", "=======", ">>>>>>>", "|||||||"]
            .iter()
            .any(|marker| line.starts_with(marker))
        {
            return format!(
                "{place}: an unfinished merge\nhint: delete the lines `<<<<<<<`, `=======` and `>>>>>>>` and keep the entries of both sides; order and doubles do not matter"
            );
        }
        format!(
            "{place}: not a recording: {error}\nhint: delete the line, then record it again with `LLMTEST_MODE=auto cargo test`"
        )
    }

    /// The lock of the folder, for all processes; it ends when the file is dropped. It stands outside of the folder, which
    /// is committed.
    pub(super) fn lock(&self) -> std::io::Result<File> {
        let folder = self.dir.canonicalize().unwrap_or_else(|_| self.dir.clone());
        let name = format!(
            "llmtest-{}.lock",
            hash::short(folder.to_string_lossy().as_bytes())
        );
        let path = self.locks.join(name);
        // Another user's lock file can be read, which is enough to lock it.
        let file = match OpenOptions::new().create(true).append(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => File::open(&path)?,
            file => file?,
        };
        self.patience.lock(&file)?;
        Ok(file)
    }

    fn files(&self) -> MutexGuard<'_, HashMap<String, Loaded>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes away the bodies that no entry is of any more.
fn forget_bodies(lines: &mut Lines) {
    #[derive(Deserialize)]
    struct Of<'a> {
        #[serde(borrow)]
        body: Cow<'a, str>,
    }
    if !lines.keys().any(|key| key.starts_with(BODY)) {
        return;
    }
    let bodies: HashSet<String> = lines
        .values()
        .filter_map(|line| {
            Some(
                serde_json::from_str::<Of<'_>>(&line.text)
                    .ok()?
                    .body
                    .into_owned(),
            )
        })
        .collect();
    lines.retain(|key, _| {
        key.strip_prefix(BODY)
            .is_none_or(|body| bodies.contains(body))
    });
}

/// Ends the last line, or takes it away if it is half an entry.
fn mend_tail(path: &Path) -> std::io::Result<()> {
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last == *b"\n" {
        return Ok(());
    }
    let text = fs::read(path)?;
    let start = text
        .iter()
        .rposition(|byte| *byte == b'\n')
        .map_or(0, |at| at + 1);
    if serde_json::from_slice::<Keyed>(&text[start..]).is_ok() {
        return file.write_all(b"\n");
    }
    file.set_len(start as u64)
}

/// The file of a metric or a stage: the name itself where every file system has it, else a readable part of it and its
/// hash, so that two names never share a file.
pub(super) fn file_name(folder: &str, name: &str) -> String {
    const RESERVED: [&str; 4] = ["con", "prn", "aux", "nul"];
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let device = RESERVED.contains(&name)
        || (name.len() == 4 && (name.starts_with("com") || name.starts_with("lpt")));
    if !name.is_empty() && name.len() <= 60 && name.chars().all(plain) && !device {
        return format!("{folder}/{name}.jsonl");
    }
    let slug: String = name
        .to_lowercase()
        .chars()
        .map(|c| if plain(c) { c } else { '_' })
        .take(40)
        .collect();
    format!(
        "{folder}/{}-{}.jsonl",
        slug.trim_matches('_'),
        hash::short(name.as_bytes())
    )
}
