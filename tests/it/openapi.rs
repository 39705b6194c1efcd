//! `/api/openapi.json` tells of every operation and of no other, and what it tells is so. Every answer that any other test
//! gets from the API is held against it by the tests' browser (`helpers/contract.rs`).

use std::{collections::BTreeSet, path::PathBuf};

use reqwest::{
    Method, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Value, json};

use crate::{
    cast,
    helpers::{
        app::{ALICE, PASSWORD, TestApp},
        contract::{CONTRACT, Contract},
        page::Page,
    },
};

/// Method, path and operation of each.
fn operations() -> Vec<(String, &'static str, &'static Value)> {
    let paths = CONTRACT.document["paths"].as_object().expect("paths");
    let all = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().expect("an object").iter();
        methods.map(move |(method, operation)| (method.to_uppercase(), path.as_str(), operation))
    });
    all.collect()
}

#[test]
fn every_route_of_the_api_is_in_the_document_and_nothing_else_is() {
    let routes: BTreeSet<(String, &str)> = cast::routes()
        .into_iter()
        .filter(|(_, path)| path.starts_with("/api/"))
        .map(|(method, path)| (method.to_owned(), path))
        .collect();
    let documented = operations().into_iter().map(|(method, path, _)| (method, path)).collect();
    let missing: Vec<_> = routes.difference(&documented).collect();
    assert!(missing.is_empty(), "annotate the handler and name it in src/openapi/mod.rs: {missing:#?}");
    let gone: Vec<_> = documented.difference(&routes).collect();
    assert!(gone.is_empty(), "documented, but no route of src/app/routes.rs: {gone:#?}");
}

#[test]
fn every_operation_has_a_name_of_its_own_and_says_what_it_does() {
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations() {
        let at = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap_or_default();
        assert!(
            id.starts_with(|c: char| c.is_ascii_lowercase()) && id.bytes().all(|b| b.is_ascii_alphanumeric()),
            "{at}: {id:?}"
        );
        assert!(ids.insert(id), "{at}: {id} is the name of another");
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(!summary.is_empty() && !summary.ends_with('.'), "{at}: {summary:?}");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{at}");
        let parameters = operation["parameters"].as_array().into_iter().flatten();
        for parameter in parameters {
            assert!(parameter["description"].is_string(), "{at}: {parameter}");
        }
        let in_path: BTreeSet<_> = path.split(['{', '}']).skip(1).step_by(2).collect();
        let told = operation["parameters"].as_array().into_iter().flatten();
        let told: BTreeSet<_> =
            told.filter(|one| one["in"] == "path").filter_map(|one| one["name"].as_str()).collect();
        assert_eq!(in_path, told, "{at}");
    }
    let tags = CONTRACT.document["tags"].as_array().expect("tags");
    let told: BTreeSet<_> = tags.iter().map(|tag| tag["name"].as_str().unwrap_or_default()).collect();
    let used: BTreeSet<_> = operations()
        .iter()
        .map(|(_, _, operation)| operation["tags"][0].as_str().unwrap_or_default())
        .collect();
    assert_eq!(told, used);
}

#[test]
fn every_failure_is_a_problem_with_its_codes() {
    for (method, path, operation) in operations() {
        for (status, response) in operation["responses"].as_object().expect("responses") {
            let at = format!("{method} {path} {status}");
            let response = CONTRACT.resolved(response);
            assert!(!response["description"].as_str().unwrap_or_default().is_empty(), "{at}");
            if status.as_str() < "400" {
                continue;
            }
            let schema = &response["content"]["application/problem+json"]["schema"];
            assert_eq!(
                schema["allOf"][0]["$ref"], "#/components/schemas/Problem",
                "{at}: its description is to name codes of src/web/codes.rs: {}",
                response["description"]
            );
            let codes = schema["allOf"][1]["properties"]["code"]["enum"].as_array().expect("codes");
            assert!(!codes.is_empty(), "{at}");
        }
    }
}

