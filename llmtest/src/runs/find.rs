//! Which run is meant: by its id, the start of one, `last`, `last~1`, or a path.

use crate::Result;
use crate::results::{fold_folder, latest_runs};
use std::path::{Path, PathBuf};

/// The report of a run. `name` is `last` (the one that was recorded last), `last~1` (the one before it), a run's id, the start
/// of one that is unique, or the path of a report, of a baseline or of a run's folder. A run that has no report, since it
/// was killed or had very many processes, is folded first.
///
/// # Errors
///
/// Fails where there is no such run, naming the latest; where several begin like this; and where the folder cannot be
/// written.
pub(crate) fn find(roots: &[PathBuf], name: &str) -> Result<PathBuf> {
    let path = Path::new(name);
    if path.is_file() {
        return Ok(path.to_path_buf());
    }
    if path.is_dir() {
        return report_of(path);
    }
    let mut runs: Vec<_> = roots
        .iter()
        .flat_map(|root| latest_runs(root).into_iter().map(move |run| (run, root)))
        .collect();
    runs.sort_by(|a, b| b.0.cmp(&a.0));
    let folder = |at: usize| {
        let (run, root) = &runs[at];
        root.join("runs").join(&run.name)
    };
    let names = || {
        let names: Vec<_> = runs
            .iter()
            .take(5)
            .map(|(run, _)| format!("`{}`", run.name))
            .collect();
        match names.len() {
            0 => "nothing was recorded yet: run `cargo test`".to_string(),
            _ => format!("the latest are {}", names.join(", ")),
        }
    };
    let back = match name {
        "last" => Some(0),
        _ => name
            .strip_prefix("last~")
            .and_then(|back| back.parse().ok()),
    };
    if let Some(back) = back {
        if back < runs.len() {
            return report_of(&folder(back));
        }
        return Err(format!("there is no run `{name}`\nhint: {}", names()).into());
    }
    if let Some(at) = runs.iter().position(|(run, _)| run.name == name) {
        return report_of(&folder(at));
    }
    let like: Vec<_> = (0..runs.len())
        .filter(|at| runs[*at].0.name.starts_with(name))
        .collect();
    match like[..] {
        [at] => report_of(&folder(at)),
        [] => Err(format!("there is no run `{name}`\nhint: {}", names()).into()),
        _ => Err(format!(
            "{} runs begin with `{name}`\nhint: give more of the id; {}",
            like.len(),
            names()
        )
        .into()),
    }
}

/// The report in a run's folder, folded anew where a shard is younger.
fn report_of(folder: &Path) -> Result<PathBuf> {
    let report = folder.join("report.json");
    let modified = |path: &Path| {
        std::fs::metadata(path)
            .and_then(|meta| meta.modified())
            .ok()
    };
    let folded = modified(&report);
    let shards = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let younger = shards
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "jsonl")
        })
        .any(|shard| modified(&shard) > folded);
    if folded.is_some() && !younger {
        return Ok(report);
    }
    fold_folder(folder)
}
