//! What comes back when a ticketed booking is cancelled. Pure: figures and times in, a quote or a reason against one out.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::{
    bookings::lifecycle::states,
    itinerary::Condition,
    money::{Money, MoneyError},
};

/// How long a traveller may think about a quote.
const QUOTE_LIFE: SignedDuration = SignedDuration::from_mins(30);

states! {
    /// The rule that a quote follows.
    Terms {
        /// The agency's own promise: everything comes back, whatever the fare says.
        Window => "window",
        /// The fare gives everything back.
        Free => "free",
        /// The fare keeps a fee for each passenger.
        Fee => "fee",
        /// The fare gives nothing back.
        Nothing => "nothing",
        /// Nobody has paid for the tickets: nothing is kept of anybody's, and nothing comes back.
        Unpaid => "unpaid",
    }
}

/// Cancelling soon after booking and long before the flight costs nothing. No hours: no such promise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FreeWindow {
    /// After the booking was confirmed.
    pub hours: u16,
    /// Before the first departure.
    pub days_ahead: u16,
}

impl FreeWindow {
    /// Until when it is open, if it is open now.
    fn open_until(self, case: &Case) -> Option<Timestamp> {
        let by_booking = case.confirmed_at + SignedDuration::from_hours(i64::from(self.hours));
        let by_flight = case.departs_at - SignedDuration::from_hours(24 * i64::from(self.days_ahead));
        let until = by_booking.min(by_flight);
        (case.now < until).then_some(until)
    }
}

/// All that the figures depend on.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Taken, or set aside where nothing is taken yet.
    pub paid: Money,
    /// What of it has gone back before, or is on its way.
    pub returned: Money,
    /// The card was charged.
    pub charged: bool,
    pub condition: Condition,
    pub passengers: u8,
    pub confirmed_at: Timestamp,
    pub departs_at: Timestamp,
    pub now: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    pub terms: Terms,
    pub charged: bool,
    pub paid: Money,
    pub returned: Money,
    /// What the airline keeps by the fare's condition.
    pub kept: Money,
    pub back: Money,
    pub expires_at: Timestamp,
}

impl Figures {
    /// Of tickets whose money was lost before it was taken: all of it is with the traveller already.
    pub fn of_unpaid(set_aside: Money, now: Timestamp) -> Self {
        let zero = Money::zero(set_aside.currency);
        Self {
            terms: Terms::Unpaid,
            charged: false,
            paid: set_aside,
            returned: zero,
            kept: zero,
            back: set_aside,
            expires_at: now + QUOTE_LIFE,
        }
    }

