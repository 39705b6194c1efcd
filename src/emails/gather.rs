//! From the rows of the present moment to a letter. `None`: what the mail would say is no longer true.

use jiff::Timestamp;

use crate::{
    admin,
    bookings::{
        self, Booking, BookingFile, changes,
        lifecycle::BookingState,
        links::{self, Link},
    },
    checkout::{
        self, Attempt, Standing,
        lifecycle::{AttemptState, RefundState},
        price_lines::LineId,
    },
    db::{System, Tx},
    emails::{
        alarm::StaffAlarm,
        cancel::{BookingCancelled, CancellationRefused, CancellationStarted},
        change::AirlineChanged,
        facts::{Brief, Payment, Return, Ticketed},
        gather_account,
        hook::HookPaused,
        letters::{
            BookingConfirmation, BookingLink, HoldExpired, HoldLapsing, Letter, MoneyReturned, NotTicketed,
            PaymentReceipt, Sender, WhyNoTicket, WhyReturned,
        },
        refunds::{RefundFailed, RefundPaid, RefundPaidByHand},
        unpaid::PayAgain,
    },
    error::AppError,
    hooks,
    ids::{AttemptId, RefundId, Token},
    itinerary::Passenger,
    money::Money,
    outbox::{About, Mail, MailKind},
    papers::{Papers, facts::Fact},
    vault::Vault,
};

