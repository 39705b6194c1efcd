//! The query of a call. As strict as a body: a name that means nothing here may be a mistyped `infants`, and a price for
//! the wrong party is worse than a refusal. Everything that does not fit is told at once.

use std::collections::HashMap;

use axum::{extract::FromRequestParts, http::request::Parts};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use url::form_urlencoded;

use crate::{
    error::{AppError, FieldErrors},
    web::json::place,
};

/// Names longer than this are not repeated in full.
const LONGEST_NAME: usize = 60;

/// `T` is a struct of text with defaults; its members are the names that are known.
#[derive(Clone, Debug)]
pub struct Params<T>(pub T);

impl<T, S> FromRequestParts<S> for Params<T>
where
    T: Default + Serialize + DeserializeOwned,
    S: Send + Sync,
{
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AppError> {
        read(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

fn read<T: Default + Serialize + DeserializeOwned>(query: &str) -> Result<T, AppError> {
    let known = serde_json::to_value(T::default())?;
    let mut errors = FieldErrors::default();
    let mut given: HashMap<String, String> = HashMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()).into_owned() {
        if known.get(&name).is_none_or(|value| !value.is_string()) {
            let name: String = name.chars().take(LONGEST_NAME).collect();
            errors.add(place(&[name]), "Nothing of this name is known here");
        } else if given.insert(name.clone(), value).is_some() {
            errors.add(name, "This is there twice");
        }
    }
    if !errors.is_empty() {
        return Err(AppError::Invalid(errors));
    }
    let mut all = known;
    for (name, value) in given {
        all[name] = Value::String(value);
    }
    Ok(serde_json::from_value(all)?)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    struct Asked {
        #[serde(flatten)]
        inner: Inner,
        sort: String,
    }

    #[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
    struct Inner {
        from: String,
    }

    fn faults(query: &str) -> Vec<String> {
        match read::<Asked>(query) {
            Err(AppError::Invalid(errors)) => errors.iter().map(|(name, _)| name.to_owned()).collect(),
            other => panic!("{query}: {other:?}"),
        }
    }

    #[test]
    fn what_is_known_is_read_and_the_rest_has_its_default() {
        let read = read::<Asked>("sort=a%20b&from=L%C3%ADs").unwrap();
        assert_eq!(read, Asked { inner: Inner { from: "Lís".to_owned() }, sort: "a b".to_owned() });
        assert_eq!(super::read::<Asked>("").unwrap(), Asked::default());
    }

    #[test]
    fn unknown_and_repeated_names_are_all_told() {
        assert_eq!(
            faults("form=LIS&sort=a&sort=b&inner=x&=&a.b/c=1"),
            ["form", "sort", "inner", "", "/a.b~1c"]
        );
        assert_eq!(faults(&"x".repeat(10_000))[0].len(), LONGEST_NAME);
    }
}
