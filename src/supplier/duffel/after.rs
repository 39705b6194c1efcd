//! After the sale: tickets given back, and flights that the airline changes.

use serde_json::json;

use super::{
    Duffel,
    books::{self, State},
    client::Trouble,
    guard::Errand,
    map::{self, is_id},
    unavailable, wire,
};
use crate::{
    ids::BookingId,
    itinerary::Slice,
    money::Money,
    supplier::{AirlineChange, CancelRequest, Cancellation, Flights, SupplierError},
};

/// Where money comes back as money. Airlines also give vouchers, which are nobody's money here.
const MONEY: [&str; 5] = ["balance", "card", "arc_bsp_cash", "original_form_of_payment", "awaiting_payment"];

impl Duffel {
    pub(super) async fn cancel_order(&self, request: &CancelRequest) -> Result<Cancellation, SupplierError> {
        if let Some(done) = self.look_cancellation_up(request.booking).await? {
            return Ok(done);
        }
        if !is_id(&request.order, "ord_") {
            return Err(SupplierError::Gone);
        }
        self.confirm_cancellation(&request.order).await
    }

    /// Duffel quotes first, then does it. A quote binds nobody, so a new one is made each time.
    pub(super) async fn confirm_cancellation(&self, order: &str) -> Result<Cancellation, SupplierError> {
        let data = json!({ "order_id": order });
        let quoted =
            self.client.act("cancel_quote", "/air/order_cancellations", &data, self.patience.look).await;
        let quote = match quoted {
            Ok(answer) => answer.read::<wire::OrderCancellation>().map_err(Trouble::of_a_question)?.data,
            Err(trouble) => return Err(trouble.of_a_question()),
        };
        if !is_id(&quote.id, "ore_") {
            return Err(SupplierError::Unavailable("a cancellation without an id".to_owned()));
        }
        let to = quote.refund_to.as_deref().unwrap_or("balance");
        if !MONEY.contains(&to) {
            return Err(SupplierError::Refused(format!("the airline gives no money back, but: {to}")));
        }
        // Read before the tickets go: a credit that nobody can read would be found out too late.
        credit(&quote)?;
        let path = format!("/air/order_cancellations/{}/actions/confirm", quote.id);
        match self.client.act("cancel", &path, &json!({}), self.patience.deed).await {
            Ok(answer) => {
                let done = answer.read::<wire::OrderCancellation>();
                let done = done.map_err(|trouble| SupplierError::OutcomeUnknown(trouble.to_string()))?;
                credit(&done.data)
            }
            Err(Trouble::No { words, .. }) => Err(SupplierError::Refused(words)),
            Err(Trouble::NotNow(words)) => Err(SupplierError::Unavailable(words)),
            Err(Trouble::Lost(words) | Trouble::Broken(words)) => Err(SupplierError::OutcomeUnknown(words)),
        }
    }

    pub(super) async fn look_cancellation_up(
        &self,
        booking: BookingId,
    ) -> Result<Option<Cancellation>, SupplierError> {
        let entry = books::find(&self.db, booking).await.map_err(unavailable)?;
        let Some(order) = entry.and_then(|entry| entry.order) else { return Ok(None) };
        if self.order_named(&order).await?.cancelled_at.is_none() {
            return Ok(None);
        }
        let path = format!("/air/order_cancellations?order_id={order}&limit=200");
        let list = self
            .client
            .get::<Vec<wire::OrderCancellation>>("cancellations", &path, Errand::Buying, self.patience.look)
            .await
            .map_err(Trouble::of_a_question)?;
        let done = list.data.iter().find(|cancellation| cancellation.confirmed_at.is_some());
        let done = done.ok_or_else(|| {
            SupplierError::Unavailable(format!("{order} is cancelled, and Duffel does not say at what price"))
        })?;
        credit(done).map(Some)
    }

