//! What of a booking is still to come, and by when: the lower end of its timeline. Pure.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::{
    bookings::{
        lifecycle::{BookingState, SupplierState},
        ordering::{PATIENCE, SILENCE_ALARM},
        pages::words::{Here, airline},
    },
    checkout::{Attempt, Standing, lifecycle::AttemptState},
    supplier::Flights,
    web::components::{LogEntry, Tone, words},
};

/// How long banks take to show a refund, which is 10 working days, and to free what was set aside, at the latest.
const REFUND_SHOWS: SignedDuration = SignedDuration::from_hours(24 * 14);
const RELEASE_SHOWS: SignedDuration = SignedDuration::from_hours(24 * 7);

/// What happens at this moment, and what is to come if all goes well, or else by when it is decided.
pub fn to_come(standing: &Standing, here: &Here, now: Timestamp) -> Vec<LogEntry> {
    if let Some(frozen) = standing.attempts.iter().find(|attempt| attempt.quarantined.is_some()) {
        return vec![checked(frozen)];
    }
    let booking = &standing.file.booking;
    let total = booking.amount.to_string();
    match booking.state {
        BookingState::Draft | BookingState::Held => to_pay(standing, here, now),
        BookingState::Ticketing => ticketing(standing, here, now),
        BookingState::Confirmed => {
            let is_charging =
                standing.secured().is_some_and(|attempt| attempt.state == AttemptState::Authorised);
            let charging =
                is_charging.then(|| entry(Tone::Now, "now", "Your card is being charged", Some(&total)));
            let until = booking.pay_by.filter(|_| booking.can_be_paid_again(now));
            let paying = until.map(|until| {
                let title = format!("Pay until {}", here.tell(until, now));
                let text = "If nobody has paid by then, the tickets are cancelled and you owe nothing.";
                with(entry(Tone::Todo, "next", title, Some(&total)), text)
            });
            charging
                .into_iter()
                .chain(paying)
                .chain(shown_at_bank(standing, here, now))
                .chain(departure(standing, now))
                .collect()
        }
        BookingState::Cancelling => cancelling(standing, here, now),
        BookingState::Cancelled | BookingState::Expired | BookingState::Failed => {
            let releasing = releasing(standing);
            releasing.into_iter().chain(shown_at_bank(standing, here, now)).collect()
        }
    }
}

fn entry(tone: Tone, when: &str, title: impl Into<String>, amount: Option<&String>) -> LogEntry {
    LogEntry {
        tone,
        when: when.to_owned(),
        title: title.into(),
        amount: amount.cloned(),
        ..LogEntry::default()
    }
}

fn with(entry: LogEntry, text: &str) -> LogEntry {
    LogEntry { text: Some(text.to_owned()), ..entry }
}

/// "by 12:45", or with its date when that is not today's.
fn by(at: Timestamp, here: &Here, now: Timestamp) -> String {
    let zone = TimeZone::get(&here.zone).unwrap_or(TimeZone::UTC);
    if zone.to_datetime(at).date() == zone.to_datetime(now).date() {
        format!("by {}", words::moment_clock(at, &here.zone))
    } else {
        format!("by {}", words::moment(at, &here.zone))
    }
}

fn checked(frozen: &Attempt) -> LogEntry {
    let (title, text) = match frozen.given_back_at {
        Some(_) => {
            ("The payment is going back", "Then this page says so, and whether the seats can still be paid.")
        }
        None => (
            "A person decides about the payment",
            "It is accepted or goes back in full. We write to you either way.",
        ),
    };
    with(entry(Tone::Now, "now", title, None), text)
}

fn to_pay(standing: &Standing, here: &Here, now: Timestamp) -> Vec<LogEntry> {
    let booking = &standing.file.booking;
    let total = booking.amount.to_string();
    let until = booking.hold.as_ref().filter(|hold| hold.expires_at > now);
    if standing.attempts.iter().any(|attempt| attempt.state == AttemptState::Processing) {
        let text = "If the seats are gone by the time it arrives, we try once for seats at no more than your total. If there are \
                    none, all of it goes back to you.";
        return vec![
            with(entry(Tone::Now, "now", "We wait for your payment to arrive", Some(&total)), text),
            entry(Tone::Todo, "then", "Seats confirmed, tickets issued", None),
        ];
    }
    let pay = match until {
        Some(hold) => format!("Pay until {}", here.tell(hold.expires_at, now)),
        None => "Check and pay".to_owned(),
    };
    vec![
        entry(Tone::Todo, "next", pay, Some(&total)),
        entry(Tone::Todo, "then", "Seats confirmed, tickets issued", None),
    ]
}

