//! Every way in which an operation can go wrong. A handler names the codes that are its own, as the description of a response;
//! those that come with a body, a token or a parameter follow from there being one.

use std::collections::BTreeMap;

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        AllOfBuilder, ContentBuilder, HttpMethod, ObjectBuilder, OpenApi, Ref, RefOr, Response,
        ResponseBuilder,
        header::{Header, HeaderBuilder},
        path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem},
        schema::Type,
    },
};

use crate::web::codes::{At, CODES, Code, ErrorAt, PROBLEM_JSON, ProblemBody};

type Codes = BTreeMap<u16, Vec<&'static Code>>;

pub fn complete(api: &mut OpenApi) {
    for item in api.paths.paths.values_mut() {
        for (method, operation) in operations_mut(item) {
            answer(&method, operation);
        }
    }
    let components = api.components.get_or_insert_default();
    components.schemas.insert(ProblemBody::name().into_owned(), ProblemBody::schema());
    components.schemas.insert(ErrorAt::name().into_owned(), ErrorAt::schema());
    for (status, codes) in everywhere() {
        components.responses.insert(name_of(&codes), problem(status, &codes).into());
    }
    for (name, header) in headers() {
        components.headers.insert(name.to_owned(), header.into());
    }
}

pub fn operations_mut(item: &mut PathItem) -> impl Iterator<Item = (HttpMethod, &mut Operation)> {
    let all = [
        (HttpMethod::Get, &mut item.get),
        (HttpMethod::Post, &mut item.post),
        (HttpMethod::Put, &mut item.put),
        (HttpMethod::Patch, &mut item.patch),
        (HttpMethod::Delete, &mut item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

pub fn operations(item: &PathItem) -> impl Iterator<Item = (HttpMethod, &Operation)> {
    let all = [
        (HttpMethod::Get, &item.get),
        (HttpMethod::Post, &item.post),
        (HttpMethod::Put, &item.put),
        (HttpMethod::Patch, &item.patch),
        (HttpMethod::Delete, &item.delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
}

fn answer(method: &HttpMethod, operation: &mut Operation) {
    if *method != HttpMethod::Get && !ways_in(operation).contains_key("stripe") {
        operation.parameters.get_or_insert_default().push(idempotency_key().into());
    }
    let mut codes = Codes::new();
    for name in by_rule(method, operation) {
        add(&mut codes, name);
    }
    for response in own(operation) {
        for name in response.split_whitespace() {
            add(&mut codes, name);
        }
    }
    let is_tagged = *method == HttpMethod::Get && answers_json(operation);
    if is_tagged {
        let unchanged = ResponseBuilder::new().description("It is still what If-None-Match names.").build();
        operation.responses.responses.insert("304".to_owned(), unchanged.into());
    }
    let everywhere = everywhere();
    for (status, general) in &everywhere {
        // Beside what is its own, an operation says again what every call may meet.
        if let Some(own) = codes.get_mut(status) {
            own.extend(general);
        }
    }
    let is_limited = codes.contains_key(&429);
    for (status, codes) in codes {
        operation.responses.responses.insert(status.to_string(), problem(status, &codes).into());
    }
    for (status, general) in everywhere {
        let shared = Ref::from_response_name(name_of(&general));
        operation.responses.responses.entry(status.to_string()).or_insert(shared.into());
    }
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response {
            add_headers(status, response);
            if is_tagged && matches!(status.as_str(), "200" | "304") {
                add_header("ETag", response);
            }
            if is_limited && status.starts_with('2') {
                ["RateLimit", "RateLimit-Policy"].iter().for_each(|name| add_header(name, response));
            }
        }
    }
}

fn answers_json(operation: &Operation) -> bool {
    operation.responses.responses.values().any(|response| match response {
        RefOr::T(response) => response.content.contains_key("application/json"),
        RefOr::Ref(_) => false,
    })
}

/// Descriptions of answers that tell of a failure and are not described yet. A code that nobody knows stays there as it is,
/// and a test finds it.
fn own(operation: &Operation) -> Vec<String> {
    let failures = operation.responses.responses.iter().filter(|(status, _)| status.as_str() >= "400");
    let bare = failures.filter_map(|(_, response)| match response {
        RefOr::T(response) if response.content.is_empty() => Some(response.description.clone()),
        _ => None,
    });
    bare.collect()
}

fn add(codes: &mut Codes, name: &str) {
    let Some(code) = Code::named(name) else { return };
    let known = codes.entry(code.status).or_default();
    if !known.contains(&code) {
        known.push(code);
    }
}

/// The codes that follow from the kind of a call.
fn by_rule(method: &HttpMethod, operation: &Operation) -> Vec<&'static str> {
    let mut names = Vec::new();
    if reads_json(operation) {
        names.extend(["not_json", "unsupported_media_type", "invalid"]);
    }
    if is_for_some(operation) {
        names.push("unauthenticated");
    }
    if !scopes(operation).is_empty() {
        names.push("insufficient_scope");
    }
    if *method != HttpMethod::Get && !ways_in(operation).contains_key("stripe") {
        names.push("foreign_origin");
        names.extend(["bad_idempotency_key", "call_in_flight", "idempotency_key_reused"]);
    }
    if has_parameter(operation, &ParameterIn::Path) {
        names.push("not_found");
    }
    names
}

/// A body whose members are described. Stripe's is not: it is read only once its signature is checked.
fn reads_json(operation: &Operation) -> bool {
    let Some(RefOr::T(body)) = &operation.request_body else { return false };
    body.content.values().any(|content| matches!(content, RefOr::T(content) if content.schema.is_some()))
}

fn has_parameter(operation: &Operation, place: &ParameterIn) -> bool {
    let parameters = operation.parameters.iter().flatten();
    let mut places = parameters.filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(&parameter.parameter_in),
        RefOr::Ref(_) => None,
    });
    places.any(|found| found == place)
}

/// The ways to be let in, each with its scopes.
pub fn ways_in(operation: &Operation) -> BTreeMap<String, Vec<String>> {
    let ways = operation.security.iter().flatten();
    let ways = ways.filter_map(|way| serde_json::to_value(way).ok());
    ways.filter_map(|way| serde_json::from_value::<BTreeMap<String, Vec<String>>>(way).ok())
        .flatten()
        .collect()
}

pub fn scopes(operation: &Operation) -> Vec<String> {
    ways_in(operation).remove("bearer").unwrap_or_default()
}

/// Whether nobody gets in without being signed in.
pub fn is_for_some(operation: &Operation) -> bool {
    let ways = operation.security.as_deref().unwrap_or_default();
    let is_open =
        ways.iter().any(|way| serde_json::to_value(way).is_ok_and(|way| way == serde_json::json!({})));
    !is_open && ways_in(operation).contains_key("session")
}

/// What any call may meet. That a method is not taken is told by no operation: there is none.
fn everywhere() -> Codes {
    let mut codes = Codes::new();
    for code in CODES.iter().filter(|code| code.at == At::Every && code.status != 405) {
        add(&mut codes, code.name);
    }
    codes
}

/// `TooLarge`.
fn name_of(codes: &[&Code]) -> String {
    let words = codes.first().map(|code| code.name).unwrap_or_default().split('_');
    let capitalised = words.map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    });
    capitalised.collect()
}

