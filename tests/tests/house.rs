//! The house stays tidy: no circle between the modules of a crate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Which top-level modules name which, tests left out.
type Names = BTreeMap<String, BTreeSet<String>>;

fn read(
    names: &mut Names,
    modules: &BTreeSet<String>,
    module: &str,
    path: &Path,
) -> std::io::Result<()> {
    if path.is_dir() {
        if path.file_name().is_none_or(|name| name != "tests") {
            for entry in std::fs::read_dir(path)? {
                read(names, modules, module, &entry?.path())?;
            }
        }
        return Ok(());
    }
    let is_test = stem(path).ends_with("tests");
    if path.extension().is_none_or(|extension| extension != "rs") || is_test {
        return Ok(());
    }
    let text = std::fs::read_to_string(path)?;
    let code = text
        .split_once("#[cfg(test)]\nmod tests {")
        .map_or(text.as_str(), |(code, _)| code);
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let named = names.entry(module.to_string()).or_default();
    for rest in code.split("crate::").skip(1) {
        let found = first_segments(rest);
        named.extend(
            found
                .into_iter()
                .filter(|name| modules.contains(name) && name != module),
        );
    }
    Ok(())
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
        let modules: BTreeSet<_> = files.keys().cloned().collect();
        let mut names = Names::new();
        for (module, paths) in &files {
            for path in paths {
                read(&mut names, &modules, module, path)?;
            }
        }
        assert!(
            names.values().any(|named| !named.is_empty()),
            "{source}: nothing was read"
        );
        let way = circle(&names).unwrap_or_default().join(" -> ");
        assert!(way.is_empty(), "{source}: modules in a circle: {way}");
    }
    Ok(())
}

#[test]
fn lists_and_circles_are_found() {
    let found = first_segments("{Result, gate::{self, Policy}, runs::find::Run, stats};");
    assert_eq!(found, ["Result", "gate", "runs", "stats"]);
    assert_eq!(first_segments("text::clean(x)"), ["text"]);
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
