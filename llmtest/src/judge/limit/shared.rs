//! Where the state is kept: in a file that all processes of a run share, else in memory.

use super::state::State;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How long a lock is waited for; a process that was stopped while it held one must not stop all others.
const PATIENCE: Duration = Duration::from_secs(5);

/// The folder in which the processes of a run share their limits, and this process in it.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    owner: OnceLock<Result<Owner, String>>,
    /// The first thing that kept the limits from being shared.
    trouble: OnceLock<String>,
}

/// This process: a file that is locked for as long as it lives.
#[derive(Debug)]
struct Owner {
    name: String,
    _alive: File,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            owner: OnceLock::new(),
            trouble: OnceLock::new(),
        }
    }

    /// The name of this process, made with the folder when it is first asked for.
    fn owner(&self) -> Result<&str, String> {
        let owner = self.owner.get_or_init(|| {
            make(&self.path).map_err(|error| format!("{}: {error}", self.path.display()))
        });
        owner
            .as_ref()
            .map(|owner| &*owner.name)
            .map_err(Clone::clone)
    }

    /// Whether this process, which is not the own one, is certainly gone.
    fn is_gone(&self, owner: &str) -> bool {
        let path = self.path.join(format!("{owner}.alive"));
        match File::open(&path) {
            Ok(file) => {
                let gone = file.try_lock().is_ok();
                if gone {
                    // Whoever reads its name later finds no file.
                    let _ = fs::remove_file(path);
                }
                gone
            }
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        }
    }

    /// Why this process keeps its limits to itself.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.trouble.get().map(String::as_str)
    }
}