    /// Equal for equal figures. The times are left out: they decide whether it still stands, not what it says.
    pub fn hash(&self) -> String {
        let said = format!(
            "{} {} {} {} {} {} {}",
            self.terms.code(),
            self.charged,
            self.paid.minor,
            self.returned.minor,
            self.kept.minor,
            self.back.minor,
            self.paid.currency.code(),
        );
        hex::encode(Sha256::digest(said))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Quote(Figures),
    /// Nobody but the airline knows what it gives back.
    AirlineDecides,
    Departed,
}

pub fn judge(case: &Case, window: FreeWindow) -> Result<Verdict, MoneyError> {
    if case.now >= case.departs_at {
        return Ok(Verdict::Departed);
    }
    let left = case.paid.checked_sub(case.returned)?;
    let zero = Money::zero(case.paid.currency);
    let latest = case.departs_at.min(case.now + QUOTE_LIFE);
    let quote = |terms, kept: Money, expires_at| {
        // Down to what Stripe can move: the rest of it is the traveller's, and small.
        let kept = Money::new(kept.minor.clamp(0, left.minor.max(0)), left.currency).down_to_step();
        let (charged, paid, returned) = (case.charged, case.paid, case.returned);
        let back = left.checked_sub(kept)?;
        Ok(Verdict::Quote(Figures { terms, charged, paid, returned, kept, back, expires_at }))
    };
    if let Some(until) = window.open_until(case) {
        return quote(Terms::Window, zero, latest.min(until));
    }
    match case.condition {
        Condition::Free => quote(Terms::Free, zero, latest),
        Condition::Fee(fee) if fee.currency != left.currency => Ok(Verdict::AirlineDecides),
        Condition::Fee(fee) => quote(Terms::Fee, fee.checked_mul(i64::from(case.passengers))?, latest),
        Condition::No => quote(Terms::Nothing, left, latest),
        Condition::Unknown => Ok(Verdict::AirlineDecides),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::money::Currency;

    const DAY: i64 = 24 * 60;
    const OFF: FreeWindow = FreeWindow { hours: 0, days_ahead: 7 };
    const DAY_AND_WEEK: FreeWindow = FreeWindow { hours: 24, days_ahead: 7 };

    fn eur(minor: i64) -> Money {
        Money::new(minor, Currency::Eur)
    }

    fn minutes(count: i64) -> SignedDuration {
        SignedDuration::from_mins(count)
    }

    /// EUR 571.40 for two, confirmed an hour ago, leaving in thirty days.
    fn case(condition: Condition) -> Case {
        let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        Case {
            paid: eur(57_140),
            returned: eur(0),
            charged: true,
            condition,
            passengers: 2,
            confirmed_at: now - minutes(60),
            departs_at: now + minutes(30 * DAY),
            now,
        }
    }

    /// "terms kept back", or the verdict's name.
    fn told(case: &Case, window: FreeWindow) -> String {
        match judge(case, window).unwrap() {
            Verdict::Quote(quote) => {
                format!("{} {} {}", quote.terms.code(), quote.kept.minor, quote.back.minor)
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_fares_condition_decides_what_comes_back() {
        let table = [
            (Condition::Free, 0, "free 0 57140"),
            (Condition::Fee(eur(8_000)), 0, "fee 16000 41140"),
            (Condition::Fee(eur(28_570)), 0, "fee 57140 0"),
            (Condition::Fee(eur(90_000)), 0, "fee 57140 0"),
            (Condition::No, 0, "nothing 57140 0"),
            (Condition::Unknown, 0, "AirlineDecides"),
            // What staff gave back before counts towards what comes back now, and never below nothing.
            (Condition::Free, 2_000, "free 0 55140"),
            (Condition::Fee(eur(8_000)), 2_000, "fee 16000 39140"),
            (Condition::Fee(eur(8_000)), 50_000, "fee 7140 0"),
            (Condition::No, 57_140, "nothing 0 0"),
            (Condition::Free, 57_140, "free 0 0"),
            // A fee in another currency cannot be reckoned.
            (Condition::Fee(Money::new(8_000, Currency::Usd)), 0, "AirlineDecides"),
        ];
        for (condition, returned, expected) in table {
            let case = Case { returned: eur(returned), ..case(condition) };
            assert_eq!(told(&case, OFF), expected, "{condition:?}, {returned} back before");
        }
    }

    #[test]
    fn of_three_decimals_what_is_kept_goes_down_to_what_stripe_can_move() {
        let bhd = |minor| Money::new(minor, Currency::Bhd);
        for (fee, passengers, returned, expected) in [
            (12_345, 1, 0, "fee 12340 44800"),
            (12_345, 2, 0, "fee 24690 32450"),
            (12_343, 3, 0, "fee 37020 20120"),
            (9, 1, 0, "fee 0 57140"),
            (57_139, 1, 0, "fee 57130 10"),
            (12_345, 1, 50_000, "fee 7140 0"),
        ] {
            let condition = Condition::Fee(bhd(fee));
            let case = Case { paid: bhd(57_140), returned: bhd(returned), passengers, ..case(condition) };
            assert_eq!(told(&case, OFF), expected, "{fee} for each of {passengers}");
        }
    }

    #[test]
    fn inside_the_agencys_window_everything_comes_back_whatever_the_fare_says() {
        for condition in [Condition::Free, Condition::Fee(eur(8_000)), Condition::No, Condition::Unknown] {
            assert_eq!(told(&case(condition), DAY_AND_WEEK), "window 0 57140", "{condition:?}");
        }
    }

    #[test]
    fn the_window_closes_by_the_booking_and_by_the_flight_to_the_minute() {
        let base = case(Condition::No);
        for (confirmed_ago, departs_in, is_open) in [
            (0, 30 * DAY, true),
            (DAY - 1, 30 * DAY, true),
            (DAY, 30 * DAY, false),
            (60, 7 * DAY + 1, true),
            (60, 7 * DAY, false),
        ] {
            let case = Case {
                confirmed_at: base.now - minutes(confirmed_ago),
                departs_at: base.now + minutes(departs_in),
                ..base
            };
            let expected = if is_open { "window 0 57140" } else { "nothing 57140 0" };
            assert_eq!(told(&case, DAY_AND_WEEK), expected, "{confirmed_ago} {departs_in}");
        }
    }

    #[test]
    fn a_quote_never_outlives_its_rule() {
        let expires = |case: &Case, window| match judge(case, window).unwrap() {
            Verdict::Quote(quote) => quote.expires_at.duration_since(case.now).as_mins(),
            other => panic!("{other:?}"),
        };
        let base = case(Condition::Free);
        assert_eq!(expires(&base, OFF), 30);
        assert_eq!(expires(&Case { departs_at: base.now + minutes(10), ..base }, OFF), 10);
        let late = Case { confirmed_at: base.now - minutes(DAY - 5), ..base };
        assert_eq!(expires(&late, DAY_AND_WEEK), 5, "the window closes first");
        let late = Case { departs_at: base.now + minutes(7 * DAY + 3), ..base };
        assert_eq!(expires(&late, DAY_AND_WEEK), 3, "the flight comes too near");
    }

    #[test]
    fn after_the_first_departure_there_is_no_quote() {
        for condition in [Condition::Free, Condition::No, Condition::Unknown] {
            let case = case(condition);
            assert_eq!(told(&Case { departs_at: case.now, ..case }, DAY_AND_WEEK), "Departed");
        }
    }

    #[test]
    fn a_hash_tells_figures_apart_and_not_times() {
        let quote = |case: &Case, window| match judge(case, window).unwrap() {
            Verdict::Quote(quote) => quote.hash(),
            other => panic!("{other:?}"),
        };
        let base = case(Condition::Fee(eur(8_000)));
        let hash = quote(&base, OFF);
        assert_eq!(quote(&Case { now: base.now + minutes(5), ..base }, OFF), hash);
        for other in [
            Case { paid: eur(57_141), ..base },
            Case { returned: eur(1), ..base },
            Case { charged: false, ..base },
            Case { passengers: 1, ..base },
            Case { condition: Condition::Free, ..base },
        ] {
            assert_ne!(quote(&other, OFF), hash, "{other:?}");
        }
        assert_ne!(quote(&base, DAY_AND_WEEK), hash);
    }

    #[test]
    fn of_tickets_that_nobody_paid_for_nothing_is_kept_and_all_that_was_set_aside_is_with_the_traveller() {
        let now = case(Condition::No).now;
        let figures = Figures::of_unpaid(eur(57_140), now);
        assert_eq!((figures.terms, figures.charged), (Terms::Unpaid, false));
        assert_eq!((figures.paid, figures.back), (eur(57_140), eur(57_140)));
        assert_eq!((figures.returned, figures.kept), (eur(0), eur(0)));
        assert_eq!(figures.expires_at, now + minutes(30));
    }

    #[test]
    fn terms_read_back_from_their_codes() {
        for &terms in Terms::ALL {
            assert_eq!(terms.code().parse::<Terms>().unwrap(), terms);
        }
    }

    proptest! {
        #[test]
        fn whatever_the_figures_the_parts_add_up_and_nothing_is_negative(
            paid in 1..=i64::MAX / 16,
            share in 0..=1_000_i64,
            fee in 0..=i64::MAX / 16,
            passengers in 1..=9_u8,
            window in any::<bool>(),
            is_free in any::<bool>(),
        ) {
            let returned = (i128::from(paid) * i128::from(share) / 1_000) as i64;
            let condition = if is_free { Condition::Free } else { Condition::Fee(eur(fee)) };
            let case = Case { paid: eur(paid), returned: eur(returned), passengers, ..case(condition) };
            let verdict = judge(&case, if window { DAY_AND_WEEK } else { OFF }).unwrap();
            let Verdict::Quote(quote) = verdict else { panic!("{verdict:?}") };
            prop_assert!(quote.kept.minor >= 0 && quote.back.minor >= 0);
            prop_assert_eq!(quote.returned.minor + quote.kept.minor + quote.back.minor, paid);
            prop_assert!(quote.back.minor <= paid - returned);
            prop_assert!(quote.expires_at > case.now && quote.expires_at <= case.departs_at);
        }
    }
}
