//! Space and tickets. Before each call our own book says that it is about to be made; after it, what became of it. Whoever
//! comes back after a lost answer or a crash finds there whether there may be an order, and asks Duffel for it.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    Duffel,
    books::{self, Entry, Note, State},
    client::{Answer, Trouble},
    guard::Errand,
    map::{self, is_id},
    request::{BOOKING_ID, order_data, party, payment, people, tickets},
    search::{no_offer, own},
    unavailable, wire,
};
use crate::{
    ids::BookingId,
    itinerary::Offer,
    money::Money,
    supplier::{Hold, HoldId, HoldRequest, Order, OrderRequest, SupplierError},
};

/// An order that Duffel does not list so long after it was asked for was not made.
const SETTLES: SignedDuration = SignedDuration::from_mins(10);
/// After an answer that forbids asking again: a person has had time to hear from Duffel's support, and the traveller has
/// waited long enough.
const GIVEN_UP: SignedDuration = SignedDuration::from_mins(30);
/// Duffel sells one offer of each search.
const SOLD_BEFORE: &str = "offer_request_already_booked";
const PAGE: usize = 200;
/// Ten thousand orders of one offer are more than there can be.
const MOST_PAGES: usize = 50;

impl Duffel {
    /// An order without payment where the airline keeps space; otherwise nothing is kept, and the offer is bought when it
    /// is paid for, if it is still there at its price.
    pub(super) async fn keep_space(&self, request: &HoldRequest) -> Result<Hold, SupplierError> {
        let id = own(&request.offer.id).ok_or(SupplierError::Gone)?;
        let party = party(request.booking, &request.passengers, &request.contact)?;
        let entry = books::find(&self.db, request.booking).await.map_err(unavailable)?;
        if let Some(hold) = self.kept_already(request, id, &party, entry.as_ref()).await? {
            return Ok(hold);
        }
        if books::is_used(&self.db, id).await.map_err(unavailable)? {
            return Err(SupplierError::Expired(Box::new(request.offer.clone())));
        }
        let told = self.told_offer(id).await?;
        let fresh = map::offer(&told, self.airports, self.clock.now())
            .map_err(|unfit| SupplierError::Unavailable(unfit.to_string()))?;
        if fresh.expires_at <= self.clock.now() {
            return Err(SupplierError::Gone);
        }
        guard_price(&fresh, &request.offer)?;
        let people = people(&told.passengers, &request.passengers, &request.contact, &[])?;
        let may_hold =
            told.payment_requirements.as_ref().is_some_and(|needs| !needs.requires_instant_payment);
        // An order keeps the documents that it is made with, and those are opened for buying only.
        if !may_hold || fresh.documents.is_asked() {
            return Ok(Hold { id: HoldId(id.to_owned()), expires_at: request.until });
        }
        let data = order_data("hold", id, people, request.booking, &request.reference);
        // Space for another offer may have been given back since.
        let entry = books::find(&self.db, request.booking).await.map_err(unavailable)?;
        let note = Note { offer: id, order: None, party: &party, state: State::Holding };
        self.begin(request.booking, entry.as_ref(), note).await?;
        match self.client.act("hold", "/air/orders", &data, self.patience.look).await {
            Ok(answer) => {
                let order = answer.read::<wire::Order>().map_err(Trouble::of_a_question)?.data;
                self.held(request, &order).await
            }
            Err(Trouble::No { code, .. }) if code == SOLD_BEFORE => {
                self.note(request.booking, None, State::Released, books::USED).await?;
                Err(SupplierError::Expired(Box::new(request.offer.clone())))
            }
            Err(Trouble::No { code, words, .. }) => {
                self.note(request.booking, None, State::Released, &words).await?;
                Err(no_offer(&code, words))
            }
            // Space that nobody knows of costs nothing and lapses by itself.
            Err(trouble) => Err(trouble.of_a_question()),
        }
    }

