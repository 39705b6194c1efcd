//! `POST /bookings`: an offer becomes a draft.

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use tower_sessions::Session;

use crate::{
    bookings::Bookings,
    error::AppError,
    ids::BookingReference,
    itinerary::OfferId,
    limits::Rule,
    web::{
        form::Form,
        links::HeldLinks,
        principal::{MaybeSignedIn, SignedIn},
        visitor::Visitor,
    },
};

#[derive(Deserialize)]
pub struct StartForm {
    offer: String,
}

pub async fn start(
    State(bookings): State<Bookings>,
    session: Session,
    MaybeSignedIn(who): MaybeSignedIn,
    visitor: Visitor,
    Form(form): Form<StartForm>,
) -> Result<Response, AppError> {
    let offer = OfferId(form.offer);
    let offer_page = page_of(&offer)?;
    visitor.take(Rule::BookingAddress, Rule::BookingAccount).await?;
    match begin(&bookings, &session, who, &offer).await {
        Ok(reference) => Ok(Redirect::to(&format!("/bookings/{reference}/passengers")).into_response()),
        // The offer's own page tells what became of it, with the closest there is today.
        Err(AppError::Gone(_)) => Ok(Redirect::to(&offer_page).into_response()),
        Err(error) => Err(error),
    }
}

/// Without an account, the browser that made the draft keeps the link to it.
async fn begin(
    bookings: &Bookings,
    session: &Session,
    who: Option<SignedIn>,
    offer: &OfferId,
) -> Result<BookingReference, AppError> {
    let Some(who) = who else {
        let (reference, link) = bookings.start_guest_draft(offer).await?;
        HeldLinks::hold(session, reference.clone(), link).await?;
        return Ok(reference);
    };
    bookings.start_draft(who.user, offer).await
}

/// The id came from a form that anybody may write, and goes into an address: only what an id is made of passes.
fn page_of(offer: &OfferId) -> Result<String, AppError> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~');
    let fits = (1..=2_000).contains(&offer.0.len()) && offer.0.chars().all(is_plain);
    if fits && offer.0 != "." && offer.0 != ".." {
        Ok(format!("/offers/{offer}"))
    } else {
        Err(AppError::NotFound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_an_id_is_made_of_gets_into_an_address() {
        let page = |id: &str| page_of(&OfferId(id.to_owned())).ok();
        assert_eq!(page("tt-1.A_b~9").as_deref(), Some("/offers/tt-1.A_b~9"));
        for id in ["", ".", "..", "../logout", "a b", "a\r\nLocation: x", "a?b", "a#b", "ä", "%2e"] {
            assert_eq!(page(id), None, "{id:?}");
        }
    }
}
