//! `tests/money-cases.csv`: every ugly case of money and every invariant, and the tests that show what comes out. What is
//! named there must exist.

use std::{collections::BTreeSet, fs};

/// Cases U1 to U28 and invariants I1 to I10.
const CASES: usize = 28;
const INVARIANTS: usize = 10;

struct Case {
    id: String,
    what: String,
    tests: Vec<String>,
}

fn cases() -> Vec<Case> {
    let mut reader = csv::Reader::from_path("tests/money-cases.csv").expect("the list");
    let header: Vec<String> = reader.headers().expect("a header").iter().map(str::to_owned).collect();
    assert_eq!(header, ["id", "what happens", "tests"]);
    let read = |record: Result<csv::StringRecord, csv::Error>| {
        let record = record.expect("three columns");
        let tests = record[2].split_whitespace().map(str::to_owned).collect();
        Case { id: record[0].to_owned(), what: record[1].to_owned(), tests }
    };
    reader.records().map(read).collect()
}

#[test]
fn every_case_and_every_invariant_stands_there_once_with_its_tests() {
    let cases = cases();
    let ids: BTreeSet<&str> = cases.iter().map(|case| case.id.as_str()).collect();
    assert_eq!(ids.len(), cases.len(), "a case stands there twice");
    let wanted = (1..=CASES).map(|n| format!("U{n}")).chain((1..=INVARIANTS).map(|n| format!("I{n}")));
    for id in wanted {
        assert!(ids.contains(id.as_str()), "{id} is missing");
    }
    for Case { id, what, tests } in &cases {
        assert!(!what.is_empty() && !tests.is_empty(), "{id} is shown by nothing");
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let missing: Vec<String> = cases()
        .into_iter()
        .flat_map(|case| case.tests.into_iter().map(move |test| (case.id.clone(), test)))
        .filter(|(_, test)| !exists(test))
        .map(|(id, test)| format!("{id}: {test}"))
        .collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

/// "tests/it/money/normal.rs::u2_…" is a test there.
fn exists(place: &str) -> bool {
    let Some((file, name)) = place.split_once("::") else { return false };
    let text = fs::read_to_string(file).unwrap_or_default();
    let Some(before) = text.split(&format!("fn {name}(")).next().filter(|before| before.len() < text.len())
    else {
        return false;
    };
    before.lines().rev().take(4).any(|line| line.trim_start().starts_with("#[") && line.contains("test"))
}

#[test]
fn a_name_that_is_wrong_is_noticed() {
    assert!(exists("tests/it/money_cases.rs::a_name_that_is_wrong_is_noticed"));
    assert!(!exists("tests/it/money_cases.rs::exists") && !exists("tests/it/nowhere.rs::x"));
}
