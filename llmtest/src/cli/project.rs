//! Where the project is, its configuration, and where its runs are recorded.

use super::Place;
use crate::config::{self, Config};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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

/// Cargo's target folder: as a variable says, else the nearest one upwards in which tests were recorded, else as cargo says.
fn target(place: &Place) -> Option<PathBuf> {
    let named = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"];
    if let Some(folder) = named.iter().find_map(|name| place.var(name)) {
        return Some(place.folder.join(folder));
    }
    let mut folders = place.folder.ancestors().map(|folder| folder.join("target"));
    folders
        .find(|folder| roots(folder).iter().any(|root| root.is_dir()))
        .or_else(|| told_by_cargo(place))
}

/// `build.target-dir` of cargo's configuration, or where cargo would make the folder.
fn told_by_cargo(place: &Place) -> Option<PathBuf> {
    #[derive(serde::Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let told = Command::new(place.var("CARGO").unwrap_or("cargo"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(&place.folder)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let told: Metadata = serde_json::from_slice(&told.stdout).ok()?;
    Some(told.target_directory)
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
