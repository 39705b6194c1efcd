//! Bookings: from the first choice of an offer to the ticket. What pages and API both call is [`Bookings`].

mod booking;
pub mod api;
pub mod changes;
pub mod claim_store;
pub mod claims;
pub mod documents;
pub mod find;
mod find_store;
mod guests;
pub mod inbox;
mod inbox_store;
pub mod lifecycle;
pub mod links;
pub mod ordering;
pub mod pages;
pub mod passengers;
mod people_store;
pub mod store;
pub mod told;
pub mod webhook;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    clock::Clock,
    db::{Db, Principal, System, Traveller, Tx},
    error::{AppError, Refusal},
    ids::{BookingId, BookingReference, UserId},
    itinerary::{Contact, DocumentRule, Offer, OfferId, Passenger},
    money::Money,
    outbox::{self, About, Attention, Job, MailKind},
    supplier::{SharedSupplier, SupplierError},
    vault::Vault,
};
pub use booking::Booking;
use documents::{DocumentNote, GivenDocument};
use lifecycle::{BookingEffect, BookingEvent, BookingState, Step, next_booking};

/// A draft that nobody took further is closed after this.
const DRAFT_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// A booking as a line of the traveller's list.
#[derive(Clone, Debug)]
pub struct BookingLine {
    pub id: BookingId,
    pub reference: BookingReference,
    pub state: BookingState,
    pub amount: Money,
    pub offer: Offer,
    pub created_at: Timestamp,
}

/// What happened, for the timeline.
#[derive(Debug)]
pub struct Event {
    pub at: jiff_sqlx::Timestamp,
    pub kind: String,
    pub actor: String,
    pub data: Value,
}

#[derive(Clone, Debug)]
pub struct Draft {
    pub id: BookingId,
    pub reference: BookingReference,
    /// Nobody: made without an account.
    pub user: Option<UserId>,
    pub supplier: &'static str,
    pub offer: Offer,
    pub created_at: Timestamp,
}

impl Draft {
    fn new(user: Option<UserId>, supplier: &'static str, offer: Offer, created_at: Timestamp) -> Self {
        let (id, reference) = (BookingId::new(), BookingReference::random());
        Self { id, reference, user, supplier, offer, created_at }
    }

    /// The first line of its story, and the end that it comes to if nobody takes it further.
    async fn open(&self, tx: &mut Tx<System>, actor: Actor) -> Result<(), AppError> {
        let (total, now) = (self.offer.total, self.created_at);
        let fare =
            json!({ "amount_minor": total.minor, "currency": total.currency, "fare": self.offer.fare.brand });
        store::record(tx, self.id, "offer_chosen", actor, &fare, now).await?;
        outbox::push(tx, &Job::LapseHold(self.id), now + DRAFT_LIFE, now).await?;
        Ok(())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// By account, or by the link to one booking.
    Traveller(Option<UserId>),
    /// A member of the agency.
    Staff(UserId),
    System,
    Stripe,
    Supplier,
}

impl Actor {
    pub fn of(traveller: Traveller) -> Self {
        Self::Traveller(traveller.user())
    }

    pub const fn code(self) -> &'static str {
        match self {
            Self::Traveller(_) => "traveller",
            Self::Staff(_) => "staff",
            Self::System => "system",
            Self::Stripe => "stripe",
            Self::Supplier => "supplier",
        }
    }

    pub const fn user(self) -> Option<UserId> {
        match self {
            Self::Traveller(user) => user,
            Self::Staff(user) => Some(user),
            Self::System | Self::Stripe | Self::Supplier => None,
        }
    }
}

/// Everything about one booking that its traveller may see.
#[derive(Debug)]
pub struct BookingFile {
    pub booking: Booking,
    pub passengers: Vec<(Passenger, Option<String>)>,
    /// Beside `passengers`; none where the offer does not ask for them.
    pub documents: Vec<Option<DocumentNote>>,
    pub events: Vec<Event>,
}

