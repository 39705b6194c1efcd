//! What to tell first of a booking, in every state it can be in. Pure: the booking page, the return page and the tests
//! all read it from here.

mod cancelled;

use jiff::Timestamp;

use crate::{
    bookings::{
        Booking,
        lifecycle::{BookingState, SupplierState},
        pages::words::{Here, airline, badge_of},
    },
    checkout::{
        Attempt, Standing,
        lifecycle::AttemptState,
        pages::money::{MoneyIs, Whereabouts},
    },
    supplier::Flights,
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
    /// Pay for tickets whose money was lost before it was taken.
    PayAgain,
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
        BookingState::Cancelling => cancelled::asked(standing),
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
    if standing.is_frozen() {
        let money = Whereabouts::altogether(standing);
        return News::new(booking, money.headline(), format!("{} {seats}", money.told()), Next::Wait)
            .marked(Tone::Warn, "Payment being checked");
    }
    // A payment that bought nothing may have been taken: then that is told with whatever comes after it.
    let money = Whereabouts::of_the_past(standing);
    let Some(last) = standing.payable().or(standing.attempts.last()) else {
        return not_paid(booking, &money, &seats);
    };
    let nothing = money.nothing_charged();
    match (last.state, &last.failure) {
        (AttemptState::Processing, _) => {
            let amount = last.amount;
            let besides = if money.is_settled() { String::new() } else { format!(" {nothing}") };
            let sentence = format!(
                "Your {amount} takes its time, as some ways of paying do. We book as soon as it has arrived, and write to you. {seats}{besides}"
            );
            News::new(booking, "Your payment is on its way", sentence, Next::Wait)
                .marked(Tone::Now, "Payment on its way")
        }
        (AttemptState::Creating | AttemptState::CreateUnknown, _) => {
            let sentence = format!(
                "The payment page is not open yet, because Stripe has not answered. {nothing} {seats}"
            );
            News::new(booking, "You have not paid", sentence, Next::Pay)
        }
        (AttemptState::Open, Some(code)) => {
            let sentence =
                format!("{} {nothing} {seats} You may try again or use another card.", declined(code));
            News::new(booking, "Your card was declined", sentence, Next::Pay)
                .marked(Tone::Warn, "Card declined")
        }
        (AttemptState::Failed, _) => {
            let sentence = format!("The payment did not go through. {nothing} {seats} You may try again.");
            News::new(booking, "You have not paid", sentence, Next::Pay).marked(Tone::Warn, "Payment failed")
        }
        // What is set aside or taken and has bought nothing by now goes back: nobody is booking.
        (
            AttemptState::Open
            | AttemptState::Authorised
            | AttemptState::Captured
            | AttemptState::Released
            | AttemptState::Expired
            | AttemptState::Superseded,
            _,
        ) => not_paid(booking, &money, &seats),
    }
}

/// Seats that can be paid, perhaps once more.
fn not_paid(booking: &Booking, money: &Whereabouts, seats: &str) -> News {
    if money.is_settled() {
        let sentence = format!("{} {seats}", money.told());
        return News::new(booking, "You have not paid", sentence, Next::Pay);
    }
    let sentence = format!("{} Nothing is booked. {seats} You may pay them anew.", money.details());
    News::new(booking, money.headline(), sentence, Next::Pay)
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
    let (headline, money) = match standing.secured().map(|attempt| (attempt.state, attempt)) {
        Some((AttemptState::Captured, attempt)) => ("Paid. Booking your seats.", paid(standing, attempt)),
        Some((AttemptState::Released, _)) => (
            "Booking your seats",
            format!(
                "The {} that your bank had set aside was let go, and nothing was charged.",
                booking.amount
            ),
        ),
        _ => (
            "Authorised. Booking your seats.",
            format!(
                "Your bank has set {} aside. You are charged only when the airline has confirmed.",
                booking.amount
            ),
        ),
    };
    let airline = airline(&booking.offer.slices);
    let asked = if booking.supplier_state == SupplierState::OrderUnknown {
        format!("{airline} has not answered yet. We go on asking until we know.")
    } else {
        format!("{airline} is asked for your seats. This usually takes under a minute.")
    };
    let (tone, badge) = badge_of(BookingState::Ticketing);
    News::new(booking, headline, format!("{money} {asked} Please do not pay again."), Next::Wait)
        .marked(tone, badge)
}