pub(super) async fn gather(
    tx: &mut Tx<System>,
    mail: &Mail,
    vault: &Vault,
    now: Timestamp,
) -> Result<Option<Letter>, AppError> {
    let missing = |what: &str| AppError::broken(format!("mail {}: {what}", mail.id));
    let booking = match mail.about {
        About::Booking(booking) => booking,
        About::User(user) => return gather_account::gather(tx, mail, user, vault, now).await,
        About::Agency if mail.kind == MailKind::HookPaused => return hook_paused(tx, mail).await,
        About::Agency => return alarm(tx).await,
    };
    let booking = bookings::store::find_by_id(tx, booking).await?;
    let booking = booking.ok_or_else(|| missing("its booking is missing"))?;
    let attempts = checkout::store::attempts_of(tx, booking.id).await?;
    let named = |id: Option<AttemptId>| {
        let attempt = attempts.iter().find(|attempt| Some(attempt.id) == id);
        attempt.ok_or_else(|| missing("the attempt behind it is missing"))
    };
    let link = way_in(tx, mail, &booking, vault, now).await?;
    let brief = Brief { link, ..Brief::new(&booking.reference, &booking.offer)? };
    Ok(Some(match mail.kind {
        MailKind::BookingConfirmation => {
            if booking.state != BookingState::Confirmed {
                return Ok(None);
            }
            let secured = named(booking.secured_by)?;
            Letter::BookingConfirmation(BookingConfirmation {
                booking: brief,
                pnr: pnr(&booking)?,
                passengers: passengers(tx, &booking).await?,
                payment: payment(secured),
                is_charged: secured.state == AttemptState::Captured,
            })
        }
        MailKind::PaymentReceipt => {
            let attempt = named(mail.cause.parse().ok())?;
            Letter::PaymentReceipt(PaymentReceipt {
                pnr: pnr(&booking)?,
                passengers: passengers(tx, &booking).await?,
                payment: Payment { amount: attempt.captured, ..payment(attempt) },
                charged_at: mail.owed_since,
                number: attempt.payment_intent.clone().unwrap_or_else(|| attempt.id.to_string()),
                booking: brief,
            })
        }
        // Paid meanwhile, or too late to: both are told by mails of their own.
        MailKind::PayAgain => {
            let Some(pay_by) = booking.pay_by.filter(|_| booking.can_be_paid_again(now)) else {
                return Ok(None);
            };
            let payment = payment(named(mail.cause.parse().ok())?);
            Letter::PayAgain(PayAgain { booking: brief, payment, pay_by })
        }
        MailKind::NotTicketed => {
            if booking.state != BookingState::Failed {
                return Ok(None);
            }
            let attempt = named(booking.secured_by)?;
            Letter::NotTicketed(NotTicketed {
                booking: brief,
                why: WhyNoTicket::from_code(booking.ended_reason.as_deref().unwrap_or_default()),
                payment: payment(attempt),
                back: way_back(attempt),
            })
        }
        MailKind::HoldLapsing => {
            let held_until = booking.hold.as_ref().map(|hold| hold.expires_at).filter(|until| *until > now);
            let held_until = held_until.filter(|_| booking.state == BookingState::Held);
            return Ok(
                held_until.map(|held_until| Letter::HoldLapsing(HoldLapsing { booking: brief, held_until }))
            );
        }
        MailKind::RefundPaid | MailKind::RefundFailed | MailKind::RefundPaidByHand => {
            let refund = mail.cause.parse().map_err(|_| missing("its cause is no refund"))?;
            let refund = checkout::store::lock_refund(tx, refund).await?;
            let payment = Payment { amount: refund.amount, ..payment(named(Some(refund.attempt))?) };
            let (at, number) = (mail.owed_since, refund.payment_intent);
            let payout = checkout::store::payout_of(tx, refund.id).await?.map(|(payout, _)| payout);
            match (mail.kind, refund.state) {
                (MailKind::RefundPaidByHand, _) => {
                    let payout = payout.ok_or_else(|| missing("nobody has paid it by hand"))?;
                    Letter::RefundPaidByHand(RefundPaidByHand { booking: brief, payment, payout, at, number })
                }
                // Paid another way meanwhile: that is told by a mail of its own.
                (MailKind::RefundFailed, _) if payout.is_some() => return Ok(None),
                (MailKind::RefundFailed, _) => {
                    Letter::RefundFailed(RefundFailed { booking: brief, payment, at, number })
                }
                // The bank has sent it back meanwhile: that is told by a mail of its own.
                (_, RefundState::Failed | RefundState::PaidByHand) => return Ok(None),
                _ => Letter::RefundPaid(RefundPaid { booking: brief, payment, at, number }),
            }
        }
        // Somebody may have paid after all, and then the seats were fetched back.
        MailKind::HoldExpired if booking.state != BookingState::Expired => return Ok(None),
        MailKind::HoldExpired => Letter::HoldExpired(HoldExpired {
            booking: brief,
            held_until: booking.hold.as_ref().map(|hold| hold.expires_at),
        }),
        // Asked for, but by now the contact is another or the link's time is over.
        MailKind::BookingLink if brief.link.is_none() && booking.user.is_none() => return Ok(None),
        MailKind::BookingLink => Letter::BookingLink(BookingLink { booking: brief }),
        MailKind::CancellationStarted if booking.state != BookingState::Cancelling => return Ok(None),
        MailKind::BookingCancelled if booking.state != BookingState::Cancelled => return Ok(None),
        MailKind::CancellationStarted | MailKind::BookingCancelled => {
            let quote = checkout::cancel::store::accepted(tx, booking.id).await?;
            let quote = quote.ok_or_else(|| missing("its quote is missing"))?;
            let (figures, payment) = (quote.figures, payment(named(Some(quote.attempt))?));
            match mail.kind {
                MailKind::CancellationStarted => {
                    Letter::CancellationStarted(CancellationStarted { booking: brief, figures, payment })
                }
                _ => {
                    let disputed = checkout::store::busy_with(tx, booking.id).await?.disputed;
                    Letter::BookingCancelled(BookingCancelled { booking: brief, figures, payment, disputed })
                }
            }
        }
        MailKind::AirlineChange => return airline_change(tx, mail, &booking, brief).await,
        MailKind::CancellationRefused => Letter::CancellationRefused(CancellationRefused { booking: brief }),
        MailKind::MoneyReturned => {
            if let Some(granted) = granted(tx, mail, &booking, &attempts, &brief).await? {
                return Ok(Some(Letter::MoneyReturned(granted)));
            }
            let attempt = named(mail.cause.parse().ok())?;
            let why = match (attempt.given_back_at, booking.state.has_ended()) {
                (Some(_), _) => WhyReturned::DidNotFit,
                (None, true) => WhyReturned::BookingEnded,
                (None, false) => WhyReturned::PaidAlready,
            };
            let (amount, back) = match attempt.let_go {
                Some(gone) => (gone.amount, if gone.was_taken { Return::Refund } else { Return::Release }),
                None => (payment(attempt).amount, way_back(attempt)),
            };
            Letter::MoneyReturned(MoneyReturned {
                booking: brief,
                why,
                payment: Payment { amount, ..payment(attempt) },
                back,
                of_which: Vec::new(),
            })
        }
        _ => return Err(missing("it is about a person, not a booking")),
    }))
}