impl BookingFile {
    /// What is known of a passenger's document, by the passenger's place.
    pub fn document(&self, at: usize) -> Option<&DocumentNote> {
        self.documents.get(at).and_then(Option::as_ref)
    }

    /// The contact, all passengers and whatever documents the offer asks for are there.
    pub fn is_complete(&self) -> bool {
        self.is_complete_for(&self.booking.offer)
    }

    /// The same of an offer that may ask for more than the one that was chosen.
    pub fn is_complete_for(&self, offer: &Offer) -> bool {
        let party = offer.party.kinds().count();
        let has_documents = || self.documents.iter().flatten().count() == party;
        self.booking.contact.is_some()
            && self.passengers.len() == party
            && (!offer.documents.is_asked() || has_documents())
    }
}

/// What the passenger form gives, all of it right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Given {
    pub passengers: Vec<Passenger>,
    pub contact: Contact,
    /// One for each passenger where the offer asks for documents; otherwise none.
    pub documents: Vec<GivenDocument>,
}

impl Given {
    /// The airline and Stripe's page know of nobody else. A passport is told to the airline with the order, so a new number of
    /// the same person makes no difference.
    pub fn is_known(&self, contact: Option<&Contact>, passengers: &[(Passenger, Option<String>)]) -> bool {
        contact == Some(&self.contact) && passengers.iter().map(|(known, _)| known).eq(&self.passengers)
    }
}

#[derive(Clone)]
pub struct Bookings {
    pub db: Db,
    pub clock: Clock,
    pub supplier: SharedSupplier,
    pub vault: Vault,
    /// How many days after the journey its passports are deleted.
    pub keep_documents_days: u16,
}

impl Bookings {
    /// Makes a draft of an offer, at the supplier's present word about it.
    pub async fn start_draft(&self, user: UserId, id: &OfferId) -> Result<BookingReference, AppError> {
        let offer = self.sellable_offer(id).await?;
        self.draft_of(user, offer, None).await
    }

    /// With who travels, if that is known: then there is no draft without it.
    pub async fn draft_of(
        &self,
        user: UserId,
        offer: Offer,
        given: Option<&Given>,
    ) -> Result<BookingReference, AppError> {
        let draft = loop {
            let draft = Draft::new(Some(user), self.supplier.name(), offer.clone(), self.clock.now());
            let mut tx = self.db.begin(Traveller::Account(user)).await?;
            match store::insert_draft(&mut tx, &draft).await {
                Ok(()) => {}
                Err(error) if guests::is_reference_taken(&error) => continue,
                Err(error) => return Err(error),
            }
            if let Some(given) = given {
                self.keep_given(&mut tx, &draft.reference, given).await?;
            }
            tx.commit().await?;
            break draft;
        };
        let mut tx = self.db.begin(System).await?;
        draft.open(&mut tx, Actor::Traveller(Some(user))).await?;
        tx.commit().await?;
        Ok(draft.reference)
    }

    /// What may be booked, at the supplier's present word about it.
    pub async fn sellable_offer(&self, id: &OfferId) -> Result<Offer, AppError> {
        let fares = self.supplier.fares(id).await.map_err(|error| offer_trouble(&error))?;
        let offer = fares
            .into_iter()
            .find(|offer| offer.id == *id)
            .ok_or_else(|| offer_trouble(&SupplierError::Gone))?;
        if offer.sum_of_prices(offer.total.currency)? != offer.total {
            return Err(AppError::Upstream {
                service: "supplier",
                reason: "the parts of the price do not add up to its total".to_owned(),
                detail: "The airline's price does not add up, so we do not sell it. Nothing was charged."
                    .to_owned(),
            });
        }
        Ok(offer)
    }

