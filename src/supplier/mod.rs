//! Where seats come from. The one seam of the house: [`timetable`] is the embedded world of demo mode and tests;
//! [`duffel`], the real supplier, stands beside it behind the same trait.

pub mod duffel;
pub mod timetable;

use std::{ops::RangeInclusive, sync::Arc};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Clock,
    config::SupplierChoice,
    db::Db,
    ids::{BookingId, BookingReference},
    itinerary::{Airport, Contact, Document, Offer, OfferId, Passenger, SearchQuery, Slice},
    money::Money,
};

use self::{
    duffel::{Duffel, DuffelSettings, Patience},
    timetable::{Switches, Timetable},
};

pub type SharedSupplier = Arc<dyn Supplier>;

/// There is no way out of this process, or no TLS.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct OpenError(#[from] reqwest::Error);

/// The supplier that the configuration names.
pub struct Opened {
    pub supplier: SharedSupplier,
    /// Of the invented world, for the demo's console.
    pub switches: Option<Arc<Switches>>,
}

pub fn open(choice: &SupplierChoice, db: &Db, clock: &Clock) -> Result<Opened, OpenError> {
    Ok(match choice {
        SupplierChoice::Timetable => {
            let timetable = Timetable::new(db.clone(), clock.clone());
            let switches = Some(timetable.switches());
            Opened { supplier: Arc::new(timetable), switches }
        }
        SupplierChoice::Duffel(duffel) => {
            let settings = DuffelSettings {
                token: duffel.token.clone(),
                api_url: duffel.api_url.clone(),
                patience: Patience::default(),
            };
            let supplier = Arc::new(Duffel::new(&settings, db.clone(), clock.clone())?);
            Opened { supplier, switches: None }
        }
    })
}

#[async_trait]
pub trait Supplier: Send + Sync {
    /// Kept with each booking: an order is looked up where it was made.
    fn name(&self) -> &'static str;

    /// Offers for the query, one per itinerary at its lowest fare, in no particular order, the cheapest among them. Nothing found is
    /// an empty list.
    async fn search(&self, query: &SearchQuery) -> Result<Vec<Offer>, SupplierError>;

    /// All of them, with how much of what was found is not in it.
    async fn look(&self, query: &SearchQuery) -> Result<Found, SupplierError> {
        Ok(Found { offers: self.search(query).await?, ..Found::default() })
    }

    /// All fare families of the offer's itinerary, cheapest first, at today's price. Holds the offer itself.
    async fn fares(&self, id: &OfferId) -> Result<Vec<Offer>, SupplierError>;

    /// The lowest total of the same search with all its dates moved by each of these numbers of days, `None` for a day on which
    /// nothing is for sale. `None` for all: this is not told here.
    async fn lowest_totals(
        &self,
        _query: &SearchQuery,
        _moves: RangeInclusive<i32>,
    ) -> Result<Option<Vec<Option<Money>>>, SupplierError> {
        Ok(None)
    }

    /// Of a return the same for each pair of dates, row by row: for each day back every day there.
    async fn lowest_of_pairs(
        &self,
        _query: &SearchQuery,
        _moves: RangeInclusive<i32>,
    ) -> Result<Option<Vec<Option<Money>>>, SupplierError> {
        Ok(None)
    }

    /// How the CO₂ of its offers is counted.
    fn co2_method(&self) -> Co2Method {
        Co2Method {
            name: "as the airline system tells it",
            told: "The airline system tells the number and does not name its method.",
        }
    }

    /// Airports that a text may mean, for one that our own directory has nothing for.
    async fn places(&self, _typed: &str) -> Result<Vec<Airport>, SupplierError> {
        Ok(Vec::new())
    }

    /// An offer of ours as it was quoted, expired or not; `None` where that cannot be told any more.
    fn quoted(&self, _id: &OfferId) -> Option<Offer> {
        None
    }

    /// One offer of these ways that a search has found ([`Found::ways`]), one of each slice, all at the same fare family.
    fn together(&self, _ways: &[&OfferId]) -> Option<Offer> {
        None
    }

    /// The same flights, fare and party at today's price; the old offer may have expired long ago.
    async fn reprice(&self, offer: &Offer) -> Result<Offer, SupplierError>;

    /// Keeps space for a booking. Again with the same booking: the same hold, with its time renewed.
    async fn hold(&self, request: &HoldRequest) -> Result<Hold, SupplierError>;

    /// Gives held space back. Unknown and already released are fine.
    async fn release(&self, hold: &HoldId) -> Result<(), SupplierError>;

