//! The document in the order and the words of the page: what `parts.rs` draws.

use serde_json::Value;
use utoipa::openapi::{
    Components, HttpMethod, KnownFormat, OpenApi, Ref, RefOr, Required, Schema, SchemaFormat,
    path::{Operation, Parameter, ParameterIn},
    response::Response,
    schema::{ArrayItems, Object, SchemaType, Type},
};

use super::{
    answers::{is_for_some, operations, scopes, ways_in},
    examples,
};
use crate::web::codes::{At, Code};

/// The operations of one tag.
pub struct Chapter {
    pub name: String,
    pub about: String,
    pub calls: Vec<Call>,
}

/// One operation.
pub struct Call {
    pub id: String,
    pub method: &'static str,
    pub path: String,
    pub summary: String,
    pub about: String,
    pub access: Access,
    pub parameters: Vec<Member>,
    pub body: Vec<Member>,
    /// For a shell.
    pub sample: String,
    pub answers: Vec<Answer>,
    pub failures: Vec<&'static Code>,
}

pub enum Access {
    Everybody,
    /// Whoever signs by this header.
    Signed(&'static str),
    /// Somebody signed in on the site: no token counts.
    Session,
    /// Somebody signed in; a token with these scopes.
    Scopes(Vec<String>),
}

/// A member of a body, or a parameter.
pub struct Member {
    pub name: String,
    /// Where a parameter stands: "path".
    pub place: Option<&'static str>,
    pub kind: Kind,
    pub required: bool,
    pub about: String,
}

/// "list of [Device], or null".
pub struct Kind {
    pub before: &'static str,
    pub name: String,
    /// It is one of the shapes.
    pub is_shape: bool,
    pub after: &'static str,
}

/// An answer that is none of the failures.
pub struct Answer {
    pub status: String,
    pub about: String,
    pub kind: Option<Kind>,
    pub example: Option<String>,
}

/// A body that others hold or answers are.
pub struct Shape {
    pub name: String,
    pub about: String,
    pub members: Vec<Member>,
    /// Instead of members: what it is.
    pub kind: Kind,
}

pub struct Outline {
    pub chapters: Vec<Chapter>,
    pub shapes: Vec<Shape>,
}

impl Outline {
    pub fn of(api: &OpenApi) -> Self {
        let nothing = Components::new();
        let components = api.components.as_ref().unwrap_or(&nothing);
        let origin = api.servers.iter().flatten().map(|server| server.url.clone()).next().unwrap_or_default();
        let book = Book { components, origin };
        let chapters = api.tags.iter().flatten().map(|tag| Chapter {
            name: tag.name.clone(),
            about: tag.description.clone().unwrap_or_default(),
            calls: book.calls(api, &tag.name),
        });
        let shapes = components.schemas.iter().filter(|(_, schema)| !is_word(schema));
        let shapes = shapes.map(|(name, schema)| Shape {
            name: name.clone(),
            about: about(schema),
            members: book.members(schema),
            kind: kind(schema),
        });
        Self { chapters: chapters.collect(), shapes: shapes.collect() }
    }
}

struct Book<'a> {
    components: &'a Components,
    origin: String,
}