    /// The state of things after the airline's latest change.
    pub(super) async fn look_for_change(
        &self,
        booking: BookingId,
    ) -> Result<Option<AirlineChange>, SupplierError> {
        let entry = books::find(&self.db, booking).await.map_err(unavailable)?;
        let entry = entry.filter(|entry| entry.state == State::Made);
        let Some(id) = entry.and_then(|entry| entry.order) else { return Ok(None) };
        let order = self.order_named(&id).await?;
        let path = format!("/air/airline_initiated_changes?order_id={id}");
        let mut changes = self
            .client
            .get::<Vec<wire::AirlineChange>>("changes", &path, Errand::Buying, self.patience.look)
            .await
            .map_err(Trouble::of_a_question)?
            .data;
        if changes.is_empty() && order.cancelled_at.is_some() {
            return Ok(Some(AirlineChange { id: "cancelled".to_owned(), flights: Flights::Cancelled }));
        }
        changes.sort_by(|a, b| (&a.created_at, &a.id).cmp(&(&b.created_at, &b.id)));
        let Some(last) = changes.last() else { return Ok(None) };
        let id = super::client::shortened(&last.id);
        if last.added.is_empty() && last.removed.is_empty() {
            return Ok(None);
        }
        let slices = self.slices_after(&order, last)?;
        let flights = if slices.is_empty() { Flights::Cancelled } else { Flights::Rescheduled(slices) };
        Ok(Some(AirlineChange { id, flights }))
    }

    /// The order's own slices, with those that the airline took away replaced by what it put in their place.
    fn slices_after(
        &self,
        order: &wire::Order,
        change: &wire::AirlineChange,
    ) -> Result<Vec<Slice>, SupplierError> {
        let unreadable =
            |unfit: map::Unfit| SupplierError::Unavailable(format!("order {}: {unfit}", order.id));
        let read = |slice: &wire::Slice| map::slice(slice, self.airports).map_err(unreadable);
        let ends = |slice: &Slice| (slice.first().from.code, slice.last().to.code);
        let is_removed = |slice: &&wire::Slice| change.removed.iter().any(|gone| gone.id == slice.id);
        let added: Vec<Slice> = change.added.iter().map(read).collect::<Result<_, _>>()?;
        let stays = order.slices.iter().filter(|slice| !is_removed(slice));
        let mut slices: Vec<Slice> = stays.map(read).collect::<Result<_, _>>()?;
        // Duffel may have put the new ones into the order already.
        slices.retain(|slice| !added.iter().any(|new| ends(new) == ends(slice)));
        slices.extend(added);
        slices.sort_by_key(|slice| slice.first().departs.at);
        Ok(slices)
    }
}

fn credit(told: &wire::OrderCancellation) -> Result<Cancellation, SupplierError> {
    let (Some(amount), Some(currency)) = (&told.refund_amount, &told.refund_currency) else {
        return Err(SupplierError::Unavailable("a cancellation without an amount".to_owned()));
    };
    let credit: Result<Money, _> = map::money("refund_amount", amount, currency);
    match credit {
        Ok(credit) => Ok(Cancellation { credit }),
        Err(unfit) => Err(SupplierError::Unavailable(unfit.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credit_is_read_exactly_or_the_tickets_stay() {
        let read = |amount: Option<&str>, currency: Option<&str>| {
            let told = wire::OrderCancellation {
                id: "ore_1".to_owned(),
                refund_amount: amount.map(str::to_owned),
                refund_currency: currency.map(str::to_owned),
                refund_to: None,
                confirmed_at: None,
            };
            credit(&told).ok().map(|told| (told.credit.minor, told.credit.currency.code()))
        };
        assert_eq!(read(Some("90.80"), Some("EUR")), Some((9_080, "EUR")));
        assert_eq!(read(Some("0.00"), Some("GBP")), Some((0, "GBP")));
        assert_eq!(read(Some("12000"), Some("JPY")), Some((12_000, "JPY")));
        for (amount, currency) in [
            (None, Some("EUR")),
            (Some("90.80"), None),
            (None, None),
            (Some("-90.80"), Some("EUR")),
            (Some("90.805"), Some("EUR")),
            (Some("90.80"), Some("SEK")),
        ] {
            assert_eq!(read(amount, currency), None, "{amount:?} {currency:?}");
        }
    }
}