fn ticketing(standing: &Standing, here: &Here, now: Timestamp) -> Vec<LogEntry> {
    let booking = &standing.file.booking;
    let total = booking.amount.to_string();
    let is_charged = standing.secured().is_some_and(|attempt| attempt.state == AttemptState::Captured);
    let asking = format!("{} is booking your seats", airline(&booking.offer.slices));
    let mut entries = vec![
        entry(Tone::Now, "now", asking, None),
        entry(Tone::Todo, "next", "Seats confirmed, tickets issued", None),
    ];
    if !is_charged {
        entries.push(entry(Tone::Todo, "last", "Card charged", Some(&total)));
    }
    let Some(since) = last(standing, "ticketing") else { return entries };
    let text = "Whatever the airline says, you hear of it by mail.";
    // After a lost answer only the airline knows whether there are tickets, and nobody gives up on them.
    let (at, title) = match booking.supplier_state {
        SupplierState::OrderUnknown => {
            (since + SILENCE_ALARM, "If it is silent until then, a person of ours asks the airline")
        }
        _ => (since + PATIENCE, "If it is silent until then, all of your money goes back"),
    };
    if at > now {
        entries.push(with(entry(Tone::Todo, &by(at, here, now), title, None), text));
    }
    entries
}

fn cancelling(standing: &Standing, here: &Here, now: Timestamp) -> Vec<LogEntry> {
    let mut entries = vec![entry(Tone::Now, "now", "The airline is cancelling your tickets", None)];
    let back = standing.cancellation.as_ref().map(|quote| quote.figures.back).filter(|back| back.minor > 0);
    if let Some(back) = back.map(|back| back.to_string()) {
        entries.push(entry(Tone::Todo, "then", "Your money is sent back", Some(&back)));
    }
    if let Some(at) = last(standing, "cancelling").map(|at| at + SILENCE_ALARM).filter(|at| *at > now) {
        let title = "If it is silent until then, a person of ours asks the airline";
        entries.push(entry(Tone::Todo, &by(at, here, now), title, None));
    }
    entries
}

fn releasing(standing: &Standing) -> Option<LogEntry> {
    let attempt = standing.attempts.iter().find(|attempt| attempt.state == AttemptState::Authorised)?;
    let quote = standing.cancellation.as_ref().filter(|quote| quote.attempt == attempt.id);
    let amount = quote.map_or(attempt.amount, |quote| quote.figures.back).to_string();
    Some(entry(Tone::Now, "now", "Reserved amount is being released", Some(&amount)))
}

/// Money that has left us and is still on its way through the banks.
fn shown_at_bank(standing: &Standing, here: &Here, now: Timestamp) -> Option<LogEntry> {
    let moved = |kind: &str, takes| last(standing, kind).map(|at| at + takes).filter(|at| *at > now);
    // A bank may send it back days after it has taken it.
    let of_refunds =
        |kind: &str| ["refund_succeeded", "refund_failed", "refund_paid_by_hand"].contains(&kind);
    let latest = standing.file.events.iter().rev().find(|event| of_refunds(&event.kind));
    let is_returned = latest.is_some_and(|event| event.kind != "refund_succeeded");
    let refund = moved("refund_succeeded", REFUND_SHOWS).filter(|_| !is_returned);
    // What did not fit may have been taken, and was refunded.
    let let_go = standing.attempts.iter().any(|attempt| attempt.let_go.is_some_and(|gone| gone.was_taken));
    let refund = refund.or_else(|| moved("payment_released", REFUND_SHOWS).filter(|_| let_go));
    let release = moved("payment_released", RELEASE_SHOWS);
    let (at, title) = match (refund, release) {
        (Some(at), _) => (at, "Your bank shows the refund"),
        (None, Some(at)) => (at, "Your bank shows the reserved amount as free again"),
        (None, None) => return None,
    };
    let zone = TimeZone::get(&here.zone).unwrap_or(TimeZone::UTC);
    let day = zone.to_datetime(at).strftime("%-d %b").to_string();
    Some(entry(Tone::Todo, &format!("by {day}"), title, None))
}

