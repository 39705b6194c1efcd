//! Duffel, the real supplier: airlines' own seats, over its API (v2).
//!
//! | question | where |
//! |---|---|
//! | what is there, what does it cost now | [`search`]: offer requests, and each offer fetched again before anybody pays |
//! | space, tickets, and what became of a lost answer | [`orders`]: written down in `duffel_orders` before it is asked |
//! | what a text means that our own list of places does not have | [`places`] |
//! | given back, or changed by the airline | [`after`] |
//! | what Duffel tells by itself | [`event`]: signed, and only a hint where to look |
//!
//! An order is never asked for twice where the first may have been made: Duffel's list is read by our booking's id, which
//! every order of ours carries in its metadata.

mod after;
mod books;
mod client;
mod event;
mod guard;
mod map;
mod orders;
mod places;
mod probe;
mod quoted;
mod request;
mod search;
mod wire;

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use url::Url;

pub use client::API_URL;
pub use event::{Event, EventError, EventKind, Signing};
pub use probe::{Heard, probe};

use self::{client::Client, quoted::Quoted};
use super::{
    AirlineChange, CancelRequest, Cancellation, Co2Method, Found, Hold, HoldId, HoldRequest, Order,
    OrderRequest, Supplier, SupplierError,
};
use crate::{
    airports::Airports,
    clock::Clock,
    db::Db,
    ids::BookingId,
    itinerary::{Airport, Offer, OfferId, SearchQuery},
};

#[derive(Clone, Debug)]
pub struct DuffelSettings {
    pub token: SecretString,
    /// `None` is Duffel itself.
    pub api_url: Option<Url>,
    pub patience: Patience,
}

/// How long an answer is waited for.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Airlines take their time, and what comes late is still kept for the next who asks.
    pub search: Duration,
    /// Somebody waits for this page.
    pub look: Duration,
    /// Under the minute that a job waits: airlines are asked for tickets, and most are slow.
    pub deed: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { search: Duration::from_secs(20), look: Duration::from_secs(10), deed: Duration::from_secs(50) }
    }
}

#[derive(Clone)]
pub struct Duffel {
    client: Client,
    /// With a guard of its own: where nobody says what a text means, flights are still asked for.
    places: Client,
    db: Db,
    clock: Clock,
    airports: &'static Airports,
    patience: Patience,
    quoted: Quoted<Offer>,
}

impl Duffel {
    pub fn new(settings: &DuffelSettings, db: Db, clock: Clock) -> Result<Self, reqwest::Error> {
        Ok(Self {
            client: Client::new(settings.token.clone(), settings.api_url.as_ref(), clock.clone())?,
            places: Client::new(settings.token.clone(), settings.api_url.as_ref(), clock.clone())?,
            db,
            clock,
            airports: Airports::world(),
            patience: settings.patience,
            quoted: Quoted::default(),
        })
    }
}

#[async_trait]
impl Supplier for Duffel {
    fn name(&self) -> &'static str {
        "duffel"
    }

    async fn search(&self, query: &SearchQuery) -> Result<Vec<Offer>, SupplierError> {
        Ok(self.look(query).await?.offers)
    }

    async fn look(&self, query: &SearchQuery) -> Result<Found, SupplierError> {
        self.find_offers(query).await
    }

    fn co2_method(&self) -> Co2Method {
        Co2Method {
            name: "the estimate of Duffel",
            told: "Our supplier Duffel estimates the CO₂ of the whole party and does not name a method with it. We divide \
                   the number by the passengers who have a seat, and change nothing else. Where Duffel tells none, it is unknown.",
        }
    }

    async fn places(&self, typed: &str) -> Result<Vec<Airport>, SupplierError> {
        self.suggest_places(typed).await
    }

    async fn fares(&self, id: &OfferId) -> Result<Vec<Offer>, SupplierError> {
        self.find_fares(id).await
    }

    fn quoted(&self, id: &OfferId) -> Option<Offer> {
        let known = self.quoted.get(search::own(id)?)?;
        Some(Offer { id: id.clone(), ..Offer::clone(&known) })
    }

    async fn reprice(&self, offer: &Offer) -> Result<Offer, SupplierError> {
        self.price_of_now(offer).await
    }

    async fn hold(&self, request: &HoldRequest) -> Result<Hold, SupplierError> {
        self.keep_space(request).await
    }

    async fn release(&self, hold: &HoldId) -> Result<(), SupplierError> {
        self.give_space_back(hold).await
    }

    async fn order(&self, request: &OrderRequest) -> Result<Order, SupplierError> {
        self.buy_tickets(request).await
    }

    async fn find_order(&self, booking: BookingId) -> Result<Option<Order>, SupplierError> {
        self.look_order_up(booking).await
    }

    async fn cancel(&self, request: &CancelRequest) -> Result<Cancellation, SupplierError> {
        self.cancel_order(request).await
    }

    async fn find_cancellation(&self, booking: BookingId) -> Result<Option<Cancellation>, SupplierError> {
        self.look_cancellation_up(booking).await
    }

    async fn find_change(&self, booking: BookingId) -> Result<Option<AirlineChange>, SupplierError> {
        self.look_for_change(booking).await
    }

    async fn order_failed(&self, booking: BookingId, why: &str) -> Result<(), SupplierError> {
        self.note_failure(booking, why).await
    }
}

/// Our own book cannot be read or written: nothing was asked.
fn unavailable(error: sqlx::Error) -> SupplierError {
    SupplierError::Unavailable(error.to_string())
}
