//! The demo's levers, for staff: Stripe and the airlines fail on demand, and the clock moves forward. Anywhere else than in
//! demo mode it does not exist.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use askama::Template;
use axum::{
    extract::{FromRef, FromRequestParts, State},
    http::{StatusCode, request::Parts},
    response::{Html, IntoResponse, Redirect, Response},
};
use jiff::{SignedDuration, tz::TimeZone};
use serde::Deserialize;

use crate::{
    clock::Clock,
    db::Db,
    error::{AppError, FieldErrors},
    sandbox::stripe::{Endpoint, Fault, Handle, Mode},
    supplier::timetable::{self, Change, Switches},
    web::{
        chrome::Chrome,
        components::{Fragment, Tone, choice, error_summary, notice},
        form::{Form, Query},
        principal::SignedInStaff,
    },
};

/// There only in demo mode.
#[derive(Clone, Default)]
pub struct DemoConsole(pub Option<Console>);

/// What the levers are fastened to.
#[derive(Clone)]
pub struct Console {
    stripe: Handle,
    airlines: Arc<Switches>,
    /// Where the way that the clock has gone is kept over a restart.
    kept: Option<PathBuf>,
    /// How each lever stands that stays where it is put.
    stands: Arc<Mutex<BTreeMap<&'static str, &'static str>>>,
}

impl Console {
    pub fn new(stripe: Handle, airlines: Arc<Switches>, kept: Option<PathBuf>) -> Self {
        Self { stripe, airlines, kept, stands: Arc::default() }
    }
}

/// Staff of a demo. First of all whether there is a console: where there is none, nobody is asked who they are.
pub struct AtConsole(Console);

impl<S: Send + Sync> FromRequestParts<S> for AtConsole
where
    DemoConsole: FromRef<S>,
    Db: FromRef<S>,
{
    type Rejection = AppError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AppError> {
        let console = DemoConsole::from_ref(state).0.ok_or(AppError::NotFound)?;
        SignedInStaff::from_request_parts(parts, state).await?;
        Ok(Self(console))
    }
}

/// One thing that can be put this way or that.
struct Lever {
    name: &'static str,
    title: &'static str,
    /// What it does, for somebody who tries it.
    says: &'static str,
    label: &'static str,
    button: &'static str,
    options: &'static [(&'static str, &'static str)],
    /// It happens once; the others stay until they are put back.
    is_once: bool,
}

const LEVERS: [Lever; 11] = [
    Lever {
        name: "clock",
        title: "Clock",
        says: "Moves everything forward: holds lapse, refunds settle, reminders and alarms go out within seconds. It never goes back, and your own session may end with it: then sign in again.",
        label: "Forward by",
        button: "Move the clock",
        options: &[("hour", "1 hour"), ("quarter", "6 hours"), ("day", "1 day"), ("week", "7 days")],
        is_once: true,
    },
    Lever {
        name: "once",
        title: "Stripe, the next time",
        says: "One call fails so, and the next one of its kind is good again.",
        label: "What fails",
        button: "Let it fail once",
        options: &[
            ("session_lost", "Opening a payment page: done, but the answer is lost"),
            ("session_500", "Opening a payment page: error 500"),
            ("capture_lost", "Charging the card: done, but the answer is lost"),
            ("capture_refused", "Charging the card: refused"),
            ("release_lost", "Releasing an amount: done, but the answer is lost"),
            ("refund_lost", "Refunding: done, but the answer is lost"),
            ("refund_refused", "Refunding: refused, so that a person is called"),
        ],
        is_once: true,
    },
    Lever {
        name: "stripe",
        title: "Stripe, until you change it",
        says: "While it is away, nothing is charged and nothing is lost: pages say so, and jobs ask again.",
        label: "Stripe",
        button: "Set",
        options: &[
            ("up", "answers"),
            ("down", "is down (503)"),
            ("silent", "says nothing"),
            ("deaf", "does everything, but its answers are lost"),
        ],
        is_once: false,
    },
    Lever {
        name: "refunds",
        title: "Refunds at Stripe",
        says: "One that waits is told to the traveller with its reason. Setting them to be paid pays those that wait.",
        label: "Refunds",
        button: "Set",
        options: &[
            ("paid", "are paid at once"),
            ("insufficient_funds", "wait: too little on our balance"),
            ("charge_pending", "wait: the payment is not settled"),
        ],
        is_once: false,
    },
    Lever {
        name: "events",
        title: "Stripe’s webhooks",
        says: "Without them the poller finds out within two minutes. Setting them to come lets out what was held back, in the order in which it happened.",
        label: "Webhooks",
        button: "Set",
        options: &[("come", "come"), ("held", "are held back")],
        is_once: false,
    },
    Lever {
        name: "order",
        title: "Airline, when tickets are bought",
        says: "Every paid booking from now on runs into this. Refused means that the money goes back; no answer means that the airline is asked what became of it, and after 15 minutes a person.",
        label: "Buying tickets",
        button: "Set",
        options: &[
            ("fine", "works"),
            ("sold_out", "sold out a moment ago"),
            ("price_up", "dearer than accepted"),
            ("refused", "refused"),
            ("down", "no answer, for as long as this stands"),
            ("lost_before", "answer lost, nothing bought"),
            ("lost_after", "answer lost, tickets bought"),
        ],
        is_once: false,
    },
    Lever {
        name: "hold",
        title: "Airline, when seats are held",
        says: "Pressing pay asks for the seats first. If there are none, nobody is sent to the payment page.",
        label: "Holding seats",
        button: "Set",
        options: &[("fine", "works"), ("sold_out", "sold out"), ("down", "no answer")],
        is_once: false,
    },
    Lever {
        name: "cancel",
        title: "Airline, when tickets are cancelled",
        says: "A traveller is refunded only when the airline has cancelled.",
        label: "Cancelling",
        button: "Set",
        options: &[
            ("fine", "works"),
            ("refused", "refused"),
            ("down", "no answer"),
            ("lost_before", "answer lost, not cancelled"),
            ("lost_after", "answer lost, cancelled"),
        ],
        is_once: false,
    },
    Lever {
        name: "search",
        title: "Airline, when somebody searches",
        says: "The search page says who did not answer.",
        label: "Search",
        button: "Set",
        options: &[("fine", "works"), ("down", "no answer")],
        is_once: false,
    },
    Lever {
        name: "price",
        title: "Prices",
        says: "A price that goes up must be accepted before paying; after paying it is never charged.",
        label: "Prices",
        button: "Set",
        options: &[("fine", "as they are"), ("up", "10 % higher")],
        is_once: false,
    },
    Lever {
        name: "change",
        title: "Airline, after the tickets",
        says: "Flights are looked at once a day: move the clock by a day to see it. The traveller gets a mail, and the booking page says so.",
        label: "Flights",
        button: "Set",
        options: &[("fine", "as sold"), ("later", "65 minutes later"), ("gone", "not flown")],
        is_once: false,
    },
];

