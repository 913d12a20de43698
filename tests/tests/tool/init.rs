//! `init`: what it writes is a project, and what is there stays.

use super::{Project, assert_says};

const MANIFEST: &str =
    "[package]\nname = \"shop\"\nversion = \"0.1.0\"\n\n[dependencies]\nserde = \"1\" # ours\n";

#[test]
fn two_files_and_a_target_are_all_that_it_takes() {
    let project = Project::new("tool-init");
    std::fs::remove_file(project.path().join("llmtest.toml")).expect("the file");
    project.write("Cargo.toml", MANIFEST);
    let said = project.says(0, &["init", "--path", "../llmtest"]);
    assert_says(
        &said,
        &["Cargo.toml", "llmtest.toml", "evals.rs", "cargo test"],
    );
    let manifest = project.read("Cargo.toml");
    assert!(manifest.starts_with(MANIFEST), "{manifest}");
    assert_says(
        &manifest,
        &[
            "llmtest = { path = \"../llmtest\" }",
            "[[test]]\nname = \"evals\"\nharness = false\n",
        ],
    );
    assert_says(
        &project.read("tests/evals.rs"),
        &["#[llm_test]", "llmtest::main()"],
    );
    // Its own settings are settings.
    assert_says(&project.says(0, &["runs"]), &["no runs yet"]);

    project.write("tests/evals.rs", "// mine\n");
    project.says(0, &["init"]);
    assert_eq!(project.read("Cargo.toml"), manifest, "a second time");
    assert_eq!(project.read("tests/evals.rs"), "// mine\n");
}

#[test]
fn a_workspace_without_a_package_is_told_where_to_go() {
    let project = Project::new("tool-init-workspace");
    project.write("Cargo.toml", "[workspace]\nmembers = [\"shop\"]\n");
    let refused = project.refuses(&["init"]);
    assert_says(&refused, &["package"]);
    project.write("Cargo.toml", "[package\n");
    assert_eq!(project.tool(&["init"]).code, 1);
}
