//! What the passenger form gives, kept with an eye on who may be paying at this moment.

use axum::{extract::State, response::Response};

use crate::{
    accounts::Accounts,
    bookings::pages::{
        holder::Holder,
        passengers::{self, Sent},
    },
    checkout::Checkout,
    error::AppError,
    web::{chrome::Chrome, form::Form},
};

pub async fn save(
    State(checkout): State<Checkout>,
    State(accounts): State<Accounts>,
    holder: Result<Holder, AppError>,
    chrome: Chrome,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Result<Response, AppError> {
    let right = match passengers::read(&checkout.bookings, &accounts, holder, chrome, pairs).await? {
        Sent::Shown(response) => return Ok(response),
        Sent::Right(right) => right,
    };
    checkout.save_passengers(right.holder.traveller, &right.holder.reference, &right.given).await?;
    right.go_on(&accounts).await
}