impl Book<'_> {
    fn calls(&self, api: &OpenApi, tag: &str) -> Vec<Call> {
        let all = api.paths.paths.iter().flat_map(|(path, item)| {
            operations(item).map(move |(method, operation)| (path.as_str(), method, operation))
        });
        let own = all.filter(|(_, _, operation)| operation.tags.iter().flatten().any(|own| own == tag));
        own.map(|(path, method, operation)| self.call(path, &method, operation)).collect()
    }

    fn call(&self, path: &str, method: &HttpMethod, operation: &Operation) -> Call {
        let parameters: Vec<&Parameter> = operation.parameters.iter().flatten().filter_map(here).collect();
        let body = operation.request_body.as_ref().and_then(here);
        let body = body.and_then(|body| body.content.values().find_map(here));
        let example = body.and_then(|body| self.pretty(body.example.as_ref()?, body.schema.as_ref()));
        let access = access(operation);
        let method = name_of(method);
        Call {
            id: operation.operation_id.clone().unwrap_or_default(),
            sample: self.sample(method, path, &parameters, &access, example.as_deref()),
            method,
            path: path.to_owned(),
            summary: operation.summary.clone().unwrap_or_default(),
            about: operation.description.clone().unwrap_or_default(),
            access,
            parameters: parameters.into_iter().map(|parameter| self.parameter(parameter)).collect(),
            body: body
                .and_then(|body| body.schema.as_ref())
                .map(|schema| self.members(schema))
                .unwrap_or_default(),
            answers: self.answers(operation),
            failures: failures(operation),
        }
    }

    fn parameter(&self, parameter: &Parameter) -> Member {
        Member {
            name: parameter.name.clone(),
            place: Some(match parameter.parameter_in {
                ParameterIn::Path => "path",
                ParameterIn::Header => "header",
                ParameterIn::Cookie => "cookie",
                _ => "query",
            }),
            kind: parameter.schema.as_ref().map(|schema| self.kind(schema)).unwrap_or_else(|| word("text")),
            required: parameter.required == Required::True,
            about: parameter.description.clone().unwrap_or_default(),
        }
    }

    /// As [`kind`], but what is a mere word under a name is that word.
    fn kind(&self, schema: &RefOr<Schema>) -> Kind {
        match schema {
            RefOr::Ref(to) => match self.behind(to) {
                Some(schema) if is_word(schema) => kind(schema),
                _ => kind_of_ref(to),
            },
            RefOr::T(Schema::Array(array)) => match &array.items {
                ArrayItems::RefOrSchema(item) => Kind { before: "list of ", ..self.kind(item) },
                ArrayItems::False => word("empty list"),
            },
            RefOr::T(Schema::OneOf(one)) => match something(&one.items) {
                Some(item) => Kind { after: ", or null", ..self.kind(item) },
                None => word("one of several"),
            },
            RefOr::T(_) => kind(schema),
        }
    }

    fn behind(&self, to: &Ref) -> Option<&RefOr<Schema>> {
        self.components.schemas.get(to.ref_location.rsplit('/').next()?)
    }

    fn members(&self, schema: &RefOr<Schema>) -> Vec<Member> {
        let object = match schema {
            RefOr::Ref(to) => return self.behind(to).map(|schema| self.members(schema)).unwrap_or_default(),
            RefOr::T(Schema::Object(object)) => object,
            RefOr::T(Schema::AllOf(all)) => {
                return all.items.iter().flat_map(|part| self.members(part)).collect();
            }
            RefOr::T(_) => return Vec::new(),
        };
        let members = object.properties.iter().map(|(name, schema)| Member {
            name: name.clone(),
            place: None,
            kind: self.kind(schema),
            required: object.required.contains(name),
            about: about(schema),
        });
        members.collect()
    }

    fn answers(&self, operation: &Operation) -> Vec<Answer> {
        let all = operation.responses.responses.iter().filter(|(status, _)| status.as_str() < "400");
        let described = all.filter_map(|(status, response)| Some((status, here(response)?)));
        described.map(|(status, response)| self.answer(status, response)).collect()
    }

    fn answer(&self, status: &str, response: &Response) -> Answer {
        let content = response.content.values().find_map(here);
        let schema = content.and_then(|content| content.schema.as_ref());
        let example = content.and_then(|content| content.example.as_ref());
        Answer {
            status: status.to_owned(),
            about: response.description.clone(),
            kind: schema.map(|schema| self.kind(schema)).filter(|kind| kind.is_shape),
            example: example.and_then(|example| self.pretty(example, schema)),
        }
    }

    fn pretty(&self, example: &Value, schema: Option<&RefOr<Schema>>) -> Option<String> {
        examples::pretty(self.components, example, schema)
    }

    /// A call for a shell, as it can be tried.
    fn sample(
        &self,
        method: &str,
        path: &str,
        parameters: &[&Parameter],
        access: &Access,
        body: Option<&str>,
    ) -> String {
        let mut address = path.to_owned();
        let mut question = url::form_urlencoded::Serializer::new(String::new());
        let mut lines = Vec::new();
        for parameter in parameters {
            let Some(value) = self.example_of(parameter) else { continue };
            match parameter.parameter_in {
                ParameterIn::Path => address = address.replace(&format!("{{{}}}", parameter.name), &value),
                ParameterIn::Query => _ = question.append_pair(&parameter.name, &value),
                ParameterIn::Header if parameter.required == Required::True => {
                    lines.push(format!("-H '{}: {value}'", parameter.name));
                }
                _ => {}
            }
        }
        let question = question.finish();
        let mark = if question.is_empty() { "" } else { "?" };
        let verb = if method == "GET" { String::new() } else { format!("-X {method} ") };
        lines.insert(0, format!("curl {verb}'{}{address}{mark}{question}'", self.origin));
        match access {
            Access::Scopes(_) => lines.push("-H \"Authorization: Bearer $TOKEN\"".to_owned()),
            Access::Session => lines.push("-b \"$COOKIE\"".to_owned()),
            Access::Signed(header) => lines.push(format!("-H \"{header}: $SIGNATURE\"")),
            Access::Everybody => {}
        }
        if let Some(body) = body {
            lines.push("-H 'Content-Type: application/json'".to_owned());
            lines.push(format!("-d '{body}'"));
        }
        lines.join(" \\\n  ")
    }

    /// Of every parameter in the path, and of others where they name one.
    fn example_of(&self, parameter: &Parameter) -> Option<String> {
        let told = serde_json::to_value(parameter).ok()?.get("example").cloned();
        let of_schema = || examples::of(self.components, parameter.schema.as_ref()?, 0);
        let value = if parameter.required == Required::True { told.or_else(of_schema) } else { told };
        value.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    }
}

fn here<T>(value: &RefOr<T>) -> Option<&T> {
    match value {
        RefOr::T(value) => Some(value),
        RefOr::Ref(_) => None,
    }
}

