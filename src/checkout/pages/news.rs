//! What to tell first of a booking, in every state it can be in. Pure: the booking page, the return page and the tests
//! all read it from here.

use jiff::Timestamp;

use crate::{
    bookings::{
        Booking,
        lifecycle::{BookingState, SupplierState},
        pages::words::{Here, badge_of, carriers},
    },
    checkout::{Attempt, Standing, lifecycle::AttemptState, pages::money::MoneyIs},
    web::components::Tone,
};

/// The heading is the news, the sentence says what it means for seats and money.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    pub tone: Tone,
    pub badge: String,
    pub headline: String,
    pub sentence: String,
    pub next: Next,
}

/// What the traveller can do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Write who travels, or give it up.
    Name,
    /// Check and pay, change names, or give it up.
    Pay,
    /// Nothing but wait: money or tickets are on their way.
    Wait,
    Travel,
    SearchAgain,
}

pub fn news(standing: &Standing, now: Timestamp) -> News {
    let booking = &standing.file.booking;
    match booking.state {
        BookingState::Draft => draft(standing),
        BookingState::Held => held(standing, now),
        BookingState::Ticketing => ticketing(standing),
        BookingState::Confirmed => confirmed(standing, now),
        BookingState::Cancelling => News::new(
            booking,
            "Your cancellation is on its way",
            "The airline has been asked to cancel. Your tickets stay good until it has answered.",
            Next::Wait,
        ),
        BookingState::Cancelled => cancelled(standing),
        BookingState::Expired => expired(standing, now),
        BookingState::Failed => failed(standing),
    }
}

impl News {
    fn new(booking: &Booking, headline: impl Into<String>, sentence: impl Into<String>, next: Next) -> Self {
        let (tone, badge) = badge_of(booking.state);
        Self { tone, badge: badge.to_owned(), headline: headline.into(), sentence: sentence.into(), next }
    }

    fn marked(mut self, tone: Tone, badge: &str) -> Self {
        self.tone = tone;
        badge.clone_into(&mut self.badge);
        self
    }
}

fn draft(standing: &Standing) -> News {
    let booking = &standing.file.booking;
    let nothing = "Nothing is booked or charged, and no seats are held before you press pay.";
    if standing.file.is_complete() {
        News::new(booking, "Ready to check and pay", nothing, Next::Pay)
    } else {
        News::new(booking, "Who travels is still missing", nothing, Next::Name)
    }
}

fn held(standing: &Standing, now: Timestamp) -> News {
    let booking = &standing.file.booking;
    let seats = seats(booking, now);
    if let Some(attempt) = standing.attempts.iter().find(|attempt| attempt.quarantined.is_some()) {
        let money = MoneyIs::Checked(attempt.amount);
        return News::new(booking, money.headline(), format!("{} {seats}", money.told()), Next::Wait)
            .marked(Tone::Warn, "Payment being checked");
    }
    let Some(last) = standing.payable().or(standing.attempts.last()) else {
        return unpaid(booking, &seats);
    };
    let amount = last.amount;
    match last.state {
        AttemptState::Processing => {
            let sentence = format!(
                "Your {amount} takes its time, as some ways of paying do. We book as soon as it has arrived, and write to you. {seats}"
            );
            News::new(booking, "Your payment is on its way", sentence, Next::Wait)
                .marked(Tone::Now, "Payment on its way")
        }
        AttemptState::Creating | AttemptState::CreateUnknown => {
            let sentence = format!(
                "The payment page could not be opened yet, because Stripe did not answer. Nothing was charged. {seats}"
            );
            News::new(booking, "You have not paid", sentence, Next::Pay)
        }
        AttemptState::Open => match &last.failure {
            Some(code) => {
                let sentence = format!(
                    "{} Nothing was charged. {seats} You may try again or use another card.",
                    declined(code)
                );
                News::new(booking, "Your card was declined", sentence, Next::Pay)
                    .marked(Tone::Warn, "Card declined")
            }
            None => unpaid(booking, &seats),
        },
        AttemptState::Failed => {
            let sentence =
                format!("The payment did not go through. Nothing was charged. {seats} You may try again.");
            News::new(booking, "You have not paid", sentence, Next::Pay).marked(Tone::Warn, "Payment failed")
        }
        AttemptState::Released => {
            let money = MoneyIs::Released(amount).told();
            News::new(booking, "You have not paid", format!("{money} {seats}"), Next::Pay)
        }
        // Money secured and still only held: the next step is being taken at this moment.
        AttemptState::Authorised | AttemptState::Captured => ticketing(standing),
        AttemptState::Expired | AttemptState::Superseded => unpaid(booking, &seats),
    }
}

