//! Who may open the booking that an address names: whoever holds its link in this browser, or else the signed-in account.

use axum::{
    extract::{FromRef, FromRequestParts, RawPathParams},
    http::request::Parts,
};
use maud::html;
use tower_sessions::Session;

use crate::{
    bookings::{Bookings, pages::claim},
    db::Traveller,
    error::AppError,
    ids::{BookingReference, TokenHash},
    web::{
        components::Fragment,
        links::HeldLinks,
        principal::{MaybeSignedIn, SignedIn},
    },
};

/// Of every page below `/bookings/{reference}`. A missing booking, a foreign one and one whose link is dead look the same:
/// nobody at all is asked to sign in, somebody signed in finds nothing.
#[derive(Clone, Debug)]
pub struct Holder {
    pub traveller: Traveller,
    pub reference: BookingReference,
    /// May be there beside a link: then the booking can be added to it.
    pub account: Option<SignedIn>,
}

impl<S: Send + Sync> FromRequestParts<S> for Holder
where
    Bookings: FromRef<S>,
{
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AppError> {
        let MaybeSignedIn(account) = MaybeSignedIn::from_request_parts(parts, state).await?;
        let Some(reference) = named(parts, state).await else {
            return Err(if account.is_some() { AppError::NotFound } else { AppError::Unauthenticated });
        };
        if let (Some(session), Some(account)) = (parts.extensions.get::<Session>(), &account) {
            // On the heap: every page of a booking carries this future inside its own.
            Box::pin(claim::adopt(&Bookings::from_ref(state), session, account)).await?;
        }
        if let Some(link) = held(parts, &reference).await?
            && Bookings::from_ref(state).opens(link, &reference).await?
        {
            return Ok(Self { traveller: Traveller::Link(link), reference, account });
        }
        let traveller = account.as_ref().map(SignedIn::traveller).ok_or(AppError::Unauthenticated)?;
        Ok(Self { traveller, reference, account })
    }
}

impl Holder {
    /// How to keep a booking that belongs to no account. `page` is where it is said, and where signing in leads back to.
    pub fn keep(&self, page: &str) -> Option<Fragment> {
        let Traveller::Link(_) = self.traveller else { return None };
        let reference = &self.reference;
        let next: String =
            url::form_urlencoded::byte_serialize(format!("/bookings/{reference}{page}").as_bytes()).collect();
        let markup = if self.account.is_some() {
            html! {
                form.note.no-print action="/bookings/claim" method="post" {
                    b { "This booking is not in your account" }
                    p { "It was made without one. Only this browser and the links in our mail open it." }
                    input type="hidden" name="reference" value=(reference);
                    p.acts { button.btn.plain { "Add it to my account" } }
                }
            }
        } else {
            html! {
                p.small.muted.no-print {
                    "You book without an account. " a href=(format!("/login?next={next}")) { "Sign in" }
                    " to keep it with your account."
                }
            }
        };
        Some(markup.into())
    }
}

async fn named<S: Send + Sync>(parts: &mut Parts, state: &S) -> Option<BookingReference> {
    let params = RawPathParams::from_request_parts(parts, state).await.ok()?;
    let (_, text) = params.iter().find(|(name, _)| *name == "reference")?;
    text.parse().ok()
}

async fn held(parts: &Parts, reference: &BookingReference) -> Result<Option<TokenHash>, AppError> {
    match parts.extensions.get::<Session>() {
        Some(session) => Ok(HeldLinks::read(session).await?.of(reference)),
        None => Ok(None),
    }
}