fn name_of(method: &HttpMethod) -> &'static str {
    match method {
        HttpMethod::Post => "POST",
        HttpMethod::Put => "PUT",
        HttpMethod::Patch => "PATCH",
        HttpMethod::Delete => "DELETE",
        _ => "GET",
    }
}

fn access(operation: &Operation) -> Access {
    let ways = ways_in(operation);
    if ways.contains_key("stripe") {
        Access::Signed("Stripe-Signature")
    } else if !is_for_some(operation) {
        Access::Everybody
    } else if ways.contains_key("bearer") {
        Access::Scopes(scopes(operation))
    } else {
        Access::Session
    }
}

/// Those that are this operation's own or its kind's. What any call may meet stands once on the page.
fn failures(operation: &Operation) -> Vec<&'static Code> {
    let problems = operation.responses.responses.values().filter_map(here);
    let schemas = problems.flat_map(|response| response.content.values()).filter_map(here);
    let narrowed = schemas.filter_map(|content| match content.schema.as_ref()? {
        RefOr::T(Schema::AllOf(all)) => all.items.get(1).and_then(here),
        _ => None,
    });
    let codes = narrowed.filter_map(|schema| match schema {
        Schema::Object(object) => object.properties.get("code").and_then(here),
        _ => None,
    });
    let mut found: Vec<&'static Code> = codes
        .filter_map(|code| if let Schema::Object(code) = code { code.enum_values.as_ref() } else { None })
        .flatten()
        .filter_map(|name| Code::named(name.as_str()?))
        .filter(|code| code.at != At::Every)
        .collect();
    found.sort_by_key(|code| code.status);
    found
}

fn about(schema: &RefOr<Schema>) -> String {
    let description = match schema {
        RefOr::Ref(to) => return to.description.clone(),
        RefOr::T(Schema::Object(object)) => &object.description,
        RefOr::T(Schema::Array(array)) => &array.description,
        RefOr::T(Schema::OneOf(one)) => &one.description,
        RefOr::T(Schema::AllOf(all)) => &all.description,
        RefOr::T(Schema::AnyOf(any)) => &any.description,
        RefOr::T(_) => return String::new(),
    };
    description.clone().unwrap_or_default()
}

/// A text or a number under a name of its own: told by what it is, not by that name.
fn is_word(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object)) if object.properties.is_empty()
        && !matches!(object.schema_type, SchemaType::Type(Type::Object)))
}

fn something(items: &[RefOr<Schema>]) -> Option<&RefOr<Schema>> {
    let is_null = |item: &RefOr<Schema>| matches!(item, RefOr::T(Schema::Object(object)) if object.schema_type == SchemaType::Type(Type::Null));
    items.iter().find(|item| !is_null(item)).filter(|_| items.iter().any(is_null))
}

fn word(name: impl Into<String>) -> Kind {
    Kind { before: "", name: name.into(), is_shape: false, after: "" }
}

fn kind_of_ref(to: &Ref) -> Kind {
    let name = to.ref_location.rsplit('/').next().unwrap_or_default();
    Kind { is_shape: true, ..word(name) }
}

fn kind(schema: &RefOr<Schema>) -> Kind {
    match schema {
        RefOr::Ref(to) => kind_of_ref(to),
        RefOr::T(Schema::Object(object)) => kind_of_object(object),
        RefOr::T(Schema::Array(_)) => word("list"),
        RefOr::T(_) => word("one of several"),
    }
}

fn kind_of_object(object: &Object) -> Kind {
    let (of, or_null) = match &object.schema_type {
        SchemaType::Type(of) => (Some(of), false),
        SchemaType::Array(kinds) => (kinds.iter().find(|of| **of != Type::Null), kinds.contains(&Type::Null)),
        SchemaType::AnyValue => (None, false),
    };
    let name = match (of, &object.enum_values) {
        (_, Some(values)) => values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" · "),
        (Some(Type::String), None) => text(object),
        (Some(Type::Integer), None) => "whole number".to_owned(),
        (Some(Type::Number), None) => "number".to_owned(),
        (Some(Type::Boolean), None) => "true or false".to_owned(),
        (Some(Type::Object), None) => "object".to_owned(),
        _ => "anything".to_owned(),
    };
    Kind { after: if or_null { ", or null" } else { "" }, ..word(name) }
}

fn text(object: &Object) -> String {
    let of_format = match &object.format {
        Some(SchemaFormat::KnownFormat(KnownFormat::Date)) => Some("date"),
        Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)) => Some("instant"),
        Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)) => Some("UUID"),
        Some(SchemaFormat::KnownFormat(KnownFormat::Email)) => Some("e-mail address"),
        Some(SchemaFormat::KnownFormat(KnownFormat::Password)) => Some("password"),
        _ => None,
    };
    let name = of_format.unwrap_or("text");
    match (object.min_length.filter(|least| *least > 1), object.max_length) {
        (Some(least), Some(most)) => format!("{name}, {least}–{most} characters"),
        (None, Some(most)) if of_format.is_none() => format!("{name}, at most {most} characters"),
        _ => name.to_owned(),
    }
}
