//! What the invented airlines make of their flights after the tickets were issued: by a magic name, or by a lever.

use jiff::{SignedDuration, tz::TimeZone};

use super::{Timetable, key::OfferKey, offers, seats, unavailable};
use crate::{
    db::System,
    ids::BookingId,
    itinerary::{LocalTime, OfferId, Passenger, Segment, Slice},
    supplier::{AirlineChange, Flights, SupplierError},
};

/// What happens to the flights of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Everything leaves later by so many minutes.
    Later(u16),
    /// The last of several flights is not flown. An only flight is.
    LastDropped,
    Cancelled,
}

/// The names that bring them about, and as the books spell them.
const NAMES: [(&str, &str, Change); 3] = [
    ("rescheduled", "rescheduled", Change::Later(65)),
    ("lastcancelled", "last_dropped", Change::LastDropped),
    ("flightcancelled", "cancelled", Change::Cancelled),
];

/// What the books write down of the passengers' names.
pub(super) fn change_word(passengers: &[Passenger]) -> Option<&'static str> {
    passengers.iter().find_map(|passenger| {
        let name = passenger.family_name.trim();
        NAMES.iter().find(|(magic, ..)| name.eq_ignore_ascii_case(magic)).map(|(_, word, _)| *word)
    })
}

fn change_of(word: &str) -> Option<Change> {
    NAMES.iter().find(|(_, known, _)| *known == word).map(|(.., change)| *change)
}

impl Timetable {
    pub(super) async fn look_for_change(
        &self,
        booking: BookingId,
    ) -> Result<Option<AirlineChange>, SupplierError> {
        self.answering()?;
        let mut tx = self.db.begin(System).await.map_err(unavailable)?;
        let Some(sold) = seats::flights_of(&mut tx, booking).await.map_err(unavailable)? else {
            return Ok(None);
        };
        drop(tx);
        let by_name = sold.on_check.as_deref().and_then(change_of);
        let Some(change) = self.switches.change().or(by_name) else { return Ok(None) };
        let key = OfferKey::parse(&OfferId(sold.offer)).ok_or(SupplierError::Gone)?;
        let slices = offers::offer(self.world, &key).ok_or(SupplierError::Gone)?.slices;
        let flights = match change {
            Change::Cancelled => Flights::Cancelled,
            Change::Later(minutes) => {
                let by = SignedDuration::from_mins(i64::from(minutes));
                let slices: Option<Vec<Slice>> = slices.iter().map(|slice| later(slice, by)).collect();
                Flights::Rescheduled(slices.ok_or(SupplierError::Gone)?)
            }
            Change::LastDropped => match without_last(slices) {
                Some(slices) => Flights::Replaced(slices),
                None => return Ok(None),
            },
        };
        let id = match change {
            Change::Later(minutes) => format!("later-{minutes}"),
            Change::LastDropped => "last-dropped".to_owned(),
            Change::Cancelled => "cancelled".to_owned(),
        };
        Ok(Some(AirlineChange { id, flights }))
    }
}

/// `None`: there is only one.
fn without_last(mut slices: Vec<Slice>) -> Option<Vec<Slice>> {
    let mut segments = Vec::from(slices.pop()?);
    segments.pop();
    slices.extend(Slice::try_from(segments));
    (!slices.is_empty()).then_some(slices)
}

fn later(slice: &Slice, by: SignedDuration) -> Option<Slice> {
    let moved = |time: &LocalTime, zone: &str| {
        Some(LocalTime::new(time.at.checked_add(by).ok()?, &TimeZone::get(zone).ok()?))
    };
    let segments: Option<Vec<Segment>> = slice
        .segments()
        .iter()
        .map(|segment| {
            let departs = moved(&segment.departs, &segment.from.zone)?;
            let arrives = moved(&segment.arrives, &segment.to.zone)?;
            Some(Segment { departs, arrives, ..segment.clone() })
        })
        .collect();
    Slice::try_from(segments?).ok()
}