    /// Buys the tickets, at no more than `request.offer.total`. Again with the same booking: the same order.
    async fn order(&self, request: &OrderRequest) -> Result<Order, SupplierError>;

    /// What became of an order whose answer was lost. `None` is a fact: there is no such order.
    async fn find_order(&self, booking: BookingId) -> Result<Option<Order>, SupplierError>;

    /// Gives the tickets of an order back. Again with the same booking: the same answer.
    async fn cancel(&self, request: &CancelRequest) -> Result<Cancellation, SupplierError>;

    /// What became of a cancellation whose answer was lost. `None` is a fact: the tickets stand.
    async fn find_cancellation(&self, booking: BookingId) -> Result<Option<Cancellation>, SupplierError>;

    /// What the airline has made of an order's flights since they were sold. `None`: nothing, or nothing is told here.
    async fn find_change(&self, _booking: BookingId) -> Result<Option<AirlineChange>, SupplierError> {
        Ok(None)
    }

    /// The supplier has told by itself that an order with an unknown outcome was not made.
    async fn order_failed(&self, _booking: BookingId, _why: &str) -> Result<(), SupplierError> {
        Ok(())
    }
}

/// By what CO₂ is counted, told wherever a number of it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Co2Method {
    /// Of the published method, or whose number it is.
    pub name: &'static str,
    /// How it is used, in plain words.
    pub told: &'static str,
}

/// What a search finds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    pub offers: Vec<Offer>,
    /// Of a journey of several slices, instead of offers: the ways of each slice, as offers of that slice alone. Any of them make
    /// one offer together ([`Supplier::together`]) whose total is the sum of theirs, if each leaves two hours after the one
    /// before has landed; at least one chain of them does.
    pub ways: Vec<Vec<Offer>>,
    /// Offers that were made to us and that we cannot show.
    pub left_out: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HoldId(pub String);

#[derive(Clone, Debug)]
pub struct HoldRequest {
    pub booking: BookingId,
    pub reference: BookingReference,
    pub offer: Offer,
    pub passengers: Vec<Passenger>,
    pub contact: Contact,
    pub until: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub id: HoldId,
    pub expires_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct OrderRequest {
    pub booking: BookingId,
    pub reference: BookingReference,
    pub offer: Offer,
    pub hold: Option<HoldId>,
    pub passengers: Vec<Passenger>,
    /// One for each passenger in their order, where the offer asks for them; otherwise none.
    pub documents: Vec<Document>,
    pub contact: Contact,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    pub id: String,
    /// The airline's record locator.
    pub pnr: String,
    /// One for each passenger, in the order asked.
    pub tickets: Vec<String>,
    pub total: Money,
}

#[derive(Clone, Debug)]
pub struct CancelRequest {
    pub booking: BookingId,
    /// The supplier's own name of the order.
    pub order: String,
    /// The same question has the same key, however often it is put.
    pub idempotency_key: String,
}

/// The tickets are void and the seats given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancellation {
    /// What of the order's total is not owed any more.
    pub credit: Money,
}

/// What the airline has changed, all of it, as it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AirlineChange {
    /// The supplier's name of this state of things: another name is another change.
    pub id: String,
    pub flights: Flights,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flights {
    /// The same flights at these times.
    Rescheduled(Vec<Slice>),
    /// Others for some of them, or fewer: these are flown.
    Replaced(Vec<Slice>),
    /// None of them is flown.
    Cancelled,
}

impl Flights {
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Rescheduled(_) => "rescheduled",
            Self::Replaced(_) => "replaced",
            Self::Cancelled => "cancelled",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SupplierError {
    /// No seats left for this offer. Nothing was bought.
    #[error("sold out")]
    SoldOut,
    /// The id means nothing, or the flights no longer exist.
    #[error("no such offer")]
    Gone,
    /// The offer is past its time; the same flights at today's price stand beside it.
    #[error("the offer has expired")]
    Expired(Box<Offer>),
    /// Today's price is above what was accepted. Nothing was bought.
    #[error("the price went up")]
    PriceUp(Box<Offer>),
    /// A definite no, with the supplier's own words. Nothing was bought.
    #[error("refused: {0}")]
    Refused(String),
    /// Nothing was done: asking again later is safe.
    #[error("not available: {0}")]
    Unavailable(String),
    /// The answer was lost: it may or may not have been done. Only looking it up tells: [`Supplier::find_order`],
    /// [`Supplier::find_cancellation`].
    #[error("outcome unknown: {0}")]
    OutcomeUnknown(String),
}
