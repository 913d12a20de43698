//! `cargo llmtest init`: the two files that a project needs.

use super::{Failure, Output, Place};
use clap::Args;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

const SETTINGS: &str = include_str!("init/llmtest.toml");
const TESTS: &str = include_str!("init/evals.rs");

#[derive(Args)]
#[command(
    after_help = "Overwrites nothing: a file that is there stays, and is said.\n\n\
                  Examples:\n  cargo llmtest init && cargo test --test evals\n  cargo llmtest init crates/shop --path ../llmtest/llmtest"
)]
pub(super) struct InitArgs {
    /// The folder of the package; else this one
    package: Option<PathBuf>,
    /// Where llmtest is, for a package that takes it from a folder and not from a registry
    #[arg(long, value_name = "FOLDER")]
    path: Option<String>,
}

pub(super) fn init(args: &InitArgs, place: &Place) -> Result<Output, Failure> {
    let folder = match &args.package {
        Some(package) => place.folder.join(package),
        None => place.folder.clone(),
    };
    let manifest = folder.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(|error| {
        format!(
            "cannot read {}: {error}\nhint: run it in the folder of a package, or name one: `cargo llmtest init FOLDER`",
            manifest.display()
        )
    })?;
    let known: toml::Table = toml::from_str(&text)
        .map_err(|error| format!("{}: {}", manifest.display(), error.message()))?;
    if !known.contains_key("package") {
        return Err(format!(
            "{} is that of a workspace, not of a package\nhint: name a package: `cargo llmtest init FOLDER`",
            manifest.display()
        )
        .into());
    }
    let mut out = String::new();
    let added = with_tests(&text, &known, args.path.as_deref())?;
    if added == text {
        let _ = writeln!(
            out,
            "kept     {} (it names llmtest and the tests)",
            manifest.display()
        );
    } else {
        fs::write(&manifest, added)
            .map_err(|error| format!("cannot write {}: {error}", manifest.display()))?;
        let _ = writeln!(out, "changed  {}", manifest.display());
    }
    fs::create_dir_all(folder.join("tests"))?;
    for (name, text) in [("llmtest.toml", SETTINGS), ("tests/evals.rs", TESTS)] {
        let path = folder.join(name);
        let what = if create(&path, text)? {
            "written"
        } else {
            "kept   "
        };
        let _ = writeln!(out, "{what}  {}", path.display());
    }
    out.push_str(
        "\n`cargo test --test evals` runs them: no key and no network is needed for the first.\n",
    );
    Ok(Output::well(out))
}

/// Whether the file was made; one that is there stays.
fn create(path: &Path, text: &str) -> Result<bool, Failure> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => {
            file.write_all(text.as_bytes())?;
            Ok(true)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(format!("cannot write {}: {error}", path.display()).into()),
    }
}

/// The manifest with the dependency and the target, where it has none; all else stays as it is written.
fn with_tests(text: &str, known: &toml::Table, path: Option<&str>) -> Result<String, Failure> {
    let mut text = text.to_string();
    let table = |name: &str| known.get(name).and_then(toml::Value::as_table);
    let has = |name: &str| table(name).is_some_and(|table| table.contains_key("llmtest"));
    // For production there may be the one without features: the tests need their own.
    if !has("dev-dependencies") {
        let dependency = match path {
            Some(path) => format!("llmtest = {{ path = {} }}\n", serde_json::Value::from(path)),
            None => format!("llmtest = \"{}\"\n", env!("CARGO_PKG_VERSION")),
        };
        let header = text
            .split_inclusive('\n')
            .scan(0, |at, line| {
                *at += line.len();
                Some((*at, line))
            })
            .find(|(_, line)| {
                let header = line.split('#').next().unwrap_or_default();
                let name: String = header.split_whitespace().collect();
                name == "[dev-dependencies]"
            });
        if let Some((end, line)) = header {
            let own_line = if line.ends_with('\n') { "" } else { "\n" };
            text.insert_str(end, &format!("{own_line}{dependency}"));
        } else if table("dev-dependencies").is_some_and(|known| !known.is_empty())
            && !text.contains("[dev-dependencies.")
        {
            return Err(
                "[dev-dependencies] is written in a way that no line can be added to\nhint: `cargo add --dev llmtest`, then this again"
                    .into(),
            );
        } else {
            end_line(&mut text);
            let _ = write!(text, "\n[dev-dependencies]\n{dependency}");
        }
    }
    let tests = known.get("test").and_then(toml::Value::as_array);
    let mut names = tests
        .into_iter()
        .flatten()
        .filter_map(|test| test.get("name"));
    if !names.any(|name| name.as_str() == Some("evals")) {
        end_line(&mut text);
        text.push_str("\n[[test]]\nname = \"evals\"\nharness = false\n");
    }
    Ok(text)
}

fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(text: &str, path: Option<&str>) -> String {
        with_tests(text, &toml::from_str(text).unwrap(), path).unwrap()
    }

    #[test]
    fn a_manifest_gets_what_it_lacks_and_keeps_what_it_has() {
        let bare = "[package]\nname = \"shop\" # ours";
        let added = changed(bare, None);
        assert!(added.starts_with("[package]\nname = \"shop\" # ours\n"));
        let table: toml::Table = toml::from_str(&added).unwrap();
        assert_eq!(
            table["dev-dependencies"]["llmtest"].as_str(),
            Some(env!("CARGO_PKG_VERSION"))
        );
        assert_eq!(table["test"][0]["harness"].as_bool(), Some(false));
        assert_eq!(
            changed(&added, None),
            added,
            "a second time changes nothing"
        );
    }

    #[test]
    fn however_the_section_is_written_the_manifest_stays_one() {
        for text in [
            "[package]\nname = \"shop\"\n[ dev-dependencies ] # ours\nserde = \"1\"\n",
            "[package]\nname = \"shop\"\n[dev-dependencies]",
            "[package]\nname = \"shop\"\n[dev-dependencies.serde]\nversion = \"1\"\n",
        ] {
            let table: toml::Table = toml::from_str(&changed(text, None)).unwrap();
            let version = Some(env!("CARGO_PKG_VERSION"));
            assert_eq!(
                table["dev-dependencies"]["llmtest"].as_str(),
                version,
                "{text}"
            );
        }
        let text = "dev-dependencies = { serde = \"1\" }\n[package]\nname = \"shop\"\n";
        let Err(Failure(why)) = with_tests(text, &toml::from_str(text).unwrap(), None) else {
            panic!("a line was added to it");
        };
        assert!(why.contains("\nhint: `cargo add --dev llmtest`"), "{why}");
    }

    #[test]
    fn a_section_that_is_there_gets_a_line_and_a_path_is_quoted() {
        let text = "[package]\nname = \"shop\"\n\n[dev-dependencies]\nserde = \"1\"\n\n[features]\nx = []\n";
        let added = changed(text, Some("..\\ll\"mtest"));
        let table: toml::Table = toml::from_str(&added).unwrap();
        assert_eq!(
            table["dev-dependencies"]["llmtest"]["path"].as_str(),
            Some("..\\ll\"mtest")
        );
        assert_eq!(table["dev-dependencies"]["serde"].as_str(), Some("1"));
        assert!(table["features"].as_table().unwrap().contains_key("x"));
    }
}