fn unpaid(booking: &Booking, seats: &str) -> News {
    News::new(booking, "You have not paid", format!("Nothing was charged. {seats}"), Next::Pay)
}

fn seats(booking: &Booking, now: Timestamp) -> String {
    match &booking.hold {
        Some(hold) => {
            let time = Here::of(&booking.offer).tell(hold.expires_at, now);
            if hold.expires_at > now {
                format!("Your seats are held until {time}.")
            } else {
                format!("Your seats were held until {time}. That time is over.")
            }
        }
        None => "No seats are held.".to_owned(),
    }
}

/// Why a card was declined, as far as the bank says it and as far as it is anybody's business.
pub fn declined(code: &str) -> &'static str {
    match code {
        "insufficient_funds" => "The bank says that there is not enough money on the card.",
        "expired_card" => "The card has expired.",
        "incorrect_cvc" | "invalid_cvc" => "The card’s security code was wrong.",
        "incorrect_number" | "invalid_number" => "The card number was wrong.",
        "invalid_expiry_month" | "invalid_expiry_year" => "The card’s expiry date was wrong.",
        "authentication_required" | "payment_intent_authentication_failure" => {
            "The bank wanted to make sure that it is you, and that did not work out."
        }
        "card_velocity_exceeded" | "withdrawal_count_limit_exceeded" => "The card has reached its limit.",
        "currency_not_supported" => "The card does not pay in this currency.",
        "processing_error" | "issuer_not_available" | "try_again_later" => {
            "The bank could not be reached. A moment later it may work."
        }
        _ => "The bank did not say why.",
    }
}

fn ticketing(standing: &Standing) -> News {
    let booking = &standing.file.booking;
    let money = match standing.secured() {
        Some(attempt) if attempt.state == AttemptState::Captured => {
            format!(
                "You have paid {}. If the airline does not confirm, all of it goes back.",
                attempt.captured
            )
        }
        _ => format!(
            "Your bank has set {} aside. You are charged only when the airline has confirmed.",
            booking.amount
        ),
    };
    let airline = carriers(&booking.offer.slices);
    let airline = if matches!(booking.supplier_state, SupplierState::OrderUnknown) {
        format!("{airline} has not answered yet. We go on asking until we know.")
    } else {
        format!("{airline} is asked for your seats. This usually takes under a minute.")
    };
    let headline = if standing.secured().is_some_and(|attempt| attempt.state == AttemptState::Captured) {
        "Paid. Booking your seats."
    } else {
        "Authorised. Booking your seats."
    };
    let (tone, badge) = badge_of(BookingState::Ticketing);
    News::new(booking, headline, format!("{money} {airline} Please do not pay again."), Next::Wait)
        .marked(tone, badge)
}

