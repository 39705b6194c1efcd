//! Form bodies and queries as Stripe reads them: nested keys, each parameter known or refused.

use std::collections::BTreeMap;

use url::form_urlencoded;

use super::refusal::ApiRefusal;

/// The parameters not yet taken, by full key (`line_items[0][quantity]`), in a stable order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(BTreeMap<String, String>);

impl Params {
    pub fn parse(text: &str) -> Self {
        let mut values = BTreeMap::new();
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            let mut name = key.to_string();
            // `expand[]=a&expand[]=b` means the same as `expand[0]=a&expand[1]=b`.
            if let Some(stem) = key.strip_suffix("[]") {
                let next = (0..).find(|n| !values.contains_key(&format!("{stem}[{n}]"))).unwrap_or(0);
                name = format!("{stem}[{next}]");
            }
            values.insert(name, value.into_owned());
        }
        Self(values)
    }

    /// The same for the same parameters in any order.
    pub fn fingerprint(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }

    pub fn text(&mut self, key: &str) -> Result<Option<String>, ApiRefusal> {
        match self.0.remove(key) {
            Some(value) if value.is_empty() => Err(ApiRefusal::invalid(
                "parameter_invalid_empty",
                key,
                format!("You passed an empty string for '{key}'."),
            )),
            other => Ok(other),
        }
    }

    pub fn required(&mut self, key: &str) -> Result<String, ApiRefusal> {
        self.text(key)?.ok_or_else(|| {
            ApiRefusal::invalid("parameter_missing", key, format!("Missing required param: {key}."))
        })
    }

    pub fn integer(&mut self, key: &str) -> Result<Option<i64>, ApiRefusal> {
        self.text(key)?
            .map(|text| {
                text.parse().map_err(|_| {
                    ApiRefusal::invalid("parameter_invalid_integer", key, format!("Invalid integer: {text}"))
                })
            })
            .transpose()
    }

    /// One of the allowed words, the first of which is the default.
    pub fn one_of(&mut self, key: &str, allowed: &[&str]) -> Result<String, ApiRefusal> {
        let Some(word) = self.text(key)? else {
            return Ok(allowed.first().copied().unwrap_or_default().to_owned());
        };
        if allowed.contains(&word.as_str()) {
            return Ok(word);
        }
        let message = format!("Invalid {key}: must be one of {}", allowed.join(", "));
        Err(ApiRefusal { code: None, ..ApiRefusal::invalid("", key, message) })
    }

    pub fn url(&mut self, key: &str) -> Result<String, ApiRefusal> {
        let text = self.required(key)?;
        let known = url::Url::parse(&text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
        if known && text.len() <= 5_000 {
            Ok(text)
        } else {
            Err(ApiRefusal::invalid("url_invalid", key, "Not a valid URL"))
        }
    }

    /// `metadata[key]=value`, within Stripe's limits.
    pub fn metadata(&mut self, stem: &str) -> Result<BTreeMap<String, String>, ApiRefusal> {
        let taken = self.children(stem);
        let too_long = |(key, value): (&String, &String)| key.len() > 40 || value.len() > 500;
        if taken.len() > 50 || taken.iter().any(too_long) {
            let message = "Metadata can have up to 50 keys of up to 40 characters with values of up to 500.";
            return Err(ApiRefusal::invalid("parameter_invalid_string_empty", stem, message));
        }
        Ok(taken)
    }

    /// `expand[0]=…`, in order.
    pub fn list(&mut self, stem: &str) -> Vec<String> {
        let mut entries: Vec<(u32, String)> = self
            .children(stem)
            .into_iter()
            .map(|(n, value)| (n.parse().unwrap_or(u32::MAX), value))
            .collect();
        entries.sort();
        entries.into_iter().map(|(_, value)| value).collect()
    }

    /// The fields to give in full, each one of `allowed`.
    pub fn expand(&mut self, allowed: &[&str]) -> Result<Vec<String>, ApiRefusal> {
        let paths = self.list("expand");
        if let Some(path) = paths.iter().find(|path| !allowed.contains(&path.as_str())) {
            let message = format!("This property cannot be expanded ({path}).");
            return Err(ApiRefusal { code: None, ..ApiRefusal::invalid("", "expand", message) });
        }
        Ok(paths)
    }

    /// Whatever nobody asked for is unknown, and refused.
    pub fn finish(self) -> Result<(), ApiRefusal> {
        match self.0.into_keys().next() {
            None => Ok(()),
            Some(key) => {
                let message = format!("Received unknown parameter: {key}");
                Err(ApiRefusal::invalid("parameter_unknown", key, message))
            }
        }
    }

    fn children(&mut self, stem: &str) -> BTreeMap<String, String> {
        let inner = |key: &str| {
            let name = key.strip_prefix(stem)?.strip_prefix('[')?.strip_suffix(']')?;
            (!name.contains('[')).then(|| name.to_owned())
        };
        let names: Vec<(String, String)> =
            self.0.keys().filter_map(|key| Some((key.clone(), inner(key)?))).collect();
        names.into_iter().filter_map(|(key, name)| Some((name, self.0.remove(&key)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_keys_lists_and_maps_are_read_and_the_rest_is_refused() {
        let mut params = Params::parse(
            "a[0][b]=1&expand[]=x&expand[]=y&metadata[k]=v+w&metadata%5Bl%5D=%C3%A9&extra[deep][er]=1",
        );
        assert_eq!(params.integer("a[0][b]"), Ok(Some(1)));
        assert_eq!(params.list("expand"), ["x", "y"]);
        let metadata = params.metadata("metadata").unwrap();
        assert_eq!(metadata.get("k").map(String::as_str), Some("v w"));
        assert_eq!(metadata.get("l").map(String::as_str), Some("é"));
        let refusal = params.finish().unwrap_err();
        assert_eq!(refusal.code, Some("parameter_unknown"));
        assert_eq!(refusal.param.as_deref(), Some("extra[deep][er]"));
    }

    #[test]
    fn the_fingerprint_does_not_depend_on_the_order() {
        assert_eq!(Params::parse("b=2&a=1").fingerprint(), Params::parse("a=1&b=2").fingerprint());
        assert_ne!(Params::parse("a=1").fingerprint(), Params::parse("a=2").fingerprint());
    }

    #[test]
    fn empty_missing_and_crooked_values_are_named() {
        let mut params = Params::parse("empty=&n=x1&mode=party&u=javascript:alert(1)");
        assert_eq!(params.text("empty").unwrap_err().code, Some("parameter_invalid_empty"));
        assert_eq!(params.integer("n").unwrap_err().code, Some("parameter_invalid_integer"));
        assert_eq!(params.required("gone").unwrap_err().code, Some("parameter_missing"));
        assert_eq!(params.url("u").unwrap_err().code, Some("url_invalid"));
        assert!(params.one_of("mode", &["payment"]).is_err());
    }
}
