//! What stands around every page: who sells, who is signed in, where we are. Reading it costs no SQL for an anonymous
//! visitor and never makes a session row.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};
use tower_sessions::Session;

use crate::{
    config::{Config, Mode},
    error::AppError,
    ids,
    personal::personal,
    web::{frame::Frame, powers::Power, principal::StaffRole, session::SessionUser},
};

/// What the shop says of itself. Filled by `config`, the same for all requests.
#[derive(Clone, Debug)]
pub struct SiteSettings {
    /// "Jetbridge".
    pub name: String,
    /// Who the traveller's contract is with, and where: law wants both on every page.
    pub legal_name: String,
    pub address: String,
    /// "https://jetbridge.example", without a slash at the end.
    pub public_origin: String,
    /// Where a POST may redirect to besides ourselves: browsers hold redirects to the form-action policy.
    pub checkout_origins: Vec<String>,
    /// The band that says that nothing here is real.
    pub demo: bool,
    /// Served over HTTPS in production: sends HSTS.
    pub https: bool,
    /// Development only: error pages show the chain of causes.
    pub show_causes: bool,
    /// What is mailed can be read on a page here.
    pub has_mailbox: bool,
}

impl SiteSettings {
    pub fn new(config: &Config, checkout_origin: String) -> Self {
        Self {
            name: config.site.name.clone(),
            legal_name: config.site.seller_name.clone(),
            address: config.site.seller_address.clone(),
            public_origin: config.link(""),
            checkout_origins: vec![checkout_origin],
            demo: config.mode.is_pretend(),
            https: config.is_https(),
            has_mailbox: config.mode == Mode::Demo,
            show_causes: config.mode == Mode::Demo,
        }
    }
}

#[derive(Clone, PartialEq, Eq)]
pub struct SignedInName {
    pub email: String,
    /// At sign-in: fit to show a link, not to open a door.
    pub staff: Option<StaffRole>,
}

personal!(SignedInName { staff });

/// The frame of one page; each page struct has a `chrome: Chrome`, and `base.html` draws it.
#[derive(Clone, Debug)]
pub struct Chrome {
    pub site: Arc<SiteSettings>,
    pub demo: bool,
    pub nonce: String,
    pub signed_in: Option<SignedInName>,
    /// Path of the page.
    pub current: String,
}

/// All that a page which is kept for many may know of who looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Onlooker {
    Anybody,
    SignedIn,
    Staff,
}

/// The text of a page, with a gap wherever each answer has a nonce of its own.
#[derive(Debug, Default)]
pub struct Gaps(Vec<String>);

impl Gaps {
    pub fn bytes(&self) -> usize {
        self.0.iter().map(String::len).sum()
    }
}

impl Chrome {
    pub fn new(frame: &Frame, user: Option<SessionUser>) -> Self {
        Self {
            site: Arc::clone(&frame.site),
            demo: frame.site.demo,
            nonce: frame.nonce.clone(),
            signed_in: user.map(|user| SignedInName {
                email: user.email,
                staff: user.staff.and_then(|role| role.parse().ok()),
            }),
            current: frame.path.clone(),
        }
    }

    pub fn onlooker(&self) -> Onlooker {
        match &self.signed_in {
            None => Onlooker::Anybody,
            Some(SignedInName { staff: None, .. }) => Onlooker::SignedIn,
            Some(SignedInName { staff: Some(_), .. }) => Onlooker::Staff,
        }
    }