fn confirmed(standing: &Standing, now: Timestamp) -> News {
    let booking = &standing.file.booking;
    let money = match standing.secured() {
        Some(attempt) if attempt.state == AttemptState::Captured => {
            format!("Your card was charged {} in total.", attempt.captured)
        }
        Some(attempt) if attempt.state == AttemptState::Authorised => {
            format!("Your card is being charged {} in total.", attempt.amount)
        }
        _ => format!(
            "The {} that your bank had set aside could not be charged. Your tickets stand; we write to you about paying.",
            booking.amount
        ),
    };
    let besides = match MoneyIs::besides(standing) {
        MoneyIs::Untouched => String::new(),
        MoneyIs::Released(amount) => {
            format!(" A second payment of {amount} was not needed and was released in full.")
        }
        MoneyIs::Refunded(amount) => {
            format!(" A second payment of {amount} was not needed and was refunded in full.")
        }
        MoneyIs::Releasing(amount)
        | MoneyIs::Refunding(amount)
        | MoneyIs::OnItsWay(amount)
        | MoneyIs::RefundFailed(amount) => {
            format!(" A second payment of {amount} is not needed. All of it goes back to you.")
        }
        MoneyIs::Checked(amount) => format!(" A second payment of {amount} is being looked at by a person."),
    };
    let sentence = format!("The airline has confirmed your seats and issued the tickets. {money}{besides}");
    News::new(booking, journey(booking, now), sentence, Next::Travel)
}

/// "You fly on 12 March", "You flew on 12 March 2027".
fn journey(booking: &Booking, now: Timestamp) -> String {
    let slices = &booking.offer.slices;
    let (Some(first), Some(last)) = (slices.first(), slices.last()) else {
        return "Your seats are confirmed".to_owned();
    };
    let day = first.first().departs.local.date();
    if now >= last.last().arrives.at {
        format!("You flew on {}", day.strftime("%-d %B %Y"))
    } else if now >= first.first().departs.at {
        "You are on your way".to_owned()
    } else {
        format!("You fly on {}", day.strftime("%-d %B %Y"))
    }
}

fn cancelled(standing: &Standing) -> News {
    let booking = &standing.file.booking;
    let money = MoneyIs::altogether(standing);
    if booking.confirmed_at.is_some() {
        let sentence = format!("Your tickets are cancelled and the seats are given back. {}", money.told());
        return News::new(booking, "This booking is cancelled", sentence, Next::SearchAgain)
            .marked(Tone::Off, "Cancelled");
    }
    let seats =
        if booking.hold.is_some() { "The seats went back to the airline." } else { "No seats were held." };
    let sentence = format!("You gave this booking up. {seats} {}", money.told());
    News::new(booking, money.headline(), sentence, Next::SearchAgain)
}

fn expired(standing: &Standing, now: Timestamp) -> News {
    let booking = &standing.file.booking;
    let money = MoneyIs::altogether(standing);
    let why = match &booking.hold {
        Some(hold) => format!(
            "The seats were held until {} and then went back to the airline, because they were not paid.",
            Here::of(&booking.offer).tell(hold.expires_at, now)
        ),
        None => {
            "This booking was not taken further within a day, so we closed it. No seats were held.".to_owned()
        }
    };
    News::new(booking, money.headline(), format!("{why} {}", money.told()), Next::SearchAgain)
}

fn failed(standing: &Standing) -> News {
    let booking = &standing.file.booking;
    let money = MoneyIs::altogether(standing);
    let why = not_ticketed(booking.ended_reason.as_deref());
    News::new(
        booking,
        money.headline(),
        format!("{why} You have no tickets. {}", money.told()),
        Next::SearchAgain,
    )
}

/// Why the supplier did not sell, after the money was there.
pub fn not_ticketed(reason: Option<&str>) -> &'static str {
    match reason {
        Some("sold_out") => "The last seats went to someone else before the airline had confirmed yours.",
        Some("price_up") => {
            "The airline wanted more than the total you had accepted. We never charge more than that."
        }
        Some("offer_gone") => "The airline no longer sells these flights.",
        Some("refused") => "The airline refused this booking.",
        Some("supplier_unavailable") => "The airline’s system did not answer for too long.",
        _ => "The airline did not confirm your seats.",
    }
}

/// "Visa ending 4242".
pub fn card(attempt: &Attempt) -> Option<String> {
    let (brand, last4) = attempt.card.as_ref()?;
    let brand = match brand.as_str() {
        "visa" => "Visa",
        "mastercard" => "Mastercard",
        "amex" => "American Express",
        "discover" => "Discover",
        "diners" => "Diners Club",
        "jcb" => "JCB",
        "unionpay" => "UnionPay",
        _ => "Card",
    };
    Some(format!("{brand} ending {last4}"))
}
