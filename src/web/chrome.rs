//! What stands around every page: who sells, who is signed in, where we are. Reading it costs no SQL for an anonymous
//! visitor and never makes a session row.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};
use tower_sessions::Session;

use crate::{
    config::{Config, Mode},
    error::AppError,
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
}
