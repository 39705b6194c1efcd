//! `POST /bookings/claim`: bookings made without an account are added to the one that is signed in.

use axum::{extract::State, response::Redirect};
use maud::html;
use serde::Deserialize;
use tower_sessions::Session;

use crate::{
    bookings::{Bookings, claims::Claimable},
    error::AppError,
    ids::{BookingReference, TokenHash},
    web::{
        components::{Fragment, words::plural},
        form::Form,
        links::HeldLinks,
        principal::SignedIn,
    },
};

#[derive(Deserialize)]
pub struct ClaimForm {
    /// The one booking whose link this browser holds. Without it: all that were made under the account's address.
    #[serde(default)]
    reference: String,
}

pub async fn claim(
    State(bookings): State<Bookings>,
    session: Session,
    who: SignedIn,
    Form(form): Form<ClaimForm>,
) -> Result<Redirect, AppError> {
    if form.reference.is_empty() {
        let added = bookings.claim_by_address(who.user).await?;
        HeldLinks::let_go(&session, &added).await?;
        return Ok(Redirect::to("/bookings"));
    }
    let reference: BookingReference = form.reference.parse().map_err(|_| AppError::NotFound)?;
    let link = HeldLinks::read(&session).await?.of(&reference).ok_or(AppError::NotFound)?;
    if bookings.claim_by_link(who.user, link, &reference).await? {
        HeldLinks::let_go(&session, std::slice::from_ref(&reference)).await?;
    }
    // A second press, or somebody was quicker: the booking's page shows whose it is now.
    Ok(Redirect::to(&format!("/bookings/{reference}")))
}

/// What a guest has booked in this browser becomes the account's, where there is no doubt whose it is.
pub(super) async fn adopt(bookings: &Bookings, session: &Session, who: &SignedIn) -> Result<(), AppError> {
    if !who.verified {
        return Ok(());
    }
    let links: Vec<TokenHash> =
        HeldLinks::read(session).await?.of_the_browser().map(|(_, link)| link).collect();
    let added = bookings.adopt(who.user, &links).await?;
    if added.is_empty() { Ok(()) } else { HeldLinks::let_go(session, &added).await }
}

/// On the list of bookings.
pub(super) fn offer(claimable: Claimable) -> Option<Fragment> {
    let markup = match claimable {
        Claimable::Bookings(0) => return None,
        Claimable::Bookings(count) => {
            let bookings = plural(usize::try_from(count).unwrap_or_default(), "booking", "bookings");
            let them = if count == 1 { "it" } else { "them" };
            html! {
                form.note action="/bookings/claim" method="post" {
                    b { (bookings) " made without an account under your address" }
                    p { "Once added, signing in is the only way in: links that we mailed open nothing any more." }
                    p.acts { button.btn.plain { "Add " (them) " to my account" } }
                }
            }
        }
        Claimable::Unproven => html! {
            p.small.muted {
                "Booked without an account? " a href="/account" { "Verify your address" }
                ", then bookings made under it can be added here."
            }
        },
    };
    Some(markup.into())
}