/// When it last happened.
fn last(standing: &Standing, kind: &str) -> Option<Timestamp> {
    standing.file.events.iter().rev().find(|event| event.kind == kind).map(|event| event.at.to_jiff())
}

fn departure(standing: &Standing, now: Timestamp) -> Option<LogEntry> {
    let booking = &standing.file.booking;
    let first = booking.offer.slices.first()?.first();
    let is_flown = booking.airline_change.as_ref().is_none_or(|change| change.flights != Flights::Cancelled);
    (is_flown && first.departs.at > now).then(|| LogEntry {
        tone: Tone::Todo,
        datetime: words::machine(&first.departs),
        when: first.departs.local.strftime("%-d %b %Y").to_string(),
        title: format!(
            "Departure {}, {} {}",
            words::clock(first.departs.local),
            first.from.city,
            first.from.code
        ),
        ..LogEntry::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        checkout::{
            LetGo,
            pages::samples::{noon, standing},
        },
        supplier::AirlineChange,
        web::components::samples::eur,
    };

    /// "when: title" of what is to come, with times as of noon or so much later.
    fn told(standing: &Standing, minutes: i64) -> Vec<String> {
        let here = Here::of(&standing.file.booking.offer);
        let entries = to_come(standing, &here, noon() + SignedDuration::from_mins(minutes));
        entries.into_iter().map(|entry| format!("{}: {}", entry.when, entry.title)).collect()
    }

    #[test]
    fn whoever_waits_is_told_by_when_it_is_decided() {
        let asked = || {
            standing(BookingState::Ticketing)
                .with(AttemptState::Authorised)
                .living_on_it()
                .told("ticketing", json!({}))
        };
        assert!(
            told(&asked(), 0)
                .contains(&"by 12:45: If it is silent until then, all of your money goes back".to_owned())
        );
        assert_eq!(told(&asked(), 46).last().unwrap(), "last: Card charged");
        let mut unknown = asked();
        unknown.file.booking.supplier_state = SupplierState::OrderUnknown;
        assert!(
            told(&unknown, 0).contains(
                &"by 12:15: If it is silent until then, a person of ours asks the airline".to_owned()
            )
        );
        let cancelling = standing(BookingState::Cancelling)
            .with(AttemptState::Captured)
            .living_on_it()
            .cancelled_for(true, 15_000)
            .told("cancelling", json!({}));
        assert_eq!(
            told(&cancelling, 0),
            [
                "now: The airline is cancelling your tickets",
                "then: Your money is sent back",
                "by 12:15: If it is silent until then, a person of ours asks the airline",
            ]
        );
    }

    /// The same with the amounts and what is said below them.
    fn in_full(standing: &Standing) -> Vec<String> {
        let entries = to_come(standing, &Here::of(&standing.file.booking.offer), noon()).into_iter();
        let line = |entry: LogEntry| {
            let (amount, text) = (entry.amount.unwrap_or_default(), entry.text.unwrap_or_default());
            let text = text.split('.').next().unwrap_or_default().to_owned();
            format!("[{:?}] {}: {} {amount} | {text}", entry.tone, entry.when, entry.title)
                .replace('\u{a0}', " ")
        };
        entries.map(line).collect()
    }

    #[test]
    fn whoever_has_not_paid_sees_until_when_and_how_much_and_waits_while_money_is_on_its_way() {
        let held = standing(BookingState::Held);
        let tickets = "[Todo] then: Seats confirmed, tickets issued  | ";
        assert_eq!(in_full(&held), ["[Todo] next: Pay until 12:45 Lisbon time EUR 800.00 | ", tickets]);
        assert_eq!(told(&held, 45)[0], "next: Check and pay");
        assert_eq!(told(&standing(BookingState::Draft), 0)[0], "next: Check and pay");
        let on_its_way = in_full(&held.with(AttemptState::Processing));
        assert!(
            on_its_way[0].starts_with(
                "[Now] now: We wait for your payment to arrive EUR 800.00 | If the seats are gone"
            ),
            "{on_its_way:?}"
        );
        assert_eq!(on_its_way[1], tickets);
    }

    #[test]
    fn what_is_set_aside_for_a_booking_that_has_ended_is_being_released_less_what_is_kept() {
        let failed =
            standing(BookingState::Failed).with(AttemptState::Released).with(AttemptState::Authorised);
        assert_eq!(in_full(&failed), ["[Now] now: Reserved amount is being released EUR 800.00 | "]);
        let cancelled = standing(BookingState::Cancelled)
            .with(AttemptState::Authorised)
            .living_on_it()
            .cancelled_for(false, 15_000);
        assert_eq!(in_full(&cancelled), ["[Now] now: Reserved amount is being released EUR 650.00 | "]);
        // A quote for another payment.
        let mut besides = cancelled;
        besides.cancellation.as_mut().unwrap().attempt = crate::ids::AttemptId::new();
        assert_eq!(in_full(&besides), ["[Now] now: Reserved amount is being released EUR 800.00 | "]);
        assert!(in_full(&standing(BookingState::Failed).with(AttemptState::Released)).is_empty());
    }

    #[test]
    fn nothing_is_promised_for_a_time_that_has_come() {
        let asked = standing(BookingState::Ticketing).told("ticketing", json!({}));
        assert_eq!(told(&asked, 44).len(), told(&asked, 45).len() + 1);
        let cancelling = standing(BookingState::Cancelling)
            .with(AttemptState::Captured)
            .cancelled_for(true, 80_000)
            .told("cancelling", json!({}));
        assert_eq!(
            (told(&cancelling, 14).len(), told(&cancelling, 15).len()),
            (2, 1),
            "and nothing is sent back"
        );
        let refunded = standing(BookingState::Failed).told("refund_succeeded", json!({}));
        assert_eq!((told(&refunded, 60 * 336 - 1).len(), told(&refunded, 60 * 336).len()), (1, 0));
        let confirmed = standing(BookingState::Confirmed);
        let leaves = confirmed.file.booking.offer.slices[0].first().departs.at;
        let minutes = leaves.duration_since(noon()).as_mins();
        assert_eq!((told(&confirmed, minutes - 1).len(), told(&confirmed, minutes).len()), (1, 0));
        let departure = &to_come(&confirmed, &Here::of(&confirmed.file.booking.offer), noon())[0];
        assert_eq!((departure.tone, departure.datetime.as_str()), (Tone::Todo, "2027-03-12T10:35+00:00"));
    }

    #[test]
    fn money_on_its_way_through_the_banks_has_its_last_day() {
        let refunded = || {
            standing(BookingState::Failed)
                .with(AttemptState::Captured)
                .living_on_it()
                .told("refund_succeeded", json!({}))
        };
        assert_eq!(told(&refunded(), 0), ["by 6 Dec: Your bank shows the refund"]);
        assert!(told(&refunded(), 60 * 24 * 15).is_empty());
        let failed = || refunded().told("refund_failed", json!({}));
        assert!(told(&failed(), 0).is_empty());
        assert!(told(&failed().told("refund_paid_by_hand", json!({})), 0).is_empty());
        let released =
            standing(BookingState::Expired).with(AttemptState::Released).told("payment_released", json!({}));
        assert_eq!(told(&released, 0), ["by 29 Nov: Your bank shows the reserved amount as free again"]);
        let mut let_go = released;
        let_go.attempts[0].let_go = Some(LetGo { amount: eur(80_000), was_taken: true });
        assert_eq!(told(&let_go, 0), ["by 6 Dec: Your bank shows the refund"]);
    }

    #[test]
    fn a_frozen_payment_waits_for_a_person_and_nothing_else_is_promised() {
        for state in [BookingState::Held, BookingState::Ticketing, BookingState::Confirmed] {
            let mut frozen = standing(state).with(AttemptState::Open);
            frozen.attempts[0].quarantined = Some("amount".to_owned());
            assert_eq!(told(&frozen, 0), ["now: A person decides about the payment"]);
            frozen.attempts[0].given_back_at = Some(noon());
            assert_eq!(told(&frozen, 0), ["now: The payment is going back"]);
        }
    }

    #[test]
    fn nobody_is_told_to_depart_with_flights_that_are_not_flown() {
        let mut ticketed = standing(BookingState::Confirmed).with(AttemptState::Captured).living_on_it();
        assert!(told(&ticketed, 0)[0].contains("Departure"));
        ticketed.file.booking.airline_change =
            Some(AirlineChange { id: "x".to_owned(), flights: Flights::Cancelled });
        assert!(told(&ticketed, 0).is_empty());
    }
}
