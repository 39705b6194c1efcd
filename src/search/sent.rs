//! The query of an address as it came in. Nothing in it is an error of the protocol: what stands there twice is a message
//! beside its field, and bytes that are no text become a character that no rule lets pass.

use url::form_urlencoded;

use crate::error::FieldErrors;

const TWICE: &str = "This stands twice in the address. Leave one of them";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sent(Vec<(String, String)>);

impl Sent {
    pub fn read(query: &str) -> Self {
        Self(form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// All values of a name, in their order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a field that has one. Of several the first counts, and the page says so.
    pub fn one(&self, errors: &mut FieldErrors, name: &str) -> String {
        let mut values = self.all(name);
        let first = values.next().unwrap_or_default().to_owned();
        if values.next().is_some() {
            errors.add(name, TWICE);
        }
        first
    }

    /// The values of a list, whether they stand apart, as a form sends them, or together with commas.
    pub fn list(&self, name: &str) -> String {
        self.all(name).filter(|value| !value.is_empty()).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_twice_is_told_and_lists_may_be_written_in_either_way() {
        let sent = Sent::read("from=LIS&from=OPO&airline=HX&airline=NO,SW&airline=&to=%ff%fe&=&&x");
        let mut errors = FieldErrors::default();
        assert_eq!(sent.one(&mut errors, "from"), "LIS");
        assert_eq!(sent.one(&mut errors, "to"), "\u{fffd}\u{fffd}");
        assert_eq!(sent.one(&mut errors, "leave"), "");
        assert_eq!(sent.list("airline"), "HX,NO,SW");
        assert_eq!(errors, FieldErrors::one("from", TWICE));
    }
}