    /// The hold of a second press on the button. Space for another offer, or in other names, is given back first.
    async fn kept_already(
        &self,
        request: &HoldRequest,
        id: &str,
        party: &str,
        entry: Option<&Entry>,
    ) -> Result<Option<Hold>, SupplierError> {
        let Some(entry) = entry else { return Ok(None) };
        let order = match (entry.state, &entry.order) {
            (State::Held, Some(order)) => Some(self.order_named(order).await?),
            (State::Holding, _) => self.listed(request.booking, &entry.offer).await?,
            _ => None,
        };
        let Some(order) = order else { return Ok(None) };
        let is_wanted = entry.offer == id && entry.party.as_deref() == Some(party);
        if is_wanted && order.cancelled_at.is_none() {
            return self.held(request, &order).await.map(Some);
        }
        let space = HoldId(order.id);
        self.give_space_back(&space).await?;
        self.note(request.booking, Some(&space.0), State::Released, "").await?;
        Ok(None)
    }

    async fn held(&self, request: &HoldRequest, order: &wire::Order) -> Result<Hold, SupplierError> {
        let total = self.total(order)?;
        if total.currency != request.offer.total.currency || total.minor > request.offer.total.minor {
            self.give_space_back(&HoldId(order.id.clone())).await?;
            return Err(SupplierError::Refused(
                "the airline holds these flights at another price".to_owned(),
            ));
        }
        let by = order.payment_status.as_ref().and_then(|status| status.payment_required_by.as_deref());
        let by = by.and_then(|by| map::instant("payment_required_by", by).ok());
        self.note(request.booking, Some(&order.id), State::Held, "").await?;
        let expires_at = by.map_or(request.until, |by| by.min(request.until));
        Ok(Hold { id: HoldId(order.id.clone()), expires_at })
    }

