//! What to tell first of a booking, in every state it can be in. Pure: the booking page, the return page and the tests
//! all read it from here.

use jiff::Timestamp;

use crate::{
    bookings::{
        Booking,
        lifecycle::{BookingState, SupplierState},
        pages::words::{Here, airline, badge_of},
    },
    checkout::{
        Attempt, Standing,
        cancel::{
            CancelQuote,
            terms::{Figures, Terms},
        },
        lifecycle::AttemptState,
        pages::money::MoneyIs,
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
        BookingState::Cancelling => cancelling(standing),
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
                "The payment page is not open yet, because Stripe has not answered. Nothing was charged. {seats}"
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
    let (headline, money) = match standing.secured().map(|attempt| (attempt.state, attempt.captured)) {
        Some((AttemptState::Captured, captured)) => (
            "Paid. Booking your seats.",
            format!("You have paid {captured}. If the airline does not confirm, all of it goes back."),
        ),
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

/// The tickets are issued, and what was set aside for them is gone.
fn not_charged(standing: &Standing, until: Timestamp, now: Timestamp) -> News {
    let booking = &standing.file.booking;
    let airline = airline(&booking.offer.slices);
    let issued = format!("{airline} has issued your tickets.");
    let warn = |headline: &str, sentence: String, next| {
        News::new(booking, headline, sentence, next).marked(Tone::Warn, "Not paid")
    };
    if let Some(frozen) = standing.attempts.iter().find(|attempt| attempt.quarantined.is_some()) {
        let money = MoneyIs::Checked(frozen.amount);
        return warn(&money.headline(), format!("{} {issued}", money.told()), Next::Wait);
    }
    let total = booking.amount;
    let lost = format!("{issued} The {total} that your bank had set aside could not be charged any more.");
    let over = "The airline is asked to cancel the tickets, and you owe nothing.";
    if !booking.can_be_paid_again(now) {
        return warn("Your tickets were not paid", format!("{lost} Nothing was charged. {over}"), Next::Wait);
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
            let sentence = format!("{} Nothing was charged. {issued} {pay}", declined(code));
            warn("Your card was declined", sentence, Next::PayAgain)
        }
        _ => {
            let sentence = format!("{lost} Nothing was charged. {pay}");
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
            format!("Your card was charged {} in total.", attempt.captured)
        }
        Some(attempt) if attempt.state == AttemptState::Authorised => {
            format!("Your card is being charged {} in total.", attempt.amount)
        }
        _ => format!(
            "The {} that your bank had set aside could not be charged. Your tickets stand; a person of ours writes to you about paying.",
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
        MoneyIs::PaidByHand(amount) => {
            format!(" A second payment of {amount} was not needed and was paid back to you in full.")
        }
        MoneyIs::ReturnedByBank(amount) => {
            format!(" A second payment of {amount} was given back to you by your bank.")
        }
        MoneyIs::Releasing(amount)
        | MoneyIs::Refunding(amount)
        | MoneyIs::Waiting(amount, _)
        | MoneyIs::OnItsWay(amount)
        | MoneyIs::RefundFailed(amount) => {
            format!(" A second payment of {amount} is not needed. All of it goes back to you.")
        }
        MoneyIs::Disputed(amount) | MoneyIs::Checked(amount) => {
            format!(" A second payment of {amount} is being looked at by a person.")
        }
    };
    if !is_flown {
        let sentence = format!("You have tickets, but nobody can travel with them. {money}{besides}");
        return News::new(booking, "The airline does not fly your flights", sentence, Next::Travel)
            .marked(Tone::Bad, "Flights cancelled");
    }
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

fn cancelling(standing: &Standing) -> News {
    let booking = &standing.file.booking;
    if standing.cancellation.as_ref().is_some_and(|quote| quote.figures.terms == Terms::Unpaid) {
        let sentence = "Nobody had paid for your tickets in time, so the airline has been asked to cancel them. Nothing was \
                        charged, and you owe nothing.";
        return News::new(booking, "Your tickets are being cancelled", sentence, Next::Wait);
    }
    let asked = "The airline has been asked to cancel. Your tickets stay good until it has answered.";
    let money = match standing.cancellation.as_ref().map(|quote| quote.figures) {
        Some(Figures { back, .. }) if back.minor == 0 => {
            { " By the conditions that you accepted, no money comes back." }.to_owned()
        }
        Some(Figures { back, charged: true, .. }) => format!(" Then {back} is refunded to you."),
        Some(Figures { back, .. }) => format!(" Then {back} of what your bank has set aside is released."),
        None => String::new(),
    };
    News::new(booking, "Your cancellation is on its way", format!("{asked}{money}"), Next::Wait)
}

/// Of a booking that had tickets: what was quoted, and where it is by now.
fn cancelled_by(standing: &Standing, quote: &CancelQuote) -> News {
    let booking = &standing.file.booking;
    if quote.figures.terms == Terms::Unpaid {
        let sentence = "Nobody had paid for your tickets in time, so the airline has cancelled them. Nothing was charged, and you owe \
             nothing.";
        let besides = match MoneyIs::besides(standing) {
            MoneyIs::Untouched => String::new(),
            money => format!(" Another payment: {}", money.details()),
        };
        let headline = "This booking was not paid";
        return News::new(booking, headline, format!("{sentence}{besides}"), Next::SearchAgain);
    }
    let money = MoneyIs::quoted(standing, quote);
    let headline = match money {
        MoneyIs::Untouched | MoneyIs::Released(_) | MoneyIs::Disputed(_) => {
            "This booking is cancelled".to_owned()
        }
        money => money.headline(),
    };
    let seats = "Your tickets are cancelled and the seats are given back.";
    let besides = match MoneyIs::besides(standing) {
        MoneyIs::Untouched => String::new(),
        money => format!(" A second payment: {}", money.details()),
    };
    let told = quoted_money(money, quote.figures);
    News::new(booking, headline, format!("{seats} {told}{besides}"), Next::SearchAgain)
}

fn quoted_money(money: MoneyIs, figures: Figures) -> String {
    let Figures { kept, back, charged, .. } = figures;
    let kept_of_it = match (kept.minor, charged) {
        (0, _) => String::new(),
        (_, true) => format!(" {kept} was kept, as you accepted."),
        (_, false) => format!(" {kept} of it is charged, as you accepted."),
    };
    match money {
        MoneyIs::Untouched => "By the conditions that you accepted, no money comes back.".to_owned(),
        MoneyIs::Refunded(amount) => format!(
            "{amount} went back to where you paid from. Banks show this within 5 to 10 days.{kept_of_it}"
        ),
        MoneyIs::Waiting(amount, waits) => {
            format!("{amount} goes back to where you paid from. {}{kept_of_it}", waits.in_words())
        }
        MoneyIs::PaidByHand(amount) => format!(
            "{amount} was paid back to you. What your bank did not take we paid another way: how and when stands below.{kept_of_it}"
        ),
        MoneyIs::Refunding(amount) => format!(
            "{amount} is on its way back to where you paid from. Banks show this within 5 to 10 days.{kept_of_it}"
        ),
        MoneyIs::Released(_) => {
            format!(
                "{back} that your bank had set aside was released. Banks show this within 1 to 7 days.{kept_of_it}"
            )
        }
        MoneyIs::Releasing(_) => format!(
            "{back} that your bank has set aside is being released. Banks show this within 1 to 7 days.{kept_of_it}"
        ),
        money @ (MoneyIs::Disputed(_) | MoneyIs::ReturnedByBank(_)) => {
            format!("{}{kept_of_it}", money.details())
        }
        MoneyIs::RefundFailed(amount) => format!(
            "You get back {amount}. Your bank did not take it at the first try, so a person looks after it and writes to you.{kept_of_it}"
        ),
        money => money.details(),
    }
}

fn cancelled(standing: &Standing) -> News {
    let booking = &standing.file.booking;
    if let Some(quote) = &standing.cancellation {
        return cancelled_by(standing, quote);
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
    let money = MoneyIs::altogether(standing);
    let why = not_ticketed(booking.ended_reason.as_deref());
    let sentence = format!("{why} You have no tickets. {}", money.details());
    News::new(booking, money.headline(), sentence.trim_end(), Next::SearchAgain)
}

/// The end of a booking, unless there is still money to tell of: then that is the news.
fn ended(standing: &Standing, headline: &str, why: &str) -> News {
    let money = MoneyIs::altogether(standing);
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
