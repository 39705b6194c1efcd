//! An example for every body, put together from those of its members.

use std::fmt::{self, Write};

use serde_json::{Map, Value, json};
use utoipa::openapi::{
    Components, Content, KnownFormat, OpenApi, RefOr, Schema, SchemaFormat,
    schema::{ArrayItems, Object, SchemaType, Type},
};

use super::answers::operations_mut;

/// Deep enough for any body of ours, and an end for one that holds itself.
const DEEPEST: usize = 24;

pub fn complete(api: &mut OpenApi) {
    let components = api.components.clone().unwrap_or_default();
    for item in api.paths.paths.values_mut() {
        for (_, operation) in operations_mut(item) {
            if let Some(RefOr::T(body)) = &mut operation.request_body {
                body.content.iter_mut().for_each(|(kind, content)| add(&components, kind, content));
            }
            for response in operation.responses.responses.values_mut() {
                if let RefOr::T(response) = response {
                    response.content.iter_mut().for_each(|(kind, content)| add(&components, kind, content));
                }
            }
        }
    }
}

/// Only to JSON that goes well: what problems look like is the same everywhere.
fn add(components: &Components, kind: &str, content: &mut RefOr<Content>) {
    let RefOr::T(content) = content else { return };
    if kind == "application/json"
        && content.example.is_none()
        && let Some(schema) = &content.schema
    {
        content.example = of(components, schema, 0);
    }
}

pub fn of(components: &Components, schema: &RefOr<Schema>, depth: usize) -> Option<Value> {
    if depth > DEEPEST {
        return None;
    }
    let schema = match schema {
        RefOr::T(schema) => schema,
        RefOr::Ref(to) => {
            let name = to.ref_location.rsplit('/').next()?;
            return of(components, components.schemas.get(name)?, depth + 1);
        }
    };
    match schema {
        Schema::Object(object) => of_object(components, object, depth),
        Schema::Array(array) => match (&array.example, &array.items) {
            (Some(example), _) => Some(example.clone()),
            (None, ArrayItems::RefOrSchema(item)) => Some(json!([of(components, item, depth + 1)?])),
            (None, ArrayItems::False) => Some(json!([])),
        },
        Schema::OneOf(one) => one.items.iter().find_map(|item| of_something(components, item, depth)),
        Schema::AnyOf(any) => any.items.iter().find_map(|item| of_something(components, item, depth)),
        Schema::AllOf(all) => {
            let parts = all.items.iter().filter_map(|item| of(components, item, depth + 1));
            let members = parts.filter_map(|part| part.as_object().cloned()).flatten();
            Some(Value::Object(members.collect()))
        }
        _ => None,
    }
}

/// Something rather than null, where both may be.
fn of_something(components: &Components, schema: &RefOr<Schema>, depth: usize) -> Option<Value> {
    of(components, schema, depth + 1).filter(|value| !value.is_null())
}

fn of_object(components: &Components, object: &Object, depth: usize) -> Option<Value> {
    if let Some(example) = object.example.as_ref().or(object.examples.first()) {
        return Some(example.clone());
    }
    if let Some(first) = object.enum_values.as_ref().and_then(|values| values.first()) {
        return Some(first.clone());
    }
    let kind = match &object.schema_type {
        SchemaType::Type(kind) => kind,
        SchemaType::Array(kinds) => kinds.iter().find(|kind| **kind != Type::Null)?,
        SchemaType::AnyValue => return None,
    };
    match kind {
        Type::Object => {
            let members = object.properties.iter();
            let members =
                members.filter_map(|(name, schema)| Some((name.clone(), of(components, schema, depth + 1)?)));
            Some(Value::Object(members.collect::<Map<_, _>>()))
        }
        Type::String => Some(json!(of_text(object.format.as_ref()))),
        Type::Integer | Type::Number => Some(
            object.minimum.as_ref().and_then(|least| serde_json::to_value(least).ok()).unwrap_or(json!(1)),
        ),
        Type::Boolean => Some(json!(true)),
        Type::Array => Some(json!([])),
        Type::Null => Some(Value::Null),
    }
}

/// Indented, with members in the order of their schema.
pub fn pretty(components: &Components, value: &Value, schema: Option<&RefOr<Schema>>) -> Option<String> {
    let mut text = String::new();
    write(components, value, schema, 0, &mut text).ok()?;
    Some(text)
}

fn write(
    components: &Components,
    value: &Value,
    schema: Option<&RefOr<Schema>>,
    depth: usize,
    text: &mut String,
) -> fmt::Result {
    let schema = schema.and_then(|schema| resolved(components, schema, value));
    let inner = "  ".repeat(depth + 1);
    match value {
        Value::Object(members) if !members.is_empty() => {
            let own = match schema {
                Some(Schema::Object(object)) => Some(&object.properties),
                _ => None,
            };
            let mut members: Vec<_> = members.iter().collect();
            members
                .sort_by_key(|(name, _)| own.and_then(|own| own.get_index_of(*name)).unwrap_or(usize::MAX));
            let mut before = "{\n";
            for (name, value) in members {
                write!(text, "{before}{inner}{}: ", json!(name))?;
                write(components, value, own.and_then(|own| own.get(name)), depth + 1, text)?;
                before = ",\n";
            }
            write!(text, "\n{}}}", "  ".repeat(depth))
        }
        Value::Array(items) if !items.is_empty() => {
            let of = match schema {
                Some(Schema::Array(array)) => match &array.items {
                    ArrayItems::RefOrSchema(item) => Some(&**item),
                    ArrayItems::False => None,
                },
                _ => None,
            };
            let mut before = "[\n";
            for item in items {
                write!(text, "{before}{inner}")?;
                write(components, item, of, depth + 1, text)?;
                before = ",\n";
            }
            write!(text, "\n{}]", "  ".repeat(depth))
        }
        plain => write!(text, "{plain}"),
    }
}

/// What lies behind references and behind "or null".
fn resolved<'a>(components: &'a Components, schema: &'a RefOr<Schema>, value: &Value) -> Option<&'a Schema> {
    match schema {
        RefOr::Ref(to) => {
            let name = to.ref_location.rsplit('/').next()?;
            resolved(components, components.schemas.get(name)?, value)
        }
        RefOr::T(Schema::OneOf(one)) => {
            let kinds = one.items.iter().filter_map(|item| resolved(components, item, value));
            let mut fitting = kinds.filter(|kind| matches!(kind, Schema::Array(_)) == value.is_array());
            fitting.find(|kind| !matches!(kind, Schema::Object(object) if object.properties.is_empty()))
        }
        RefOr::T(schema) => Some(schema),
    }
}

fn of_text(format: Option<&SchemaFormat>) -> &'static str {
    match format {
        Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)) => "2026-11-23T09:00:00Z",
        Some(SchemaFormat::KnownFormat(KnownFormat::Date)) => "2027-03-14",
        Some(SchemaFormat::KnownFormat(KnownFormat::Uuid)) => "019aafd1-3c00-7c4e-9d6b-2f6f7b0f5a11",
        Some(SchemaFormat::KnownFormat(KnownFormat::Email)) => "maria@example.com",
        Some(SchemaFormat::KnownFormat(KnownFormat::Password)) => "plover cabinet tundra seven",
        _ => "Zk3yV0mW9pXh2uQbTtYc7fLr1sNaEoGdJiKvHwBxM4c",
    }
}