    pub(super) async fn give_space_back(&self, hold: &HoldId) -> Result<(), SupplierError> {
        if !is_id(&hold.0, "ord_") {
            // Nothing was kept.
            return Ok(());
        }
        match self.order_named(&hold.0).await {
            Ok(order) if order.is_paid() || order.cancelled_at.is_some() => Ok(()),
            Ok(order) => self.confirm_cancellation(&order.id).await.map(|_| ()),
            Err(SupplierError::Gone) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn buy_tickets(&self, request: &OrderRequest) -> Result<Order, SupplierError> {
        let entry = books::find(&self.db, request.booking).await.map_err(unavailable)?;
        match entry.as_ref().map(|entry| (entry.state, entry)) {
            Some((State::Made, entry)) => return self.made(entry, request.booking).await,
            Some((State::Refused | State::Broken, entry)) => {
                return Err(SupplierError::Refused(entry.detail.clone()));
            }
            Some((State::Accepted, entry)) => {
                return Err(SupplierError::OutcomeUnknown(entry.detail.clone()));
            }
            Some((State::Held | State::Asked, entry)) => {
                if let Some(order) = &entry.order {
                    return self.pay_for_space(request, entry, order).await;
                }
            }
            _ => {}
        }
        let id = own(&request.offer.id).ok_or(SupplierError::Gone)?;
        let is_used = books::is_used(&self.db, id).await.map_err(unavailable)?;
        let told = if is_used { Err(SupplierError::Gone) } else { self.told_offer(id).await };
        let told = match told {
            Ok(told) if self.is_live(&told) => told,
            // Its time is over, the flights may still be there: as they were accepted, at no more.
            Ok(_) | Err(SupplierError::Gone | SupplierError::SoldOut) => {
                let fresh = self.as_accepted(&request.offer).await?;
                self.told_offer(own(&fresh.id).ok_or(SupplierError::Gone)?).await?
            }
            Err(error) => return Err(error),
        };
        self.buy_now(request, entry.as_ref(), &told).await
    }

    fn is_live(&self, told: &wire::Offer) -> bool {
        map::instant("expires_at", &told.expires_at).is_ok_and(|at| at > self.clock.now())
    }

    /// Of two workers who have read the same page of the book, one asks.
    async fn begin(
        &self,
        booking: BookingId,
        read: Option<&Entry>,
        note: Note<'_>,
    ) -> Result<(), SupplierError> {
        let begun = books::begin(&self.db, booking, read, note, self.clock.now()).await;
        match begun.map_err(unavailable)? {
            true => Ok(()),
            false => {
                Err(SupplierError::OutcomeUnknown("somebody else is asking for this booking".to_owned()))
            }
        }
    }

    async fn buy_now(
        &self,
        request: &OrderRequest,
        entry: Option<&Entry>,
        told: &wire::Offer,
    ) -> Result<Order, SupplierError> {
        let fresh = map::offer(told, self.airports, self.clock.now())
            .map_err(|unfit| SupplierError::Unavailable(unfit.to_string()))?;
        guard_price(&fresh, &request.offer)?;
        if fresh.fare != request.offer.fare {
            // What the traveller may change and gets back is part of what was accepted.
            return Err(SupplierError::Gone);
        }
        let people = people(&told.passengers, &request.passengers, &request.contact, &request.documents)?;
        let mut data = order_data("instant", &told.id, people, request.booking, &request.reference);
        data["payments"] = json!([payment(told.total_amount.as_str(), told.total_currency.as_str())]);
        let party = party(request.booking, &request.passengers, &request.contact)?;
        let note = Note { offer: &told.id, order: None, party: &party, state: State::Asked };
        self.begin(request.booking, entry, note).await?;
        match self.client.act("order", "/air/orders", &data, self.patience.deed).await {
            Err(Trouble::No { code, words, .. }) if code == SOLD_BEFORE => {
                let has_asked = entry.is_some_and(|entry| entry.state == State::Asked);
                Err(self.sold_before(request.booking, has_asked, &words).await?)
            }
            answer => self.what_became(request, &fresh, answer).await,
        }
    }

    /// To somebody else, if this was the first that we asked: the same fare of another search is as good. Where an answer of
    /// ours was lost, it may be ours, though Duffel lists none: that is for a person, and nothing is bought beside it.
    async fn sold_before(
        &self,
        booking: BookingId,
        has_asked: bool,
        words: &str,
    ) -> Result<SupplierError, SupplierError> {
        if has_asked {
            self.note(booking, None, State::Broken, words).await?;
            return Ok(SupplierError::OutcomeUnknown(words.to_owned()));
        }
        self.note(booking, None, State::Released, books::USED).await?;
        Ok(SupplierError::Unavailable(books::USED.to_owned()))
    }

    /// Space that is kept is paid for at the price that Duffel tells at this moment.
    async fn pay_for_space(
        &self,
        request: &OrderRequest,
        entry: &Entry,
        id: &str,
    ) -> Result<Order, SupplierError> {
        let order = self.order_named(id).await?;
        if order.is_paid() {
            return self.take(request.booking, &order).await;
        }
        let party = party(request.booking, &request.passengers, &request.contact)?;
        let in_other_names = entry.party.as_ref().is_some_and(|kept| *kept != party);
        if order.cancelled_at.is_some() || in_other_names {
            // It has lapsed, or is not theirs who travel. The next round buys as if there had been none.
            self.give_space_back(&HoldId(order.id)).await?;
            let why = if in_other_names { "space was kept in other names" } else { "the space had lapsed" };
            self.note(request.booking, None, State::Released, why).await?;
            return Err(SupplierError::Unavailable(why.to_owned()));
        }
        let total = self.total(&order)?;
        if total.currency != request.offer.total.currency || total.minor > request.offer.total.minor {
            return Err(SupplierError::PriceUp(Box::new(Offer { total, ..request.offer.clone() })));
        }
        let note = Note { offer: &entry.offer, order: Some(id), party: &party, state: State::Asked };
        self.begin(request.booking, Some(entry), note).await?;
        let payment = payment(&order.total_amount, &order.total_currency);
        let data = json!({ "order_id": id, "payment": payment });
        match self.client.act("pay", "/air/payments", &data, self.patience.deed).await {
            Ok(_) => {
                let paid = self.order_named(id).await.map_err(unknown)?;
                if !paid.is_paid() {
                    return Err(SupplierError::OutcomeUnknown("the payment is not booked yet".to_owned()));
                }
                self.take(request.booking, &paid).await
            }
            Err(trouble) => Err(self.trouble(request.booking, &request.offer, trouble, State::Held).await?),
        }
    }

    async fn what_became(
        &self,
        request: &OrderRequest,
        offer: &Offer,
        answer: Result<Answer, Trouble>,
    ) -> Result<Order, SupplierError> {
        let booking = request.booking;
        match answer {
            Ok(answer) if answer.status.as_u16() == 202 => {
                // Made later, or not: an event tells which.
                let begun = answer.read::<wire::Begun>().ok().and_then(|answer| answer.data.id);
                let order = begun.filter(|id| is_id(id, "ord_"));
                let words = "Duffel has accepted the order and tells later what becomes of it";
                self.note(booking, order.as_deref(), State::Accepted, words).await?;
                Err(SupplierError::OutcomeUnknown(words.to_owned()))
            }
            Ok(answer) => {
                let order = answer
                    .read::<wire::Order>()
                    .map_err(|trouble| SupplierError::OutcomeUnknown(trouble.to_string()))?;
                self.take(booking, &order.data).await
            }
            Err(trouble) => Err(self.trouble(booking, offer, trouble, State::Released).await?),
        }
    }

    /// Writes down what is known after a deed went wrong. `otherwise` is what stands where nothing was done.
    async fn trouble(
        &self,
        booking: BookingId,
        offer: &Offer,
        trouble: Trouble,
        otherwise: State,
    ) -> Result<SupplierError, SupplierError> {
        Ok(match trouble {
            Trouble::NotNow(words) => {
                self.note(booking, None, otherwise, &words).await?;
                SupplierError::Unavailable(words)
            }
            Trouble::Lost(words) => SupplierError::OutcomeUnknown(words),
            Trouble::Broken(words) => {
                self.note(booking, None, State::Broken, &words).await?;
                SupplierError::OutcomeUnknown(words)
            }
            Trouble::No { code, words, .. } => match code.as_str() {
                // Our account at Duffel is a person's matter, and soon mended: the traveller need not lose the seats.
                "insufficient_balance" => {
                    self.note(booking, None, otherwise, &words).await?;
                    SupplierError::Unavailable(words)
                }
                "already_paid" => SupplierError::OutcomeUnknown(words),
                "price_changed" => {
                    self.note(booking, None, otherwise, &words).await?;
                    let fresh = self.price_of_now(offer).await.unwrap_or_else(|_| offer.clone());
                    SupplierError::PriceUp(Box::new(fresh))
                }
                code => {
                    self.note(booking, None, State::Refused, &words).await?;
                    no_offer(code, words)
                }
            },
        })
    }

    /// After a lost answer. `None` is a fact, and until it is one nobody is told so.
    pub(super) async fn look_order_up(&self, booking: BookingId) -> Result<Option<Order>, SupplierError> {
        let Some(entry) = books::find(&self.db, booking).await.map_err(unavailable)? else { return Ok(None) };
        let waited = self.clock.now().duration_since(entry.asked_at);
        let doubt = |words: &str| Err(SupplierError::OutcomeUnknown(words.to_owned()));
        if matches!(entry.state, State::Held | State::Released | State::Holding) {
            return Ok(None);
        }
        let found = match &entry.order {
            Some(id) => Some(self.order_named(id).await.map_err(unknown)?),
            None => self.listed(booking, &entry.offer).await.map_err(unknown)?,
        };
        if let Some(order) = found {
            if order.is_paid() && order.cancelled_at.is_none() {
                return self.take(booking, &order).await.map(Some);
            }
            if entry.state == State::Made {
                return Ok(None);
            }
        }
        match entry.state {
            State::Accepted => doubt(&entry.detail),
            State::Broken if waited < GIVEN_UP => doubt(&entry.detail),
            State::Asked if waited < SETTLES => doubt("Duffel does not list the order yet"),
            _ => Ok(None),
        }
    }

    async fn made(&self, entry: &Entry, booking: BookingId) -> Result<Order, SupplierError> {
        let id = entry.order.as_deref().unwrap_or_default();
        let order = self.order_named(id).await.map_err(unknown)?;
        self.take(booking, &order).await
    }

    /// An order of ours that stands, in our words.
    async fn take(&self, booking: BookingId, told: &wire::Order) -> Result<Order, SupplierError> {
        if told.note(BOOKING_ID) != Some(booking.to_string().as_str()) {
            return Err(SupplierError::OutcomeUnknown(format!("{} is another booking's order", told.id)));
        }
        let pnr =
            told.booking_reference.as_deref().map(str::trim).filter(|pnr| (3..=20).contains(&pnr.len()));
        let pnr = pnr.filter(|pnr| pnr.bytes().all(|b| b.is_ascii_alphanumeric()));
        let pnr =
            pnr.ok_or_else(|| SupplierError::OutcomeUnknown(format!("{} has no locator yet", told.id)))?;
        let order = Order {
            id: told.id.clone(),
            pnr: pnr.to_owned(),
            tickets: tickets(told, pnr),
            total: self.total(told).map_err(unknown)?,
        };
        self.note(booking, Some(&told.id), State::Made, "").await?;
        Ok(order)
    }

    pub(super) fn total(&self, told: &wire::Order) -> Result<Money, SupplierError> {
        map::money("total_amount", &told.total_amount, &told.total_currency)
            .map_err(|unfit| SupplierError::Unavailable(format!("order {}: {unfit}", told.id)))
    }

    pub(super) async fn order_named(&self, id: &str) -> Result<wire::Order, SupplierError> {
        if !is_id(id, "ord_") {
            return Err(SupplierError::Gone);
        }
        let path = format!("/air/orders/{id}");
        let answer = self.client.get::<wire::Order>("order", &path, Errand::Buying, self.patience.look).await;
        match answer {
            Ok(told) if told.data.id == id => Ok(told.data),
            Ok(_) => Err(SupplierError::Unavailable("Duffel tells of another order".to_owned())),
            Err(trouble) if trouble.is_not_there() => Err(SupplierError::Gone),
            Err(trouble) => Err(trouble.of_a_question()),
        }
    }

    /// The booking's order in Duffel's list. `None`: the list was read to its end, and it is not there.
    async fn listed(&self, booking: BookingId, offer: &str) -> Result<Option<wire::Order>, SupplierError> {
        let wanted = booking.to_string();
        let mut after: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut path = format!("/air/orders?limit={PAGE}&offer_id={offer}");
            if let Some(after) = &after {
                let after: String = url::form_urlencoded::byte_serialize(after.as_bytes()).collect();
                path.push_str(&format!("&after={after}"));
            }
            let page = self
                .client
                .get::<Vec<Value>>("orders", &path, Errand::Buying, self.patience.look)
                .await
                .map_err(Trouble::of_a_question)?;
            for value in page.data {
                let is_ours = value.pointer("/metadata/booking_id").and_then(Value::as_str) == Some(&wanted);
                if is_ours {
                    let order = serde_json::from_value(value);
                    return order
                        .map(Some)
                        .map_err(|_| SupplierError::Unavailable("our order cannot be read".to_owned()));
                }
            }
            match page.meta.after.filter(|after| !after.is_empty()) {
                Some(next) => after = Some(next),
                None => return Ok(None),
            }
        }
        Err(SupplierError::Unavailable("Duffel's list of orders does not end".to_owned()))
    }

    /// Duffel's word that an accepted order was not made.
    pub(super) async fn note_failure(&self, booking: BookingId, why: &str) -> Result<(), SupplierError> {
        let entry = books::find(&self.db, booking).await.map_err(unavailable)?;
        if entry.is_some_and(|entry| matches!(entry.state, State::Accepted | State::Asked | State::Broken)) {
            self.note(booking, None, State::Refused, why).await?;
        }
        Ok(())
    }

    async fn note(
        &self,
        booking: BookingId,
        order: Option<&str>,
        state: State,
        detail: &str,
    ) -> Result<(), SupplierError> {
        let noted = books::note(&self.db, booking, order, state, detail, self.clock.now()).await;
        // What Duffel has said is lost with it: it is looked up again.
        noted.map_err(|error| SupplierError::OutcomeUnknown(error.to_string()))
    }
}

/// What cannot be looked up is not known.
fn unknown(error: SupplierError) -> SupplierError {
    match error {
        SupplierError::Unavailable(words) | SupplierError::Refused(words) => {
            SupplierError::OutcomeUnknown(words)
        }
        SupplierError::Gone => SupplierError::OutcomeUnknown("Duffel does not find the order".to_owned()),
        other => other,
    }
}

/// Never more than was accepted.
fn guard_price(fresh: &Offer, accepted: &Offer) -> Result<(), SupplierError> {
    if fresh.total.currency == accepted.total.currency && fresh.total.minor <= accepted.total.minor {
        Ok(())
    } else {
        Err(SupplierError::PriceUp(Box::new(fresh.clone())))
    }
}