    /// The worker's round: passports that are no longer needed go, and those under an old key get the new one.
    pub async fn sweep_documents(&self) -> Result<(), AppError> {
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        documents::forget_old(&mut tx, self.keep_documents_days, now).await?;
        documents::renew(&mut tx, &self.vault, now).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The traveller's own booking, or nothing: missing and somebody else's look the same.
    pub async fn file(
        &self,
        traveller: Traveller,
        reference: &BookingReference,
    ) -> Result<BookingFile, AppError> {
        let mut tx = self.db.begin(traveller).await?;
        let booking = store::find(&mut tx, reference).await?.ok_or(AppError::NotFound)?;
        let passengers = store::passengers(&mut tx, booking.id).await?;
        let documents = match booking.offer.documents {
            DocumentRule::Asked => documents::store::notes(&mut tx, booking.id).await?,
            DocumentRule::NotAsked => Vec::new(),
        };
        let events = store::events(&mut tx, booking.id).await?;
        Ok(BookingFile { booking, passengers, documents, events })
    }

    /// Newest first; one more than `limit` tells that there are older ones.
    pub async fn list(
        &self,
        user: UserId,
        before: Option<(Timestamp, BookingId)>,
        limit: u8,
    ) -> Result<Vec<BookingLine>, AppError> {
        let mut tx = self.db.begin(Traveller::Account(user)).await?;
        store::list_own(&mut tx, before, i64::from(limit) + 1).await
    }

    /// Keeps who travels and where to write. Refused once money is on its way, and others than before also while somebody
    /// may be paying: `Checkout::save_passengers` sees to it that nobody is.
    pub async fn save_passengers(
        &self,
        traveller: Traveller,
        reference: &BookingReference,
        given: &Given,
    ) -> Result<(), AppError> {
        let mut tx = self.db.begin(traveller).await?;
        self.keep_given(&mut tx, reference, given).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn keep_given(
        &self,
        tx: &mut Tx<Traveller>,
        reference: &BookingReference,
        given: &Given,
    ) -> Result<(), AppError> {
        let booking = store::lock_own(tx, reference).await?.ok_or(AppError::NotFound)?;
        if !booking.is_open() {
            return Err(passengers_fixed());
        }
        let before = store::passengers(tx, booking.id).await?;
        if !given.is_known(booking.contact.as_ref(), &before)
            && people_store::is_being_paid(tx, booking.id).await?
        {
            return Err(being_paid());
        }
        if !people_store::set_contact(tx, booking.id, &given.contact).await? {
            return Err(passengers_fixed());
        }
        match self.keep_party(tx, &booking, before, given).await {
            Err(error) if error.constraint() == Some("passengers_fixed") => Err(passengers_fixed()),
            other => other,
        }
    }

    /// The booking's row is locked: what stood before it is what the form replaces.
    async fn keep_party(
        &self,
        tx: &mut Tx<Traveller>,
        booking: &Booking,
        before: Vec<(Passenger, Option<String>)>,
        given: &Given,
    ) -> Result<(), AppError> {
        if !booking.offer.documents.is_asked() {
            people_store::put_passengers(tx, booking.id, &given.passengers).await?;
            return Ok(());
        }
        let travel_ends =
            booking.last_day().ok_or_else(|| AppError::broken("a booking without a last day"))?;
        let ids = people_store::put_passengers(tx, booking.id, &given.passengers).await?;
        let party = documents::Party { booking: booking.id, ids, before, travel_ends };
        documents::keep(tx, &self.vault, &party, given, self.clock.now()).await
    }
}

/// Names are the airline's business by now.
pub fn passengers_fixed() -> AppError {
    AppError::Conflict(Refusal {
        code: "passengers_fixed",
        title: "The names are fixed now",
        detail: "This booking is paid or has ended, so its names can no longer be changed here. Nothing was changed."
            .to_owned(),
    })
}

/// Somebody may pay for tickets in the names that there are.
fn being_paid() -> AppError {
    AppError::Conflict(Refusal {
        code: "being_paid",
        title: "A payment is under way",
        detail: "While this booking is being paid, its names and contact cannot change. Nothing was changed. The booking page \
                 shows how the payment stands. If nothing comes of it, you can change them then."
            .to_owned(),
    })
}

fn offer_trouble(error: &SupplierError) -> AppError {
    let gone = |code, title, detail: &str| {
        AppError::Gone(Refusal {
            code,
            title,
            detail: format!("{detail} Nothing was booked and nothing was charged."),
        })
    };
    match error {
        SupplierError::Expired(_) | SupplierError::PriceUp(_) => gone(
            "offer_expired",
            "This offer has lapsed",
            "Prices are kept for 30 minutes. Search again for today's price.",
        ),
        SupplierError::SoldOut => {
            gone("sold_out", "Sold out", "The last seats of this offer went to someone else.")
        }
        SupplierError::Gone | SupplierError::Refused(_) => {
            gone("offer_gone", "This offer no longer exists", "Search again to see what there is.")
        }
        SupplierError::Unavailable(reason) | SupplierError::OutcomeUnknown(reason) => AppError::Upstream {
            service: "supplier",
            reason: reason.clone(),
            detail:
                "The airline system does not answer just now. Nothing was booked and nothing was charged."
                    .to_owned(),
        },
    }
}

/// One event on a locked booking: the state, its audit line and all that follows, in the caller's transaction.
pub async fn apply(
    tx: &mut Tx<System>,
    booking: &mut Booking,
    event: BookingEvent,
    actor: Actor,
    reason: Option<&str>,
    now: Timestamp,
) -> Result<(), AppError> {
    let effects = match next_booking(booking.state, event) {
        Step::Move { to, effects } => {
            let ended = reason.filter(|_| to.has_ended());
            store::set_state(tx, booking.id, to, ended).await?;
            if to.has_ended() && booking.offer.documents.is_asked() {
                documents::store::delete_of(tx, booking.id).await?;
            }
            let data = json!({ "from": booking.state, "reason": reason });
            store::record(tx, booking.id, to.code(), actor, &data, now).await?;
            let from = std::mem::replace(&mut booking.state, to);
            told::tell_of_move(tx, booking, from, reason, now).await?;
            effects
        }
        Step::Stay { effects } => effects,
        Step::Replay => return Ok(()),
        Step::Illegal => {
            let detail = format!("booking is {}, but heard {event:?}", booking.state.code());
            let subject = booking.id.to_string();
            outbox::raise(tx, Attention::IllegalStep, &subject, Some(booking.id), &detail, now).await?;
            return Ok(());
        }
    };
    for effect in effects {
        carry_out(tx, booking, effect, now).await?;
    }
    Ok(())
}

async fn carry_out(
    tx: &mut Tx<System>,
    booking: &Booking,
    effect: BookingEffect,
    now: Timestamp,
) -> Result<(), AppError> {
    let id = booking.id;
    match effect {
        BookingEffect::OrderAtSupplier => outbox::push(tx, &Job::OrderAtSupplier(id), now, now).await?,
        BookingEffect::CaptureMoney => outbox::push(tx, &Job::CaptureMoney(id), now, now).await?,
        BookingEffect::ReturnMoney => outbox::push(tx, &Job::ReturnMoney(id), now, now).await?,
        BookingEffect::ReleaseHold => outbox::push(tx, &Job::ReleaseHold(id), now, now).await?,
        BookingEffect::MailConfirmation => owe(tx, booking, MailKind::BookingConfirmation, now).await?,
        BookingEffect::MailNotTicketed => owe(tx, booking, MailKind::NotTicketed, now).await?,
        BookingEffect::MailExpired => owe(tx, booking, MailKind::HoldExpired, now).await?,
        BookingEffect::RaiseTicketWithoutBooking => {
            let detail = format!("tickets exist, but the booking is {}", booking.state.code());
            outbox::raise(tx, Attention::TicketWithoutBooking, &id.to_string(), Some(id), &detail, now)
                .await?;
            outbox::push(tx, &Job::VoidTickets(id), now, now).await?;
        }
    }
    Ok(())
}

async fn owe(
    tx: &mut Tx<System>,
    booking: &Booking,
    kind: MailKind,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    match &booking.contact {
        Some(contact) => {
            outbox::owe_mail(
                tx,
                kind,
                About::Booking(booking.id),
                &contact.email,
                &booking.id.to_string(),
                now,
            )
            .await
        }
        None => Ok(()),
    }
}