#[test]
fn every_code_is_told_by_some_operation() {
    let all = CONTRACT.document.to_string();
    for code in jetbridge::web::codes::CODES.iter().filter(|code| code.status != 405) {
        assert!(all.contains(&format!("\"{}\"", code.name)), "no operation answers {}", code.name);
    }
}

/// Codes that only pages answer: no call of the API comes to them.
const OF_PAGES: [&str; 23] = [
    "address_not_verified",
    "decided_already",
    "differs_still",
    "endpoint_paused",
    "job_not_dead",
    "last_owner",
    "mail_is_personal",
    "mail_on_its_way",
    "mail_sent",
    "money_has_gone",
    "money_is_needed",
    "no_contact",
    "no_documents",
    "no_next_step",
    "nothing_charged",
    "nothing_to_ask",
    "own_role",
    "payment_under_way",
    "quote_available",
    "refund_at_stripe",
    "resolved_already",
    "still_broken",
    "still_frozen",
];

/// The sources outside of tests, without the list of codes itself and the stand-ins for others' APIs.
fn sources() -> Vec<String> {
    let mut folders = vec![PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut all = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("sandbox") {
                folders.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") && !path.ends_with("web/codes.rs") {
                let source = std::fs::read_to_string(&path).expect("a source");
                all.push(source.split("#[cfg(test)]").next().unwrap_or_default().to_owned());
            }
        }
    }
    all
}

/// What stands in the place of a code: named as one, or first in a function that makes a refusal.
fn codes_used(source: &str) -> Vec<String> {
    let places = ["code: ", "code = ", " no(", "(no(", "=> no(", "refused(", "Self::new("];
    let starts = places
        .iter()
        .flat_map(|place| source.match_indices(place).map(|(at, _)| &source[at + place.len()..]));
    let literals = starts.filter_map(|rest| {
        let rest = rest.trim_start();
        // A status may stand before it.
        let rest = if rest.starts_with("StatusCode::") { rest.split_once(',')?.1.trim_start() } else { rest };
        rest.strip_prefix('"')?.split_once('"').map(|(literal, _)| literal.to_owned())
    });
    let is_code =
        |text: &String| !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    literals.filter(is_code).collect()
}

#[test]
fn every_code_of_the_sources_is_in_the_list_and_every_code_of_the_list_in_the_sources() {
    let sources = sources();
    let used: BTreeSet<String> = sources.iter().flat_map(|source| codes_used(source)).collect();
    assert!(used.len() > 45, "only {} codes were found", used.len());
    let known: BTreeSet<&str> = jetbridge::web::codes::CODES.iter().map(|code| code.name).collect();
    let untold: Vec<_> = used
        .iter()
        .filter(|code| !known.contains(code.as_str()) && !OF_PAGES.contains(&code.as_str()))
        .collect();
    assert!(
        untold.is_empty(),
        "src/web/codes.rs is to tell of {untold:?}, or OF_PAGES that no call comes to them"
    );
    for code in &known {
        let literal = format!("\"{code}\"");
        assert!(sources.iter().any(|source| source.contains(&literal)), "nothing answers {code} any more");
    }
    for code in OF_PAGES {
        assert!(used.contains(code) && !known.contains(code), "{code} is no code of a page alone");
    }
}

#[test]
fn every_example_is_one() {
    for (method, path, operation) in operations() {
        let bodies = operation["requestBody"]["content"].as_object().into_iter().flatten();
        let answers = operation["responses"].as_object().into_iter().flatten();
        let answers = answers.flat_map(|(_, response)| {
            CONTRACT.resolved(response)["content"].as_object().into_iter().flatten()
        });
        for (index, (kind, media)) in bodies.chain(answers).enumerate() {
            let Some(example) = media.get("example") else {
                let needs_none = kind != "application/json"
                    || media["schema"].as_object().is_none_or(|schema| {
                        schema.is_empty() || schema.len() == 1 && schema.contains_key("description")
                    });
                assert!(needs_none, "{method} {path}: no example of {kind}");
                continue;
            };
            let mut faults = Vec::new();
            let key = format!("example {index} of {method} {path}");
            CONTRACT.check_json(&key, &media["schema"], &example.to_string(), &mut faults);
            assert!(faults.is_empty(), "{key}: {faults:#?}\n{example:#}");
        }
    }
}