impl Console {
    /// `None`: there is no such lever, or it does not go there.
    async fn put(&self, clock: &Clock, lever: &str, to: &str) -> Option<()> {
        let lever = LEVERS.iter().find(|known| known.name == lever)?;
        let (to, _) = lever.options.iter().find(|(option, _)| *option == to)?;
        match lever.name {
            "clock" => self.move_clock(clock, to),
            "once" => {
                let (endpoint, fault) = once(to)?;
                self.stripe.fault(endpoint, fault);
            }
            "stripe" => self.stripe.outage(match *to {
                "down" => Some(Fault::Status(503)),
                "silent" => Some(Fault::TimeoutBefore),
                "deaf" => Some(Fault::TimeoutAfter),
                _ => None,
            }),
            "refunds" => {
                let reason = Some(*to).filter(|to| *to != "paid");
                self.stripe.make_refunds_wait(reason).ok()?;
            }
            "events" if *to == "held" => self.stripe.set_delivery(Mode::Held),
            "events" => {
                self.stripe.set_delivery(Mode::Auto);
                self.stripe.deliver_held().await;
            }
            "order" => self.airlines.set_order_fault(airline_fault(to)),
            "hold" => self.airlines.set_hold_fault(airline_fault(to)),
            "cancel" => self.airlines.set_cancel_fault(airline_fault(to)),
            "search" => self.airlines.set_search_down(*to == "down"),
            "price" => self.airlines.set_price_up(if *to == "up" { 10 } else { 0 }),
            _ => self.airlines.set_change(match *to {
                "later" => Some(Change::Later(65)),
                "gone" => Some(Change::Cancelled),
                _ => None,
            }),
        }
        if !lever.is_once {
            self.stands.lock().unwrap_or_else(PoisonError::into_inner).insert(lever.name, to);
        }
        Some(())
    }

    fn move_clock(&self, clock: &Clock, to: &str) {
        let hours = match to {
            "hour" => 1,
            "quarter" => 6,
            "day" => 24,
            _ => 24 * 7,
        };
        clock.advance(SignedDuration::from_hours(hours));
        // What was written down after the move must not lie in the future after a restart.
        if let (Some(path), Some(ahead)) = (&self.kept, clock.ahead())
            && let Err(error) = std::fs::write(path, ahead.as_secs().to_string())
        {
            tracing::warn!(%error, "the demo's clock is not kept over a restart");
        }
    }

