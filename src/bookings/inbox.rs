//! What the supplier tells by itself. An event only says where to look: the job that asks is put at the head of the queue,
//! in the transaction that takes the event in.

use crate::{
    bookings::{Booking, Bookings, inbox_store, lifecycle::BookingState, store},
    db::System,
    error::AppError,
    ids::BookingId,
    outbox::{self, Attention, Job},
    supplier::duffel::{Event, EventKind},
};

impl Bookings {
    /// Takes a verified event in. Again: nothing.
    pub async fn receive(&self, event: &Event) -> Result<(), AppError> {
        let booking = self.concerned(event).await?;
        if let (EventKind::CreationFailed, Some(id)) = (&event.kind, booking) {
            // Before the event counts as taken: if this fails, it is delivered again.
            let words = format!("Duffel tells that the order could not be made ({})", event.id);
            self.supplier.order_failed(id, &words).await.map_err(|error| AppError::Upstream {
                service: "supplier",
                reason: error.to_string(),
                detail: "The event could not be taken in. Deliver it again.".to_owned(),
            })?;
        }
        let now = self.clock.now();
        let mut tx = self.db.begin(System).await?;
        if !inbox_store::take(&mut tx, event, booking, now).await? {
            return Ok(());
        }
        match (&event.kind, booking) {
            (EventKind::Other, _) => {}
            (kind, None) => {
                let detail = format!("{} is about nothing of ours: {kind:?} {:?}", event.name, event.order);
                outbox::raise(&mut tx, Attention::EventUnmatched, &event.id, None, &detail, now).await?;
            }
            (EventKind::Changed, Some(id)) => {
                outbox::push(&mut tx, &Job::CheckFlights(id), now, now).await?;
            }
            (EventKind::Created | EventKind::CreationFailed, Some(id)) => {
                let state = store::find_by_id(&mut tx, id).await?.map(|booking: Booking| booking.state);
                if state == Some(BookingState::Ticketing) {
                    outbox::push(&mut tx, &Job::OrderAtSupplier(id), now, now).await?;
                } else if event.kind == EventKind::Created && state.is_some_and(BookingState::has_ended) {
                    // Too late: whoever gave up on it has sent the money back.
                    outbox::push(&mut tx, &Job::VoidTickets(id), now, now).await?;
                }
            }
        }
        tx.commit().await?;
        Ok(())
    }

    async fn concerned(&self, event: &Event) -> Result<Option<BookingId>, AppError> {
        let mut tx = self.db.begin(System).await?;
        Ok(inbox_store::booking_of(&mut tx, event).await?)
    }
}