/// `None`: somebody was quicker than the mail.
async fn alarm(tx: &mut Tx<System>) -> Result<Option<Letter>, AppError> {
    let open = admin::attention::money_at_risk(tx).await?;
    let open: Vec<_> = open.into_iter().map(Into::into).collect();
    Ok((!open.is_empty()).then(|| Letter::StaffAlarm(StaffAlarm { open })))
}

/// `None`: the airline has changed it again, or the booking has ended.
async fn airline_change(
    tx: &mut Tx<System>,
    mail: &Mail,
    booking: &Booking,
    brief: Brief,
) -> Result<Option<Letter>, AppError> {
    let current = booking.airline_change.as_ref();
    let current = current.filter(|change| changes::cause(booking.id, change) == mail.cause);
    let Some(change) = current.filter(|_| booking.state == BookingState::Confirmed) else { return Ok(None) };
    let events = bookings::store::events(tx, booking.id).await?;
    let event = events.into_iter().rev().find(|event| {
        event.kind == changes::EVENT && event.data["change"]["id"].as_str() == Some(&change.id)
    });
    let before = event.map(|mut event| serde_json::from_value(event.data["before"].take())).transpose()?;
    let before = before.ok_or_else(|| AppError::broken(format!("mail {}: no change behind it", mail.id)))?;
    Ok(Some(Letter::AirlineChange(AirlineChanged::of(brief, before, change))))
}

/// `None`: somebody has resumed or deleted it already.
async fn hook_paused(tx: &mut Tx<System>, mail: &Mail) -> Result<Option<Letter>, AppError> {
    let endpoint = mail.cause.split(':').next().unwrap_or_default().parse();
    let endpoint = endpoint.map_err(|_| AppError::broken(format!("mail {}: no endpoint", mail.id)))?;
    let paused = hooks::paused(tx, endpoint).await?;
    Ok(paused.map(|(endpoint, why)| Letter::HookPaused(HookPaused::of(endpoint, why, mail.owed_since))))
}

/// The refund that staff granted, where that is the cause.
async fn granted(
    tx: &mut Tx<System>,
    mail: &Mail,
    booking: &Booking,
    attempts: &[Attempt],
    brief: &Brief,
) -> Result<Option<MoneyReturned>, AppError> {
    let Ok(refund) = mail.cause.parse() else { return Ok(None) };
    let Some((attempt, amount)) = checkout::store::refund_of(tx, refund).await? else { return Ok(None) };
    let Some(attempt) = attempts.iter().find(|known| known.id == attempt) else { return Ok(None) };
    let left = checkout::store::unrefunded(tx, attempt).await?;
    let why = match booking.state.has_ended() {
        true if booking.ended_without_ticket() => WhyReturned::BookingEnded,
        true => WhyReturned::GrantedAfterCancelling,
        false if left.minor == 0 => WhyReturned::GrantedInFull,
        false => WhyReturned::Granted,
    };
    let amount = Money::new(amount, attempt.amount.currency);
    Ok(Some(MoneyReturned {
        booking: brief.clone(),
        why,
        payment: Payment { amount, ..payment(attempt) },
        back: if amount == attempt.captured { Return::Refund } else { Return::Part },
        of_which: of_which(tx, refund, booking).await?,
    }))
}

