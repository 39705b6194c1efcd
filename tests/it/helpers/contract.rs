//! The contract that `/api/openapi.json` is: every answer of the API that any test gets is held against it, and every body that
//! the API took.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use jetbridge::{config::Config, openapi::Document};
use jsonschema::Validator;
use reqwest::Method;
use serde_json::{Value, json};

use super::page::Page;

const PROBLEM: &str = "application/problem+json";

pub struct Contract {
    pub document: Value,
    /// What answers are made of: as documented, and without any member that is not.
    closed: Value,
    validators: Mutex<HashMap<String, Arc<Validator>>>,
}

pub static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    let config = Config::from_vars(|_| None).expect("a configuration");
    let document = Document::new(&config).expect("a document");
    Contract::new(serde_json::to_value(document.api()).expect("JSON"))
});

/// Fails the test if the answer, or the body that was taken, is not as the document says.
pub fn check(method: &Method, sent: Option<&[u8]>, page: &Page) {
    let faults = CONTRACT.faults(method, sent, page);
    assert!(
        faults.is_empty(),
        "{method} {} answered {} and breaks /api/openapi.json: {faults:#?}\n{}",
        page.url.path(),
        page.status,
        page.body.chars().take(2_000).collect::<String>()
    );
}

impl Contract {
    pub fn new(document: Value) -> Self {
        let mut closed = document["components"].clone();
        for schema in closed["schemas"].as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
            close(schema);
        }
        Self { document, closed, validators: Mutex::default() }
    }

    pub fn faults(&self, method: &Method, sent: Option<&[u8]>, page: &Page) -> Vec<String> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        let mut faults = Vec::new();
        if page.header("x-request-id").is_none() {
            faults.push("it has no X-Request-Id".to_owned());
        }
        match self.find(page.url.path()) {
            None => self.check_problem_of(page, 404, &["not_found"], &mut faults),
            Some((path, item)) => match item.get(method.as_str().to_lowercase()) {
                None => self.check_undocumented(item, page, &mut faults),
                Some(operation) => {
                    let at = format!("{method} {path}");
                    self.check_answer(&at, operation, page, &mut faults);
                    if page.status.is_success() {
                        self.check_sent(&at, operation, sent, &mut faults);
                    }
                }
            },
        }
        faults
    }

    /// The documented path of an address: one without parameters before one with.
    pub fn find(&self, address: &str) -> Option<(&str, &Value)> {
        let parts: Vec<&str> = address.split('/').collect();
        let fits = |path: &str| {
            let own: Vec<&str> = path.split('/').collect();
            // As the router has it: nothing between two slashes is a part, nothing after the last is none.
            let is_part = |place: usize| !parts[place].is_empty() || place + 1 < parts.len();
            own.len() == parts.len()
                && (0..own.len()).all(|place| {
                    own[place] == parts[place] || (own[place].starts_with('{') && is_part(place))
                })
        };
        let all = self.document["paths"].as_object().expect("paths");
        let mut found: Vec<_> = all.iter().filter(|(path, _)| fits(path)).collect();
        found.sort_by_key(|(path, _)| path.matches('{').count());
        found.first().map(|(path, item)| (path.as_str(), *item))
    }

    /// A method that no operation has.
    fn check_undocumented(&self, item: &Value, page: &Page, faults: &mut Vec<String>) {
        // What a layer around the routes refuses, it refuses whatever the method.
        let refused = ["foreign_origin", "not_acceptable", "too_large", "request_timeout", "misdirected"];
        if page.status != 405 {
            return self.check_problem_of(page, page.status.as_u16(), &refused, faults);
        }
        self.check_problem_of(page, 405, &["method_not_allowed"], faults);
        let allowed = page.header("allow").unwrap_or_default();
        let mut allowed: Vec<&str> =
            allowed.split(',').map(str::trim).filter(|word| *word != "HEAD").collect();
        allowed.sort_unstable();
        let mut documented: Vec<String> =
            item.as_object().expect("an object").keys().map(|method| method.to_uppercase()).collect();
        documented.sort_unstable();
        if allowed != documented {
            faults.push(format!("Allow says {allowed:?}, the document {documented:?}"));
        }
    }

    fn check_problem_of(&self, page: &Page, status: u16, codes: &[&str], faults: &mut Vec<String>) {
        if page.status != status {
            faults.push(format!("nothing documents this address, so {status} is expected"));
            return;
        }
        if page.header("content-type") != Some(PROBLEM) {
            faults.push(format!("its content is {:?} and no problem", page.header("content-type")));
            return;
        }
        if page.body.is_empty() {
            return;
        }
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        self.check_json("Problem", &schema, &page.body, faults);
        let code = page.json()["code"].as_str().unwrap_or_default().to_owned();
        if !codes.contains(&code.as_str()) {
            faults.push(format!("its code is {code}, not one of {codes:?}"));
        }
    }

    fn check_answer(&self, at: &str, operation: &Value, page: &Page, faults: &mut Vec<String>) {
        let status = page.status.as_u16().to_string();
        let response = self.resolved(&operation["responses"][&status]);
        if response.is_null() {
            let known = operation["responses"].as_object().into_iter().flat_map(serde_json::Map::keys);
            faults.push(format!("{status} is not documented; {:?} are", known.collect::<Vec<_>>()));
            return;
        }
        for name in response["headers"].as_object().into_iter().flat_map(serde_json::Map::keys) {
            // A limit that grows with each try has no quota to tell.
            if page.header(name).is_none() && !name.starts_with("RateLimit") {
                faults.push(format!("it lacks the header {name}"));
            }
        }
        if page.status == 405 && page.header("allow").is_none() {
            faults.push("a 405 without Allow".to_owned());
        }
        let content = response["content"].as_object();
        let kind = page.header("content-type").map(essence);
        match (content, kind) {
            (None, _) if page.body.is_empty() => {}
            (None, _) => faults.push("no body is documented".to_owned()),
            // The answer to HEAD.
            (Some(_), _) if page.body.is_empty() => {}
            (Some(_), None) => faults.push("it does not say what its content is".to_owned()),
            (Some(content), Some(kind)) => match content.get(kind) {
                None => faults
                    .push(format!("{kind} is not documented; {:?} are", content.keys().collect::<Vec<_>>())),
                Some(media) if kind.ends_with("json") => {
                    let key = format!("{at} {status} {kind}");
                    self.check_json(&key, &media["schema"], &page.body, faults);
                }
                Some(_) => {}
            },
        }
    }

    /// What was taken must be what may be sent: otherwise the document asks for less, or for something else, than we take.
    fn check_sent(&self, at: &str, operation: &Value, sent: Option<&[u8]>, faults: &mut Vec<String>) {
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let Some(sent) = sent.filter(|_| !schema.is_null()) else { return };
        let before = faults.len();
        self.check_json(&format!("{at} body"), schema, &String::from_utf8_lossy(sent), faults);
        for fault in &mut faults[before..] {
            *fault = format!("the body that it took: {fault}");
        }
    }

    pub fn check_json(&self, key: &str, schema: &Value, text: &str, faults: &mut Vec<String>) {
        let value: Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(error) => return faults.push(format!("it is no JSON: {error}")),
        };
        let validator = self.validator(key, schema);
        faults.extend(
            validator
                .iter_errors(&value)
                .map(|error| format!("at {:?}: {error}", error.instance_path().to_string())),
        );
    }

    fn validator(&self, key: &str, schema: &Value) -> Arc<Validator> {
        let mut all = self.validators.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get(key) {
            return Arc::clone(known);
        }
        // References lead to `#/components`, so those stand beside the schema.
        let whole = json!({ "allOf": [schema], "components": self.closed });
        let validator = jsonschema::draft202012::options()
            .should_validate_formats(true)
            .build(&whole)
            .unwrap_or_else(|error| panic!("{key}: its schema is none: {error}"));
        let validator = Arc::new(validator);
        all.insert(key.to_owned(), Arc::clone(&validator));
        validator
    }

    /// Behind `$ref`, if it is one.
    pub fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(to) => self.document.pointer(to.trim_start_matches('#')).unwrap_or(&Value::Null),
            None => value,
        }
    }
}

/// What is not documented must not be there.
fn close(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else { return };
    if object.contains_key("properties") && !object.contains_key("additionalProperties") {
        object.insert("additionalProperties".to_owned(), json!(false));
    }
    for key in ["items", "additionalProperties"] {
        object.get_mut(key).into_iter().for_each(close);
    }
    for key in ["oneOf", "anyOf"] {
        object.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().for_each(close);
    }
    if let Some(members) = object.get_mut("properties").and_then(Value::as_object_mut) {
        members.values_mut().for_each(close);
    }
}

fn essence(kind: &str) -> &str {
    kind.split(';').next().unwrap_or_default().trim()
}