fn problem(status: u16, codes: &[&'static Code]) -> Response {
    let text = |values: Vec<&str>| ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values));
    let number = ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some([status]));
    let narrowed = ObjectBuilder::new()
        .property("status", number)
        .property("code", text(codes.iter().map(|code| code.name).collect()));
    let schema = AllOfBuilder::new().item(Ref::from_schema_name(ProblemBody::name())).item(narrowed.build());
    let mut response = ResponseBuilder::new()
        .description(in_words(codes))
        .content(PROBLEM_JSON, ContentBuilder::new().schema(Some(schema)).build())
        .build();
    add_headers(&status.to_string(), &mut response);
    response
}

fn in_words(codes: &[&Code]) -> String {
    match codes {
        [one] => one.meaning.to_owned(),
        several => {
            let lines = several.iter().map(|code| format!("- `{}`: {}", code.name, code.meaning));
            lines.collect::<Vec<_>>().join("\n")
        }
    }
}

/// Every call that changes something takes one.
fn idempotency_key() -> Parameter {
    let text =
        ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255)).build();
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .description(Some(
            "Drawn at random for this call. The same call again within 24 hours gets the same answer, with \
             `Idempotency-Replayed: true`, and does nothing.",
        ))
        .schema(Some(text))
        .build()
}

fn add_headers(status: &str, response: &mut Response) {
    let of_status: &[&str] = match status {
        "401" => &["WWW-Authenticate"],
        "429" => &["Retry-After", "RateLimit", "RateLimit-Policy"],
        "503" => &["Retry-After"],
        _ => &[],
    };
    of_status.iter().chain(&["X-Request-Id"]).for_each(|name| add_header(name, response));
}

fn add_header(name: &str, response: &mut Response) {
    let shared = Ref::new(format!("#/components/headers/{name}"));
    response.headers.entry(name.to_owned()).or_insert(RefOr::Ref(shared));
}

fn headers() -> [(&'static str, Header); 6] {
    let header = |kind: Type, about: &str| {
        HeaderBuilder::new()
            .schema(Some(ObjectBuilder::new().schema_type(kind).build()))
            .description(Some(about))
            .build()
    };
    [
        (
            "X-Request-Id",
            header(Type::String, "Names this request in our logs. Tell it when you ask for help."),
        ),
        (
            "ETag",
            header(
                Type::String,
                "Names this answer. Send it as If-None-Match to hear whether it still holds.",
            ),
        ),
        ("WWW-Authenticate", header(Type::String, "How to prove who you are (RFC 6750).")),
        ("Retry-After", header(Type::Integer, "Seconds to wait.")),
        (
            "RateLimit",
            header(
                Type::String,
                "What is left (`r`) of each limit that counted this call, as far as this server knows, and in how many seconds there is more (`t`). No promise: others may spend of it too.",
            ),
        ),
        (
            "RateLimit-Policy",
            header(Type::String, "The limits themselves: how many (`q`) within how many seconds (`w`)."),
        ),
    ]
}