fn make(folder: &Path) -> std::io::Result<Owner> {
    fs::create_dir_all(folder)?;
    let pid = std::process::id();
    // A process id may come back within one run.
    for n in 0..10_000 {
        let name = format!("{pid}-{n}");
        match File::create_new(folder.join(format!("{name}.alive"))) {
            Ok(alive) => {
                alive.try_lock().map_err(std::io::Error::from)?;
                return Ok(Owner {
                    name,
                    _alive: alive,
                });
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(std::io::ErrorKind::AlreadyExists.into())
}

/// The state of one server and model.
#[derive(Debug)]
pub(super) struct Store {
    file: Option<(Arc<Folder>, PathBuf)>,
    /// Where there is no folder, or no longer.
    memory: Mutex<State>,
}

/// Another process, or another thread of this one, has the state just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Busy;

impl Store {
    /// A state under this name, in the folder if there is one.
    pub(super) fn new(folder: Option<Arc<Folder>>, name: &str) -> Self {
        let file = folder.map(|folder| {
            let path = folder.path.join(format!("{name}.json"));
            (folder, path)
        });
        Self {
            file,
            memory: Mutex::default(),
        }
    }

    /// Whether other processes may change the state.
    pub(super) fn is_shared(&self) -> bool {
        self.folder().is_some()
    }

    fn folder(&self) -> Option<(&Folder, &Path)> {
        let (folder, path) = self.file.as_ref()?;
        folder.trouble.get().is_none().then_some((folder, path))
    }

    /// Changes the state under its lock, unless somebody else has it. `change` is told the name of this process.
    pub(super) fn try_change<T>(
        &self,
        change: impl FnOnce(&mut State, &str) -> T,
    ) -> Result<T, Busy> {
        if let Some((folder, path)) = self.folder() {
            match open(folder, path) {
                Ok(Some((owner, mut file))) => {
                    let (mut state, length) = read(&mut file);
                    let done = change(&mut state, owner);
                    if let Err(error) = write(&mut file, &state, length) {
                        self.give_up(folder, &format!("{}: {error}", path.display()), state);
                    }
                    return Ok(done);
                }
                Ok(None) => return Err(Busy),
                Err(why) => self.give_up(folder, &why, State::default()),
            }
        }
        let mut state = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(change(&mut state, ""))
    }

    /// As [`try_change`](Self::try_change), and waits for whoever has it. Blocks its thread.
    pub(super) fn change(&self, change: impl FnOnce(&mut State, &str)) {
        let started = Instant::now();
        let mut change = Some(change);
        loop {
            let tried = self.try_change(|state, owner| {
                if let Some(change) = change.take() {
                    change(state, owner);
                }
            });
            if tried.is_ok() {
                return;
            }
            if started.elapsed() > PATIENCE {
                self.do_without();
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The lock does not come free.
    pub(super) fn do_without(&self) {
        if let Some((folder, path)) = self.folder() {
            let why = format!("the lock of {} does not come free", path.display());
            self.give_up(folder, &why, State::default());
        }
    }

    /// From now on this process keeps its limits to itself.
    fn give_up(&self, folder: &Folder, why: &str, state: State) {
        let _ = folder.trouble.set(why.to_string());
        *self.memory.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Takes the places of dead processes back.
    pub(super) fn reap(&self) {
        let Some((folder, _)) = self.folder() else {
            return;
        };
        // The others are looked at without the lock.
        let Ok(others) = self.try_change(|state, own| state.owners(own)) else {
            return;
        };
        let gone: Vec<_> = others
            .into_iter()
            .filter(|owner| folder.is_gone(owner))
            .collect();
        if !gone.is_empty() {
            self.change(|state, _| gone.iter().for_each(|owner| state.forget(owner)));
        }
    }

    /// A copy of the state, if there is one: nothing is created. Blocks its thread.
    pub(super) fn look(&self) -> Option<State> {
        if self.folder().is_some_and(|(_, path)| !path.is_file()) {
            return None;
        }
        let mut copy = None;
        self.change(|state, _| copy = Some(state.clone()));
        copy
    }
}

/// The file under its lock, which goes when the file is closed; `None` while somebody else has it.
fn open<'a>(folder: &'a Folder, path: &Path) -> Result<Option<(&'a str, File)>, String> {
    let owner = folder.owner()?;
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let file = options.open(path).map_err(told)?;
    match file.try_lock() {
        Ok(()) => Ok(Some((owner, file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(told(error)),
    }
}

/// The state and its length; a new one where there is none that can be read, such as after a crash while it was written.
fn read(file: &mut File) -> (State, usize) {
    let mut text = String::new();
    let read = file.read_to_string(&mut text);
    let state = read.ok().and_then(|_| serde_json::from_str(&text).ok());
    (state.unwrap_or_default(), text.len())
}

fn write(file: &mut File, state: &State, before: usize) -> std::io::Result<()> {
    let mut text = serde_json::to_string(state)?;
    // The rest of a longer one is written over in the same call: between two calls the process may be killed.
    text.extend(std::iter::repeat_n(' ', before.saturating_sub(text.len())));
    file.seek(SeekFrom::Start(0))?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::controller::Rule;
    use super::super::state::{Asker, Need, Rates, Wait};
    use super::*;

    const RULE: Rule = Rule {
        start: 1,
        max: 1,
        fixed: true,
        cooldown: 1000,
        retries: 5,
    };

    fn enter(store: &Store) -> Result<(), Wait> {
        let entered = store.try_change(|state, owner| {
            let asker = Asker {
                owner,
                rule: &RULE,
                rates: Rates::default(),
                lease: 1_000_000,
            };
            state.enter(1, &asker, Need::default()).map(|_| ())
        });
        entered.unwrap()
    }

    fn scratch(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("llmtest-limits-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        path
    }

    #[test]
    fn two_processes_share_the_places_and_those_of_a_dead_one_come_back() {
        let path = scratch("two");
        let one = Arc::new(Folder::new(path.clone()));
        let other = Arc::new(Folder::new(path.clone()));
        let (mine, theirs) = (
            Store::new(Some(one.clone()), "m"),
            Store::new(Some(other.clone()), "m"),
        );
        assert_eq!(enter(&theirs), Ok(()));
        assert_eq!(enter(&mine), Err(Wait::Place));
        mine.reap();
        assert_eq!(enter(&mine), Err(Wait::Place), "the other one lives");
        drop((theirs, other));
        mine.reap();
        assert_eq!(enter(&mine), Ok(()));
        assert_eq!(one.trouble(), None);
        fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn a_broken_state_is_begun_anew_and_a_folder_that_cannot_be_is_done_without() {
        let path = scratch("broken");
        let folder = Arc::new(Folder::new(path.clone()));
        let store = Store::new(Some(folder.clone()), "m");
        assert_eq!(enter(&store), Ok(()));
        fs::write(path.join("m.json"), r#"{"leases":[{"own"#).unwrap();
        assert_eq!(enter(&store), Ok(()));
        assert!(store.is_shared());
        fs::remove_dir_all(&path).unwrap();
        fs::write(&path, "a file").unwrap();
        let folder = Arc::new(Folder::new(path.join("under-a-file")));
        let store = Store::new(Some(folder.clone()), "m");
        assert_eq!(enter(&store), Ok(()));
        assert_eq!(enter(&store), Err(Wait::Place), "its own limit holds");
        assert!(folder.trouble().unwrap().contains("under-a-file"));
        assert!(!store.is_shared());
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn whoever_holds_the_lock_makes_others_wait_and_not_for_ever() {
        let path = scratch("held");
        let folder = Arc::new(Folder::new(path.clone()));
        let store = Store::new(Some(folder.clone()), "m");
        assert_eq!(enter(&store), Ok(()));
        let held = File::open(path.join("m.json")).unwrap();
        held.lock().unwrap();
        assert_eq!(store.try_change(|_, _| ()), Err(Busy));
        store.do_without();
        assert_eq!(enter(&store), Ok(()));
        assert!(folder.trouble().unwrap().contains("does not come free"));
        fs::remove_dir_all(path).unwrap();
    }
}