/// A fact for each passenger whose price some of it is of.
async fn of_which(tx: &mut Tx<System>, refund: RefundId, booking: &Booking) -> Result<Vec<Fact>, AppError> {
    let parts = checkout::store::refund_parts(tx, refund).await?;
    if parts.is_empty() {
        return Ok(Vec::new());
    }
    let passengers = bookings::store::passengers(tx, booking.id).await?;
    let lines = checkout::price_lines::lines_of(booking);
    let whose = |passenger: u8| {
        let place = usize::from(passenger).checked_sub(1);
        let person = place.and_then(|place| passengers.get(place)).map(|(person, _)| person);
        person.map_or_else(|| "All passengers".to_owned(), Passenger::full_name)
    };
    let line = |(id, minor): &(LineId, i64)| {
        let name = lines.iter().find(|line| line.id == *id).map_or("Price", |line| &line.name);
        format!("{name}: {}", Money::new(*minor, booking.amount.currency))
    };
    let of = parts.chunk_by(|(one, _), (next, _)| one.passenger == next.passenger);
    Ok(of
        .filter_map(|of| {
            let (first, _) = of.first()?;
            Some(Fact { label: whose(first.passenger).into(), lines: of.iter().map(line).collect() })
        })
        .collect())
}

/// The link into a booking that belongs to no account, in a mail to its contact. The same mail carries the same link,
/// however often it is tried.
async fn way_in(
    tx: &mut Tx<System>,
    mail: &Mail,
    booking: &Booking,
    vault: &Vault,
    now: Timestamp,
) -> Result<Option<Token>, AppError> {
    let contact = booking.contact.as_ref();
    let is_contact = contact.is_some_and(|contact| contact.email.eq_ignore_ascii_case(&mail.to));
    let Some(expires_at) = booking.link_until(now).filter(|_| is_contact && booking.user.is_none()) else {
        return Ok(None);
    };
    let token = Token::from_bytes(vault.sign("mail-token", mail.id.0.as_bytes()));
    let link = Link { hash: token.hash(), booking: booking.id, mail: Some(mail.id), expires_at };
    Ok(links::insert(tx, &link, now).await?.then_some(token))
}

/// What the papers beside a letter are drawn from; most letters have none.
pub(super) async fn papers(
    tx: &mut Tx<System>,
    mail: &Mail,
    sender: &Sender,
) -> Result<Option<Papers>, AppError> {
    let has_papers = matches!(
        mail.kind,
        MailKind::BookingConfirmation | MailKind::PaymentReceipt | MailKind::AirlineChange
    );
    let Some(id) = mail.about.booking().filter(|_| has_papers) else { return Ok(None) };
    let Some(booking) = bookings::store::find_by_id(tx, id).await? else { return Ok(None) };
    let file = BookingFile {
        booking,
        passengers: bookings::store::passengers(tx, id).await?,
        documents: Vec::new(),
        events: bookings::store::events(tx, id).await?,
    };
    let attempts = checkout::store::attempts_of(tx, id).await?;
    let standing = Standing { file, attempts, cancellation: None, disputed: false, returned: Vec::new() };
    Ok(Some(Papers::of(&standing, sender.issuer())?))
}

async fn passengers(tx: &mut Tx<System>, booking: &Booking) -> Result<Vec<Ticketed>, AppError> {
    let rows = bookings::store::passengers(tx, booking.id).await?;
    Ok(rows.into_iter().map(|(passenger, ticket)| Ticketed { passenger, ticket }).collect())
}

fn pnr(booking: &Booking) -> Result<String, AppError> {
    let pnr = booking.pnr.clone();
    pnr.ok_or_else(|| AppError::broken(format!("booking {} has no airline reference", booking.id)))
}

/// What was charged need not be what was asked for: then it is given back, and the mail names what the bank shows.
fn payment(attempt: &Attempt) -> Payment {
    let amount = if attempt.state == AttemptState::Captured { attempt.captured } else { attempt.amount };
    Payment { amount, card: attempt.card.clone() }
}

/// Money that was taken is refunded; money that was only set aside is released.
fn way_back(attempt: &Attempt) -> Return {
    if attempt.state == AttemptState::Captured { Return::Refund } else { Return::Release }
}
