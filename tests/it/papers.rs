//! The papers say what is true.

use std::{collections::BTreeSet, fs, path::Path};

use jetbridge::config::VARIABLES;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn deployment_explains_every_variable_and_no_other() {
    let explained: BTreeSet<String> = read("DEPLOYMENT.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name.to_owned()))
        .filter(|name| name.starts_with(|c: char| c.is_ascii_uppercase()))
        .collect();
    let read: BTreeSet<String> = VARIABLES.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(explained, read);
}

#[test]
fn railway_waits_for_an_address_that_exists_and_starts_what_the_image_holds() {
    let railway: serde_json::Value = serde_json::from_str(&read("railway.json")).unwrap();
    let dockerfile = read("Dockerfile");
    let routes = read("src/app/routes.rs");
    let health = railway["deploy"]["healthcheckPath"].as_str().unwrap();
    assert!(routes.contains(&format!("\"{health}\"")), "{health} is no route");
    let start = railway["deploy"]["startCommand"].as_str().unwrap();
    let program = start.split_whitespace().next().unwrap();
    assert!(dockerfile.contains(&format!("ENTRYPOINT [\"{program}\"]")));
    assert_eq!(railway["build"]["dockerfilePath"], "Dockerfile");
}

#[test]
fn the_image_copies_what_exists_is_not_root_and_leaves_secrets_out() {
    let dockerfile = read("Dockerfile");
    let ignored = read(".dockerignore");
    assert!(ignored.lines().any(|line| line == "*"));
    for line in dockerfile.lines().filter(|line| line.starts_with("COPY ") && !line.contains("--from")) {
        let names: Vec<&str> = line.split_whitespace().skip(1).collect();
        let sources = &names[..names.len() - 1];
        for source in sources.iter().filter(|source| **source != ".sqlx") {
            assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(source).exists(), "{source} does not exist");
        }
        for source in sources {
            assert!(
                ignored.lines().any(|line| line == format!("!{source}")),
                "{source} is kept from the builder"
            );
        }
    }
    let user = dockerfile.lines().rev().find_map(|line| line.strip_prefix("USER ")).unwrap();
    assert!(!user.starts_with('0') && user != "root");
}

#[test]
fn the_toolchain_of_the_image_is_the_one_of_the_crate() {
    let wanted = read("Cargo.toml")
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = ").map(|v| v.trim_matches('"').to_owned()));
    assert!(read("Dockerfile").contains(&format!("FROM rust:{}-", wanted.unwrap())));
}

#[test]
fn every_file_that_the_readme_names_exists() {
    let readme = read("README.md");
    let named = readme.split('`').skip(1).step_by(2).filter(|word| {
        !word.contains(char::is_whitespace)
            && ["src/", "tests/", "bin/", "migrations", "templates", "static"]
                .iter()
                .any(|dir| word.starts_with(dir))
    });
    for name in named {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(name).exists(), "README names {name}");
    }
}

#[test]
fn deployment_names_the_events_that_the_webhook_must_send_and_their_version() {
    let deployment = read("DEPLOYMENT.md");
    for kind in jetbridge::payments::probe::EVENTS {
        assert!(deployment.contains(&format!("`{kind}`")), "DEPLOYMENT.md does not ask for {kind}");
    }
    let version = jetbridge::payments::probe::api_version();
    assert!(deployment.contains(&format!("`{version}`")), "{version} is spoken");
}