    fn stands(&self, lever: &Lever) -> &'static str {
        let stands = self.stands.lock().unwrap_or_else(PoisonError::into_inner);
        let first = lever.options.first().map_or("", |(option, _)| *option);
        stands.get(lever.name).copied().unwrap_or(first)
    }
}

fn once(to: &str) -> Option<(Endpoint, Fault)> {
    Some(match to {
        "session_lost" => (Endpoint::CreateSession, Fault::TimeoutAfter),
        "session_500" => (Endpoint::CreateSession, Fault::StickyStatus(500)),
        "capture_lost" => (Endpoint::Capture, Fault::TimeoutAfter),
        "capture_refused" => (Endpoint::Capture, Fault::Status(402)),
        "release_lost" => (Endpoint::Cancel, Fault::TimeoutAfter),
        "refund_lost" => (Endpoint::CreateRefund, Fault::TimeoutAfter),
        "refund_refused" => (Endpoint::CreateRefund, Fault::Status(402)),
        _ => return None,
    })
}

fn airline_fault(to: &str) -> Option<timetable::Fault> {
    Some(match to {
        "sold_out" => timetable::Fault::SoldOut,
        "price_up" => timetable::Fault::PriceUp,
        "refused" => timetable::Fault::Refused,
        "down" => timetable::Fault::Unavailable,
        "lost_before" => timetable::Fault::TimeoutBefore,
        "lost_after" => timetable::Fault::TimeoutAfter,
        _ => return None,
    })
}

#[derive(Template)]
#[template(path = "demo/console.html")]
struct ConsolePage {
    chrome: Chrome,
    said: Option<Fragment>,
    errors: Option<Fragment>,
    now: String,
    levers: Vec<LeverView>,
}

struct LeverView {
    lever: &'static Lever,
    choice: Fragment,
    /// Not as it is when all is well.
    is_off: bool,
}

#[derive(Deserialize)]
pub struct ConsoleQuery {
    #[serde(default)]
    done: String,
}

pub async fn console(
    AtConsole(console): AtConsole,
    State(clock): State<Clock>,
    chrome: Chrome,
    Query(query): Query<ConsoleQuery>,
) -> Result<Html<String>, AppError> {
    let page = ConsolePage::new(chrome, &console, &clock, &FieldErrors::default());
    let done = LEVERS.iter().find(|lever| lever.name == query.done);
    let said =
        done.map(|lever| notice(Tone::Good, "Done", format!("{}: it counts from now on.", lever.title)));
    Ok(Html(ConsolePage { said, ..page }.render()?))
}

impl ConsolePage {
    fn new(chrome: Chrome, console: &Console, clock: &Clock, errors: &FieldErrors) -> Self {
        let view = |lever: &'static Lever| {
            let stands = console.stands(lever);
            // Each form is alone with its choice, and their ids must differ.
            let choice = choice(lever.name, lever.label, lever.options, stands, errors);
            let is_off = !lever.is_once && lever.options.first().is_some_and(|(option, _)| *option != stands);
            LeverView { lever, choice, is_off }
        };
        Self {
            chrome,
            said: None,
            errors: (!errors.is_empty()).then(|| error_summary(errors)),
            now: TimeZone::UTC.to_datetime(clock.now()).strftime("%-d %b %Y, %H:%M:%S UTC").to_string(),
            levers: LEVERS.iter().map(view).collect(),
        }
    }
}

/// One lever at a time: each form has one field, which is named like its lever.
pub async fn put(
    AtConsole(console): AtConsole,
    State(clock): State<Clock>,
    chrome: Chrome,
    Form(form): Form<BTreeMap<String, String>>,
) -> Result<Response, AppError> {
    if let Some((lever, to)) = form.iter().next().filter(|_| form.len() == 1)
        && console.put(&clock, lever, to).await.is_some()
    {
        return Ok(Redirect::to(&format!("/demo/console?done={lever}")).into_response());
    }
    let field = form.keys().find_map(|key| LEVERS.iter().find(|lever| lever.name == key));
    let errors = FieldErrors::one(field.map_or("clock", |lever| lever.name), "Choose one of these");
    let page = ConsolePage::new(chrome, &console, &clock, &errors);
    Ok((StatusCode::UNPROCESSABLE_ENTITY, Html(page.render()?)).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_option_of_every_lever_means_something() {
        for lever in &LEVERS {
            for (option, _) in &lever.options[usize::from(!lever.is_once)..] {
                let means = match lever.name {
                    "once" => once(option).is_some(),
                    "order" | "hold" | "cancel" => airline_fault(option).is_some(),
                    _ => true,
                };
                assert!(means, "{} {option}", lever.name);
            }
            // The first is how it stands when all is well.
            assert!(lever.is_once || airline_fault(lever.options[0].0).is_none());
        }
    }
}