/// Who is let in, and with which scope, is as the document says.
#[tokio::test]
async fn an_operation_lets_in_whom_the_document_says() {
    let app = TestApp::start().await;
    app.alice().await;
    let mut wrong = Vec::new();
    for (method, path, operation) in operations() {
        let ways = operation["security"].as_array().cloned().unwrap_or_default();
        let is_open = ways.is_empty()
            || ways.contains(&json!({}))
            || ways.iter().all(|way| way.get("stripe").is_some());
        let target =
            path.replace("{id}", "00000000-0000-7000-8000-000000000000").replace("{reference}", "ACDEFG");
        let call = |browser: crate::helpers::browser::Browser| {
            let (method, target) = (method.parse::<Method>().expect("a method"), target.clone());
            async move { browser.call(method, &target, "application/json", "{}".to_owned()).await }
        };
        let guest = call(app.guest()).await;
        if (guest.status == 401) == is_open && guest.status != 422 {
            let code = guest.json()["code"].as_str().unwrap_or_default().to_owned();
            // What a body is to prove is told apart from who calls.
            if code == "unauthenticated" || !is_open {
                wrong.push(format!("{method} {path}: a guest gets {}", guest.status));
            }
        }
        let scopes = ways
            .iter()
            .find_map(|way| way.get("bearer"))
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        for scope in scopes {
            let scope = scope.as_str().expect("a scope");
            let others = ["account:read", "account:write", "bookings:read", "bookings:write"];
            let others: Vec<&str> = others.into_iter().filter(|other| *other != scope).collect();
            let program = app.guest();
            app.execute("truncate rate_limits, sign_in_delays").await;
            let ask = json!({ "email": ALICE, "password": PASSWORD, "scope": others.join(" ") });
            let tokens =
                program.call(Method::POST, "/api/auth/login", "application/json", ask.to_string()).await;
            let token = tokens.expect(200).json()["access_token"].as_str().expect("a token").to_owned();
            program.set_header("authorization", &format!("Bearer {token}"));
            let answer = call(program).await;
            let told = answer.header("www-authenticate").unwrap_or_default();
            if answer.status != 403 || !told.contains(&format!("scope=\"{scope}\"")) {
                wrong.push(format!("{method} {path}: without {scope} it is {}, {told}", answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    app.run_jobs().await;
    app.finish().await;
}

#[tokio::test]
async fn the_document_is_served_and_asked_again_by_its_tag() {
    let app = TestApp::start().await;
    let guest = app.guest();
    let served = guest.get("/api/openapi.json").await.expect(200);
    let document = served.json();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], app.config.link(""));
    assert_eq!(document["components"]["securitySchemes"]["session"]["name"], "session");
    assert_eq!(document["paths"], CONTRACT.document["paths"]);
    guest.set_header("if-none-match", served.header("etag").expect("an ETag"));
    let again = guest.get("/api/openapi.json").await.expect(304);
    assert_eq!((again.body.as_str(), again.header("etag")), ("", served.header("etag")));
    app.finish().await;
}

#[tokio::test]
async fn the_page_tells_every_operation_code_scope_and_shape_without_a_script() {
    let app = TestApp::start().await;
    let page = app.guest().get("/api/docs").await.expect(200);
    for (method, path, operation) in operations() {
        let id = operation["operationId"].as_str().expect("an id");
        let told = page.text(&format!("article[id='{id}']"));
        assert!(told.contains(&format!("{method} {path}")), "{id}: {told}");
        assert!(page.has(&format!("nav a[href='#{id}']")), "{id} is not in the contents");
    }
    let words = page.words();
    for code in jetbridge::web::codes::CODES {
        assert!(words.contains(code.name), "{} is not told", code.name);
    }
    for target in page.attrs("main a[href^='#']", "href") {
        assert!(page.has(&format!("[id='{}']", &target[1..])), "{target} leads nowhere");
    }
    assert_eq!(page.count("main script, main form"), 0);
    assert!(page.has(".foot a[href='/api/docs']"));
    app.finish().await;
}

/// The check itself notices what it is for.
#[test]
fn the_contract_notices_what_breaks_it() {
    let me = json!({
        "id": "019aafd1-3c00-7c4e-9d6b-2f6f7b0f5a11", "email": "a@example.com", "email_verified": true, "name": "A",
        "pending_email": null,
        "phone": null, "born_on": "1986-12-04", "nationality": null,
    });
    let problem = json!({
        "type": "about:blank", "title": "x", "status": 401, "detail": "x", "code": "unauthenticated", "errors": [],
        "request_id": "019aafd1-3c00-7c4e-9d6b-2f6f7b0f5a11",
    });
    let with = |of: &Value, name: &str, value: Value| {
        let mut changed = of.clone();
        changed[name] = value;
        changed
    };
    let (json, text) = ("application/json", "application/problem+json");
    let page = |status: u16, kind: &'static str, path: &str, body: &Value| {
        let headers = [
            ("content-type", kind),
            ("x-request-id", "x"),
            ("etag", "W/\"x\""),
            ("www-authenticate", "Bearer"),
            ("allow", "DELETE,GET,HEAD,PATCH"),
        ];
        let headers: HeaderMap = headers
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .into_iter()
            .collect();
        let url = format!("http://localhost{path}").parse().expect("a URL");
        Page::new(StatusCode::from_u16(status).expect("a status"), headers, url, body.to_string().as_bytes())
    };
    let path = "/api/auth/me";
    let good = [
        (Method::GET, page(200, json, path, &me)),
        (Method::GET, page(200, "application/json; charset=utf-8", path, &me)),
        (Method::GET, page(401, text, path, &problem)),
        (
            Method::GET,
            page(
                404,
                text,
                "/api/nothing",
                &with(&with(&problem, "status", json!(404)), "code", json!("not_found")),
            ),
        ),
        (
            Method::PUT,
            page(
                405,
                text,
                path,
                &with(&with(&problem, "status", json!(405)), "code", json!("method_not_allowed")),
            ),
        ),
    ];
    let bad = [
        (Method::GET, page(201, json, path, &me)),
        (Method::GET, page(200, "text/plain", path, &me)),
        (Method::GET, page(200, json, path, &with(&me, "secret", json!("x")))),
        (Method::GET, page(200, json, path, &with(&me, "born_on", json!("4.12.1986")))),
        (Method::GET, page(200, json, path, &with(&me, "email_verified", json!("yes")))),
        (Method::GET, page(200, json, path, &json!({}))),
        (Method::GET, page(401, text, path, &with(&problem, "code", json!("wrong_credentials")))),
        (Method::GET, page(401, text, path, &with(&problem, "status", json!(403)))),
        (Method::GET, page(401, json, path, &problem)),
        (Method::GET, page(500, json, path, &json!("x"))),
        (
            Method::DELETE,
            page(
                405,
                text,
                "/api/auth/signup",
                &with(&with(&problem, "status", json!(405)), "code", json!("method_not_allowed")),
            ),
        ),
        (Method::GET, page(200, json, "/api/nothing", &me)),
    ];
    let contract = Contract::new(CONTRACT.document.clone());
    for (method, page) in &good {
        assert_eq!(contract.faults(method, None, page), [""; 0], "{} {}", page.status, page.body);
    }
    for (method, page) in &bad {
        assert!(!contract.faults(method, None, page).is_empty(), "{} {}", page.status, page.body);
    }
    let taken = page(200, json, path, &me);
    assert_eq!(contract.faults(&Method::PATCH, Some(br#"{"phone":null}"#), &taken), [""; 0]);
    for body in [r#"{"email":"x"}"#, r#"{"name":null,"x":1}"#, "x"] {
        assert!(!contract.faults(&Method::PATCH, Some(body.as_bytes()), &taken).is_empty(), "{body}");
    }
}