/// Somebody may have given it back before the airline has answered.
fn paid(standing: &Standing, attempt: &Attempt) -> String {
    let (captured, back) = (attempt.captured, Whereabouts::back_of(standing, attempt));
    let whatever = match (back.is_empty(), back.left_of(captured).minor) {
        (true, _) => " If the airline does not confirm, all of it goes back.".to_owned(),
        (false, 0) => format!(" {}", back.details()),
        (false, _) => format!(" {} If the airline does not confirm, the rest goes back too.", back.details()),
    };
    format!("You have paid {captured}.{whatever}")
}

/// The tickets are issued, and what was set aside for them is gone.
fn not_charged(standing: &Standing, until: Timestamp, now: Timestamp) -> News {
    let booking = &standing.file.booking;
    let airline = airline(&booking.offer.slices);
    let issued = format!("{airline} has issued your tickets.");
    let warn = |headline: &str, sentence: String, next| {
        News::new(booking, headline, sentence, next).marked(Tone::Warn, "Not paid")
    };
    let money = Whereabouts::of_the_past(standing);
    if standing.is_frozen() {
        let money = Whereabouts::altogether(standing);
        return warn(&money.headline(), format!("{} {issued}", money.told()), Next::Wait);
    }
    let (total, nothing) = (booking.amount, money.nothing_charged());
    let lost = format!("{issued} The {total} that your bank had set aside could not be charged any more.");
    let over = "The airline is asked to cancel the tickets, and you owe nothing.";
    if !booking.can_be_paid_again(now) {
        return warn("Your tickets were not paid", format!("{lost} {nothing} {over}"), Next::Wait);
    }
    let until = Here::of(&booking.offer).tell(until, now);
    let pay = format!(
        "Please pay {total} until {until}. If nobody has paid by then, the tickets are cancelled and you owe nothing."
    );
    match standing.payable() {
        Some(attempt) if attempt.state == AttemptState::Processing => {
            let sentence = format!(
                "{issued} Your {} takes its time, as some ways of paying do. We wait for it. Please do not pay again.",
                attempt.amount
            );
            News::new(booking, "Your payment is on its way", sentence, Next::Wait)
                .marked(Tone::Now, "Payment on its way")
        }
        Some(Attempt { failure: Some(code), .. }) => {
            let sentence = format!("{} {nothing} {issued} {pay}", declined(code));
            warn("Your card was declined", sentence, Next::PayAgain)
        }
        _ => {
            let sentence = format!("{lost} {nothing} {pay}");
            warn("Your tickets are issued, but not paid", sentence, Next::PayAgain)
        }
    }
}

fn confirmed(standing: &Standing, now: Timestamp) -> News {
    let booking = &standing.file.booking;
    let is_flown = booking.airline_change.as_ref().is_none_or(|change| change.flights != Flights::Cancelled);
    if let Some(until) = booking.pay_by.filter(|_| is_flown) {
        return not_charged(standing, until, now);
    }
    let money = match standing.secured() {
        Some(attempt) if attempt.state == AttemptState::Captured => {
            let back = Whereabouts::back_of(standing, attempt).details();
            format!("Your card was charged {} in total. {back}", attempt.captured).trim_end().to_owned()
        }
        Some(attempt) if attempt.state == AttemptState::Authorised => {
            format!("Your card is being charged {} in total.", attempt.amount)
        }
        _ => format!(
            "The {} that your bank had set aside could not be charged. Your tickets stand; a person of ours writes to you about paying.",
            booking.amount
        ),
    };
    let besides = format!("{}{}", besides(standing), not_cancelled(standing));
    if !is_flown {
        let sentence = format!("You have tickets, but nobody can travel with them. {money}{besides}");
        return News::new(booking, "The airline does not fly your flights", sentence, Next::Travel)
            .marked(Tone::Bad, "Flights cancelled");
    }
    let sentence = format!("The airline has confirmed your seats and issued the tickets. {money}{besides}");
    News::new(booking, journey(booking, now), sentence, Next::Travel)
}

