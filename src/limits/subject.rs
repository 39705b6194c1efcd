//! Whom a limit is about.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
};

use crate::{
    ids::{BookingReference, TokenHash, UserId},
    vault::Vault,
};

/// A network, an account or an address of a person. It is never shown: the database and the logs know it by
/// [`Subject::key`] at most.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Subject {
    name: String,
    /// What a network lies in.
    site: Option<String>,
}

/// A keyed hash: without the agency's keys nobody can tell which address it stands for.
pub type Key = [u8; 32];

impl Subject {
    /// Whoever has one address of IPv6 has a whole /64 of them, and may have a /48 of those.
    pub fn network(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::new(format!("network:{address}")),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                let name = format!("network:{}/64", Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0));
                let site = format!("network:{}/48", Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0));
                Self { name, site: Some(site) }
            }
        }
    }

    /// With or without an account, in whatever case it is typed.
    pub fn email(address: &str) -> Self {
        Self::new(format!("email:{}", address.to_lowercase()))
    }

    /// An address as it is typed in one network, and in all that belong to the same site.
    pub fn email_at(address: &str, network: &Self) -> Self {
        let site = network.site.as_ref().unwrap_or(&network.name);
        Self::new(format!("email:{}@{site}", address.to_lowercase()))
    }

    pub fn user(user: UserId) -> Self {
        Self::new(format!("user:{user}"))
    }

    /// A browser that this account was signed in with before, by the random id in its cookie.
    pub fn browser(user: UserId, id: &[u8; 16]) -> Self {
        Self::new(format!("browser:{user}:{}", hex::encode(id)))
    }

    /// A booking as somebody looks for it: who types another address has tries of their own, and gets no further by them.
    pub fn booking(reference: &BookingReference, email: &str) -> Self {
        Self::new(format!("booking:{reference}:{}", email.to_lowercase()))
    }

    /// Something that was mailed, by the hash of its secret.
    pub fn link(link: TokenHash) -> Self {
        Self::new(format!("link:{}", hex::encode(link.as_bytes())))
    }

    /// A network or an account: whoever asks from there, or as that, may know how much they have asked.
    pub fn is_the_callers(&self) -> bool {
        ["network:", "user:"].iter().any(|kind| self.name.starts_with(kind))
    }

    const fn new(name: String) -> Self {
        Self { name, site: None }
    }

    /// The whole of which this network is a part, where one visitor may have the whole.
    pub fn site(&self) -> Option<Self> {
        self.site.clone().map(Self::new)
    }

    pub fn key(&self, vault: &Vault) -> Key {
        vault.sign("limit-subject", self.name.as_bytes())
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Subject(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_an_address_of_ipv4_or_a_64_of_ipv6() {
        let network = |text: &str| Subject::network(text.parse().unwrap());
        assert_eq!(network("2001:db8:1:2::1"), network("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.1"), network("192.0.2.2"));
        assert!(network("192.0.2.1").site().is_none());
        assert!(network("2001:db8:1:2::1").site() == network("2001:db8:1:ffff::1").site());
        assert!(network("2001:db8:1:2::1").site() != network("2001:db8:2:2::1").site());
    }

    #[test]
    fn an_address_is_another_one_in_each_network_and_the_same_in_all_of_a_site() {
        let at = |text: &str| Subject::email_at("a@example.com", &Subject::network(text.parse().unwrap()));
        assert!(at("192.0.2.1") != at("192.0.2.2"));
        assert!(at("2001:db8:1:2::1") == at("2001:db8:1:3::1"));
        assert!(at("2001:db8:1:2::1") != at("2001:db8:2:2::1"));
    }

    #[test]
    fn an_address_counts_once_in_any_case_and_no_subject_shows_itself() {
        assert_eq!(Subject::email("Maria@Example.com"), Subject::email("maria@example.com"));
        assert!(!format!("{:?}", Subject::email("maria@example.com")).contains("maria"));
    }

    #[test]
    fn a_key_depends_on_the_agencys_keys() {
        let vault = |name| Vault::new(&crate::vault::new_key(name)).unwrap();
        let (one, two) = (vault("one"), vault("two"));
        let subject = Subject::email("maria@example.com");
        assert_eq!(subject.key(&one), subject.key(&one));
        assert_ne!(subject.key(&one), subject.key(&two));
    }
}
