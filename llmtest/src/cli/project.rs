//! Where the project is, its configuration, and where its runs are recorded.

use super::Place;
use crate::config::{self, Config};
use std::path::{Path, PathBuf};

/// A project as a command sees it.
pub(super) struct Project {
    pub(super) config: Config,
    /// The folders that may hold `runs/`.
    pub(super) roots: Vec<PathBuf>,
}

impl Project {
    /// The project that this place is in: as for its tests, the nearest llmtest.toml counts, else the nearest package.
    pub(super) fn find(place: &Place) -> Result<Self, String> {
        let has = |name: &'static str| move |folder: &&Path| folder.join(name).is_file();
        let up = || place.folder.ancestors();
        let folder = up()
            .find(has("llmtest.toml"))
            .or_else(|| up().find(has("Cargo.toml")))
            .unwrap_or(&place.folder);
        let config = config::load(folder, &place.vars, place.locks.clone())
            .map_err(|error| error.to_string())?;
        let roots = match &config.dir {
            // Tests run in the folder of their package.
            Some(dir) => vec![folder.join(dir)],
            None => target(place).map_or_else(Vec::new, |target| roots(&target)),
        };
        Ok(Self { config, roots })
    }
}

/// Cargo's target folder: as a variable says, else the nearest one upwards in which tests were recorded.
fn target(place: &Place) -> Option<PathBuf> {
    if let Some(folder) = place.var("CARGO_TARGET_DIR") {
        return Some(place.folder.join(folder));
    }
    let mut folders = place.folder.ancestors().map(|folder| folder.join("target"));
    folders.find(|folder| roots(folder).iter().any(|root| root.is_dir()))
}

/// The folders of runs in a target folder: with `--target` there is one for every platform.
fn roots(target: &Path) -> Vec<PathBuf> {
    let below = std::fs::read_dir(target).into_iter().flatten().flatten();
    let below = below.map(|entry| entry.path().join("llmtest"));
    let mut roots: Vec<_> = below.filter(|root| root.join("runs").is_dir()).collect();
    roots.sort();
    roots.insert(0, target.join("llmtest"));
    roots
}