/// Whoever wanted to cancel reads first of all that nothing came of it, until they try again.
fn not_cancelled(standing: &Standing) -> &'static str {
    let of_it = ["cancel_accepted", "unpaid", "cancel_refused"];
    let kinds = standing.file.events.iter().rev().map(|event| event.kind.as_str());
    let mut last = kinds.filter(|kind| of_it.contains(kind));
    match (last.next(), last.next()) {
        (Some("cancel_refused"), Some("cancel_accepted")) => {
            " You wanted to cancel, and the airline did not: your tickets stand. A person of ours asks why, and writes to you."
        }
        _ => "",
    }
}

/// Of payments that were not needed.
fn besides(standing: &Standing) -> String {
    let money = Whereabouts::besides(standing);
    match money.single() {
        _ if money.is_empty() => String::new(),
        Some(MoneyIs::Released(amount)) => {
            format!(" A second payment of {amount} was not needed and was released in full.")
        }
        Some(MoneyIs::Refunded(amount)) => {
            format!(" A second payment of {amount} was not needed and was refunded in full.")
        }
        Some(MoneyIs::PaidByHand(amount)) => {
            format!(" A second payment of {amount} was not needed and was paid back to you in full.")
        }
        Some(MoneyIs::Releasing(amount) | MoneyIs::Refunding(amount) | MoneyIs::OnItsWay(amount)) => {
            format!(" A second payment of {amount} is not needed. All of it goes back to you.")
        }
        Some(MoneyIs::Checked(_)) => " A second payment is being looked at by a person.".to_owned(),
        _ => format!(" Another payment: {}", money.details()),
    }
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
    if let Some(quote) = &standing.cancellation {
        return cancelled::by(standing, quote);
    }
    let seats =
        if booking.hold.is_some() { "The seats went back to the airline." } else { "No seats were held." };
    ended(standing, "You gave this booking up", seats)
}

fn expired(standing: &Standing, now: Timestamp) -> News {
    let booking = &standing.file.booking;
    match &booking.hold {
        Some(hold) => {
            let until = Here::of(&booking.offer).tell(hold.expires_at, now);
            let why =
                format!("The seats were held until {until}, not paid by then, and went back to the airline.");
            ended(standing, "Your seats are no longer held", &why)
        }
        None => {
            let why = "It was not taken further within a day. No seats were held.";
            ended(standing, "This booking was closed", why)
        }
    }
}

fn failed(standing: &Standing) -> News {
    let booking = &standing.file.booking;
    let money = Whereabouts::altogether(standing);
    let why = not_ticketed(booking.ended_reason.as_deref());
    let sentence = format!("{why} You have no tickets. {}", money.details());
    News::new(booking, money.headline(), sentence.trim_end(), Next::SearchAgain)
}

/// The end of a booking, unless there is still money to tell of: then that is the news.
fn ended(standing: &Standing, headline: &str, why: &str) -> News {
    let money = Whereabouts::altogether(standing);
    let (headline, money) = if money.is_settled() {
        (headline.to_owned(), money.told())
    } else {
        (money.headline(), money.details())
    };
    News::new(&standing.file.booking, headline, format!("{why} {money}"), Next::SearchAgain)
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
        Some("authorisation_lost") => {
            "The amount that was set aside on your card was taken back before the airline had confirmed."
        }
        Some("supplier_unavailable") => "The airline’s system did not answer for too long.",
        Some("not_as_asked") => {
            "The airline issued something other than what you had accepted, and we gave it back."
        }
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

#[cfg(test)]
mod tests;
