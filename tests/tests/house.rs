//! The house stays tidy: no circle between the top-level modules of a crate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Which top-level modules name which, tests left out.
type Names = BTreeMap<String, BTreeSet<String>>;
/// Where what stands behind `crate::` is: a module itself, or the one that the crate's root takes a name of.
type Homes = BTreeMap<String, String>;

fn read(names: &mut Names, homes: &Homes, module: &str, path: &Path) -> std::io::Result<()> {
    if path.is_dir() {
        if path.file_name().is_none_or(|name| name != "tests") {
            for entry in std::fs::read_dir(path)? {
                read(names, homes, module, &entry?.path())?;
            }
        }
        return Ok(());
    }
    let is_test = stem(path).ends_with("tests");
    if path.extension().is_none_or(|extension| extension != "rs") || is_test {
        return Ok(());
    }
    let text = std::fs::read_to_string(path)?;
    let named = names.entry(module.to_string()).or_default();
    for rest in code(&text).split("crate::").skip(1) {
        let found = first_segments(rest);
        let found = found.iter().filter_map(|name| homes.get(name));
        named.extend(found.filter(|home| *home != module).cloned());
    }
    Ok(())
}

/// Without comments, and without the tests at the end.
fn code(text: &str) -> String {
    let text = text
        .split_once("#[cfg(test)]\nmod tests {")
        .map_or(text, |(code, _)| code);
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The modules, and the names that the root takes of each.
fn homes(modules: impl Iterator<Item = String>, root: &str) -> Homes {
    let mut homes: Homes = modules.map(|name| (name.clone(), name)).collect();
    let root = code(root);
    for taken in root.split("pub use ").skip(1) {
        if let Some((module, rest)) = taken.split_once("::")
            && homes.get(module).is_some_and(|home| home == module)
        {
            // `metric::metric` is in the module of that name all the same.
            for name in first_segments(rest) {
                homes.entry(name).or_insert_with(|| module.to_string());
            }
        }
    }
    homes
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// What follows `crate::`: one name, or those at the top of a list in braces.
fn first_segments(rest: &str) -> Vec<String> {
    let word = |text: &str| -> String {
        let letters = |c: &char| c.is_alphanumeric() || *c == '_';
        text.trim_start().chars().take_while(letters).collect()
    };
    let Some(list) = rest.strip_prefix('{') else {
        return vec![word(rest)];
    };
    let (mut depth, mut found, mut from) = (0, Vec::new(), 0);
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                found.push(word(&list[from..at]));
                from = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    found
}

/// A way from a module back to itself.
fn circle(names: &Names) -> Option<Vec<String>> {
    fn walk(names: &Names, way: &mut Vec<String>, done: &mut BTreeSet<String>) -> bool {
        let Some(at) = way.last().cloned() else {
            return false;
        };
        for next in names.get(&at).into_iter().flatten() {
            if let Some(start) = way.iter().position(|seen| seen == next) {
                way.drain(..start);
                way.push(next.clone());
                return true;
            }
            if !done.contains(next) {
                way.push(next.clone());
                if walk(names, way, done) {
                    return true;
                }
                way.pop();
            }
        }
        done.insert(at);
        false
    }
    let mut done = BTreeSet::new();
    names.keys().find_map(|start| {
        let mut way = vec![start.clone()];
        walk(names, &mut way, &mut done).then_some(way)
    })
}

/// What metrics are said in: a case expects metrics, a metric measures a case. They name each other by the crate's root, and
/// count as one module there.
const VOCABULARY: [&str; 10] = [
    "case",
    "check",
    "cx",
    "embed",
    "judge",
    "metric",
    "probability",
    "prompt",
    "trace",
    "trace_tree",
];

#[test]
fn no_module_names_one_that_names_it() -> std::io::Result<()> {
    for source in ["llmtest/src", "metrics/src", "llmtest-macros/src"] {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(source);
        let mut files: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for entry in std::fs::read_dir(&root)? {
            let path = entry?.path();
            let stem = stem(&path);
            if !["lib", "main", "bin"].contains(&stem.as_str()) {
                files.entry(stem).or_default().push(path);
            }
        }
        let lib = std::fs::read_to_string(root.join("lib.rs"))?;
        let by_path = homes(files.keys().cloned(), "");
        let mut by_root = homes(files.keys().cloned(), &lib);
        let one = |name: &mut String| {
            if source == "metrics/src" && VOCABULARY.contains(&name.as_str()) {
                *name = "the vocabulary".to_string();
            }
        };
        by_root.values_mut().for_each(one);
        for homes in [by_path, by_root] {
            let mut names = Names::new();
            for (module, paths) in &files {
                for path in paths {
                    read(&mut names, &homes, &homes[module], path)?;
                }
            }
            assert!(
                names.values().any(|named| !named.is_empty()),
                "{source}: nothing was read"
            );
            let way = circle(&names).unwrap_or_default().join(" -> ");
            assert!(way.is_empty(), "{source}: modules in a circle: {way}");
        }
    }
    Ok(())
}

#[test]
fn lists_and_circles_are_found() {
    let found = first_segments("{Result, gate::{self, Policy}, runs::find::Run, stats};");
    assert_eq!(found, ["Result", "gate", "runs", "stats"]);
    assert_eq!(first_segments("text::clean(x)"), ["text"]);
    let modules = ["runs", "text"].map(String::from).into_iter();
    let homes = homes(
        modules,
        "pub use runs::{Run, Snapshot};\npub use text::*;\npub use std::f64;",
    );
    let home = |name: &str| homes.get(name).map(String::as_str);
    assert_eq!(
        ["Run", "runs", "f64"].map(home),
        [Some("runs"), Some("runs"), None]
    );
    let names = |pairs: &[(&str, &str)]| {
        pairs.iter().fold(Names::new(), |mut names, (from, to)| {
            names
                .entry((*from).into())
                .or_default()
                .insert((*to).into());
            names
        })
    };
    assert_eq!(circle(&names(&[("a", "b"), ("b", "c"), ("a", "c")])), None);
    let way = circle(&names(&[("a", "b"), ("b", "c"), ("c", "b")])).unwrap();
    assert_eq!(way, ["b", "c", "b"]);
}