    /// The same page as all see it who are no more to it than an [`Onlooker`], written out by `render`: nobody's address is in
    /// it, nobody's role, and no nonce. Not for the staff's own rooms, where roles differ.
    pub fn for_all<E>(&self, render: impl FnOnce(Self) -> Result<String, E>) -> Result<Gaps, E> {
        let somebody = |staff| SignedInName { email: String::new(), staff };
        let signed_in = match self.onlooker() {
            Onlooker::Anybody => None,
            Onlooker::SignedIn => Some(somebody(None)),
            Onlooker::Staff => Some(somebody(Some(StaffRole::Viewer))),
        };
        // Nobody knows this mark, so that nobody can have written it anywhere else on the page.
        let mark = ids::random_secret();
        let text = render(Self { nonce: mark.clone(), signed_in, ..self.clone() })?;
        Ok(Gaps(text.split(&mark).map(str::to_owned).collect()))
    }

    /// For this answer.
    pub fn fill(&self, gaps: &Gaps) -> String {
        gaps.0.join(&self.nonce)
    }

    /// For `aria-current`: the page is `path`, or something below it.
    pub fn is_at(&self, path: &str) -> bool {
        self.current == path
            || self.current.strip_prefix(path).is_some_and(|rest| path != "/" && rest.starts_with('/'))
    }

    /// Where somebody's bookings are: with the account, or behind what they know of one.
    pub fn bookings(&self) -> &'static str {
        if self.signed_in.is_some() { "/bookings" } else { "/find" }
    }

    pub fn is_staff(&self) -> bool {
        self.signed_in.as_ref().is_some_and(|who| who.staff.is_some())
    }

    fn may(&self, power: Power) -> bool {
        let role = self.signed_in.as_ref().and_then(|who| who.staff);
        role.is_some_and(|role| role.may(power))
    }

    pub fn may_see_audit(&self) -> bool {
        self.may(Power::SeeAudit)
    }

    pub fn may_manage_staff(&self) -> bool {
        self.may(Power::ManageStaff)
    }

    pub fn may_manage_hooks(&self) -> bool {
        self.may(Power::ManageHooks)
    }

    /// The staff's own rooms have their own navigation and a tighter setting; who is turned away there stays in the shop.
    pub fn in_staff_area(&self) -> bool {
        self.is_at("/admin") && self.is_staff()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Chrome {
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, AppError> {
        let user = match parts.extensions.get::<Session>() {
            Some(session) => SessionUser::read(session).await?,
            None => None,
        };
        Ok(Self::new(Frame::of(&parts.extensions)?, user))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_page_is_itself_or_what_lies_below_but_not_a_namesake() {
        let frame = Frame::for_tests("/bookings/K7WQ4M");
        let chrome = Chrome::new(&frame, None);
        assert!(chrome.is_at("/bookings"));
        assert!(chrome.is_at("/bookings/K7WQ4M"));
        assert!(!chrome.is_at("/"));
        assert!(!chrome.is_at("/book"));
    }

    #[test]
    fn what_is_written_for_all_knows_nobody_and_takes_each_answers_own_nonce() {
        let who = |staff: Option<&str>| SignedInName {
            email: "maria@example.com".to_owned(),
            staff: staff.and_then(|role| role.parse().ok()),
        };
        for who in [None, Some(who(None)), Some(who(Some("viewer"))), Some(who(Some("owner")))] {
            let frame = Frame::for_tests("/flights");
            let chrome = Chrome { signed_in: who, ..Chrome::new(&frame, None) };
            let mut marks = Vec::new();
            let gaps = chrome.for_all(|chrome| {
                marks.push(chrome.nonce.clone());
                let text = format!(
                    "<a {}>{:?}{}<b {}>",
                    chrome.nonce, chrome.signed_in, chrome.current, chrome.nonce
                );
                Ok::<_, AppError>(text)
            });
            let gaps = gaps.unwrap();
            let page = chrome.fill(&gaps);
            assert_eq!(page.matches(&frame.nonce).count(), 2, "{page}");
            assert!(
                !page.contains("maria") && !page.contains("Owner") && !page.contains(&marks[0]),
                "{page}"
            );
            let other = Chrome::new(&Frame::for_tests("/flights"), None);
            assert!(!other.fill(&gaps).contains(&frame.nonce));
        }
    }
}
