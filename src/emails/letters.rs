//! The letters, each with everything that it says. A letter that exists can be written: nothing in it is optional
//! that its words need. Pure.

use askama::Template;
use jiff::Timestamp;

use crate::{
    config::{Config, Site},
    emails::{
        account::{
            AccountDeleted, AccountExists, BookingsClaimed, EmailChange, EmailChangeNotice, EmailChanged,
            PasswordChanged, PasswordReset, SecondFactorChanged, VerifyEmail,
        },
        alarm::StaffAlarm,
        cancel::{BookingCancelled, CancellationRefused, CancellationStarted},
        change::AirlineChanged,
        facts::{Brief, Fact, Payment, Return, Ticketed, fare_facts, passenger_fact},
        hook::HookPaused,
        look, parts, plain,
        refunds::{RefundFailed, RefundPaid, RefundPaidByHand},
        unpaid::PayAgain,
    },
    papers::Issuer,
};

/// Mail programs cut long subjects; ours end before that.
const LONGEST_SUBJECT: usize = 120;

/// Who writes.
#[derive(Clone, Debug)]
pub struct Sender {
    pub site: Site,
    /// Without a slash at its end.
    pub base_url: String,
    /// The first line says that nothing is real.
    pub demo: bool,
    /// Who hears that money needs a person.
    pub staff: String,
}

impl From<&Config> for Sender {
    fn from(config: &Config) -> Self {
        Self {
            site: config.site.clone(),
            base_url: config.link(""),
            demo: config.mode.is_pretend(),
            staff: config.mail.staff.clone(),
        }
    }
}

impl Sender {
    /// The booking's page, or the secret address that opens it for somebody without an account.
    pub fn booking_link(&self, booking: &Brief) -> String {
        match &booking.link {
            Some(token) => format!("{}/booking-link/{}", self.base_url, token.expose()),
            None => format!("{}/bookings/{}", self.base_url, booking.reference),
        }
    }

    /// Who issues the papers beside a letter.
    pub fn issuer(&self) -> Issuer {
        Issuer::new(self.site.clone(), &self.base_url, self.demo)
    }

    pub fn search_link(&self) -> String {
        format!("{}/", self.base_url)
    }

    pub fn login_link(&self) -> String {
        format!("{}/login", self.base_url)
    }

    pub fn bookings_link(&self) -> String {
        format!("{}/bookings", self.base_url)
    }

    pub fn attention_link(&self) -> String {
        format!("{}/admin/attention", self.base_url)
    }

    pub fn hook_link(&self, letter: &HookPaused) -> String {
        format!("{}/admin/hooks/{}", self.base_url, letter.endpoint)
    }

    /// Where somebody asks for a new password.
    pub fn reset_link(&self) -> String {
        format!("{}/reset", self.base_url)
    }
}

#[derive(Clone, Debug)]
pub enum Letter {
    BookingConfirmation(BookingConfirmation),
    PaymentReceipt(PaymentReceipt),
    PayAgain(PayAgain),
    NotTicketed(NotTicketed),
    HoldLapsing(HoldLapsing),
    HoldExpired(HoldExpired),
    MoneyReturned(MoneyReturned),
    RefundPaid(RefundPaid),
    RefundFailed(RefundFailed),
    RefundPaidByHand(RefundPaidByHand),
    CancellationStarted(CancellationStarted),
    BookingCancelled(BookingCancelled),
    CancellationRefused(CancellationRefused),
    AirlineChange(AirlineChanged),
    BookingLink(BookingLink),
    VerifyEmail(VerifyEmail),
    AccountExists(AccountExists),
    PasswordReset(PasswordReset),
    PasswordChanged(PasswordChanged),
    EmailChange(EmailChange),
    EmailChangeNotice(EmailChangeNotice),
    EmailChanged(EmailChanged),
    SecondFactorChanged(SecondFactorChanged),
    BookingsClaimed(BookingsClaimed),
    AccountDeleted(AccountDeleted),
    StaffAlarm(StaffAlarm),
    HookPaused(HookPaused),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Composed {
    pub subject: String,
    pub text: String,
    pub html: String,
}

impl Letter {
    pub fn compose(&self, sender: &Sender) -> Result<Composed, askama::Error> {
        match self {
            Self::BookingConfirmation(letter) => letter.compose(sender),
            Self::PaymentReceipt(letter) => letter.compose(sender),
            Self::PayAgain(letter) => letter.compose(sender),
            Self::NotTicketed(letter) => letter.compose(sender),
            Self::HoldLapsing(letter) => letter.compose(sender),
            Self::HoldExpired(letter) => letter.compose(sender),
            Self::MoneyReturned(letter) => letter.compose(sender),
            Self::RefundPaid(letter) => letter.compose(sender),
            Self::RefundFailed(letter) => letter.compose(sender),
            Self::RefundPaidByHand(letter) => letter.compose(sender),
            Self::CancellationStarted(letter) => letter.compose(sender),
            Self::BookingCancelled(letter) => letter.compose(sender),
            Self::CancellationRefused(letter) => letter.compose(sender),
            Self::AirlineChange(letter) => letter.compose(sender),
            Self::BookingLink(letter) => letter.compose(sender),
            Self::VerifyEmail(letter) => letter.compose(sender),
            Self::AccountExists(letter) => letter.compose(sender),
            Self::PasswordReset(letter) => letter.compose(sender),
            Self::PasswordChanged(letter) => letter.compose(sender),
            Self::EmailChange(letter) => letter.compose(sender),
            Self::EmailChangeNotice(letter) => letter.compose(sender),
            Self::EmailChanged(letter) => letter.compose(sender),
            Self::SecondFactorChanged(letter) => letter.compose(sender),
            Self::BookingsClaimed(letter) => letter.compose(sender),
            Self::StaffAlarm(letter) => letter.compose(sender),
            Self::HookPaused(letter) => letter.compose(sender),
            Self::AccountDeleted(letter) => letter.compose(sender),
        }
    }
}

/// Three templates for each letter, and none of them without its letter.
macro_rules! written_by {
    ($($letter:ident: $subject:tt $text:tt $html:tt;)+) => {$(
        impl $letter {
            fn compose(&self, sender: &Sender) -> Result<Composed, askama::Error> {
                #[derive(Template)]
                #[template(path = $subject)]
                struct SubjectLine<'a> {
                    #[allow(dead_code, reason = "some subjects are the same for every letter of their kind")]
                    letter: &'a $letter,
                }
                #[derive(Template)]
                #[template(path = $text)]
                struct TextBody<'a> {
                    sender: &'a Sender,
                    letter: &'a $letter,
                }
                #[derive(Template)]
                #[template(path = $html)]
                struct HtmlBody<'a> {
                    sender: &'a Sender,
                    subject: &'a str,
                    letter: &'a $letter,
                }
                let subject = subject_line(&SubjectLine { letter: self }.render()?);
                let text = plain::set(&TextBody { sender, letter: self }.render()?);
                let html = HtmlBody { sender, subject: &subject, letter: self }.render()?;
                Ok(Composed { subject, text, html })
            }
        }
    )+};
}

written_by! {
    BookingConfirmation: "booking_confirmation/subject.txt" "booking_confirmation/body.txt" "booking_confirmation/body.html";
    PaymentReceipt: "payment_receipt/subject.txt" "payment_receipt/body.txt" "payment_receipt/body.html";
    PayAgain: "pay_again/subject.txt" "pay_again/body.txt" "pay_again/body.html";
    NotTicketed: "not_ticketed/subject.txt" "not_ticketed/body.txt" "not_ticketed/body.html";
    HoldLapsing: "hold_lapsing/subject.txt" "hold_lapsing/body.txt" "hold_lapsing/body.html";
    HoldExpired: "hold_expired/subject.txt" "hold_expired/body.txt" "hold_expired/body.html";
    MoneyReturned: "money_returned/subject.txt" "money_returned/body.txt" "money_returned/body.html";
    RefundPaid: "refund_paid/subject.txt" "refund_paid/body.txt" "refund_paid/body.html";
    RefundFailed: "refund_failed/subject.txt" "refund_failed/body.txt" "refund_failed/body.html";
    RefundPaidByHand: "refund_paid_by_hand/subject.txt" "refund_paid_by_hand/body.txt" "refund_paid_by_hand/body.html";
    CancellationStarted: "cancellation_started/subject.txt" "cancellation_started/body.txt" "cancellation_started/body.html";
    BookingCancelled: "booking_cancelled/subject.txt" "booking_cancelled/body.txt" "booking_cancelled/body.html";
    CancellationRefused: "cancellation_refused/subject.txt" "cancellation_refused/body.txt" "cancellation_refused/body.html";
    AirlineChanged: "airline_change/subject.txt" "airline_change/body.txt" "airline_change/body.html";
    BookingLink: "booking_link/subject.txt" "booking_link/body.txt" "booking_link/body.html";
    VerifyEmail: "verify_email/subject.txt" "verify_email/body.txt" "verify_email/body.html";
    AccountExists: "account_exists/subject.txt" "account_exists/body.txt" "account_exists/body.html";
    PasswordReset: "password_reset/subject.txt" "password_reset/body.txt" "password_reset/body.html";
    PasswordChanged: "password_changed/subject.txt" "password_changed/body.txt" "password_changed/body.html";
    EmailChange: "email_change/subject.txt" "email_change/body.txt" "email_change/body.html";
    EmailChangeNotice: "email_change_notice/subject.txt" "email_change_notice/body.txt" "email_change_notice/body.html";
    SecondFactorChanged: "second_factor/subject.txt" "second_factor/body.txt" "second_factor/body.html";
    BookingsClaimed: "bookings_claimed/subject.txt" "bookings_claimed/body.txt" "bookings_claimed/body.html";
    StaffAlarm: "staff_alarm/subject.txt" "staff_alarm/body.txt" "staff_alarm/body.html";
    HookPaused: "hook_paused/subject.txt" "hook_paused/body.txt" "hook_paused/body.html";
    AccountDeleted: "account_deleted/subject.txt" "account_deleted/body.txt" "account_deleted/body.html";
    EmailChanged: "email_changed/subject.txt" "email_changed/body.txt" "email_changed/body.html";
}

/// One line of plain characters: a header can neither be broken nor grow without end.
pub(super) fn subject_line(text: &str) -> String {
    plain::one_line(text).replace('\u{a0}', " ").chars().take(LONGEST_SUBJECT).collect()
}

/// The airline has issued the tickets.
#[derive(Clone, Debug)]
pub struct BookingConfirmation {
    pub booking: Brief,
    pub pnr: String,
    pub passengers: Vec<Ticketed>,
    pub payment: Payment,
    /// The charge follows the ticket by seconds; the mail may come in between.
    pub is_charged: bool,
}

impl BookingConfirmation {
    /// After "The airline has".
    pub fn seats(&self) -> &'static str {
        if self.booking.offer.party.seats() == 1 { "your seat" } else { "your seats" }
    }

    pub fn charge(&self) -> String {
        let (amount, form) = (self.payment.amount, self.payment.place());
        match (self.is_charged, &self.payment.card) {
            (true, Some(_)) => format!("{amount} total was charged to {form}."),
            (true, None) => format!("You paid {amount} total."),
            (false, _) => format!("{amount} total is now charged to {form}; the receipt follows."),
        }
    }

    pub fn facts(&self) -> Vec<Fact> {
        let mut facts =
            vec![passenger_fact(&self.passengers), Fact::new("Airline reference", self.pnr.clone())];
        facts.extend(fare_facts(&self.booking.offer));
        facts
    }
}

/// A card was charged for issued tickets.
#[derive(Clone, Debug)]
pub struct PaymentReceipt {
    pub booking: Brief,
    pub pnr: String,
    pub passengers: Vec<Ticketed>,
    pub payment: Payment,
    pub charged_at: Timestamp,
    /// The payment's name at Stripe, for questions about it.
    pub number: String,
}

impl PaymentReceipt {
    pub fn facts(&self, sender: &Sender) -> Vec<Fact> {
        let seller = &sender.site;
        let what = format!("Air tickets, {}, {}", self.booking.route(), self.booking.days());
        vec![
            Fact::new("Charged", format!("{} total", self.payment.amount)),
            Fact::new("Date", self.booking.moment(self.charged_at)),
            Fact::new("Paid with", self.payment.form()),
            Fact::new("For", what),
            passenger_fact(&self.passengers),
            Fact::new("Booking", self.booking.reference.as_str()),
            Fact::new("Airline reference", self.pnr.clone()),
            Fact::new("Payment", self.number.clone()),
            Fact {
                label: "Sold by".into(),
                lines: vec![seller.seller_name.clone(), seller.seller_address.clone()],
            },
        ]
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyNoTicket {
    SoldOut,
    Refused,
    PriceUp,
    OfferGone,
    SupplierUnavailable,
    AuthorisationLost,
    NotAsAsked,
    /// A reason that a newer version wrote.
    Other,
}

impl WhyNoTicket {
    pub fn from_code(code: &str) -> Self {
        match code {
            "sold_out" => Self::SoldOut,
            "refused" => Self::Refused,
            "price_up" => Self::PriceUp,
            "offer_gone" => Self::OfferGone,
            "supplier_unavailable" => Self::SupplierUnavailable,
            "authorisation_lost" => Self::AuthorisationLost,
            "not_as_asked" => Self::NotAsAsked,
            _ => Self::Other,
        }
    }

    pub const fn in_words(self) -> &'static str {
        match self {
            Self::SoldOut => "The last seats went to someone else before the airline issued your tickets.",
            Self::Refused => "The airline refused to issue your tickets.",
            Self::PriceUp => {
                "The price went up before the airline issued your tickets, and we never charge more than you accepted."
            }
            Self::OfferGone => "The airline no longer sells these flights.",
            Self::SupplierUnavailable => {
                "The airline system did not answer for too long, so we stopped trying."
            }
            Self::AuthorisationLost => {
                "Your bank took back the amount that was set aside before the airline issued your tickets."
            }
            Self::NotAsAsked => {
                "The airline issued something other than what you accepted, so we gave it back."
            }
            Self::Other => "The airline did not issue your tickets.",
        }
    }
}

/// Paid, but the airline did not issue tickets.
#[derive(Clone, Debug)]
pub struct NotTicketed {
    pub booking: Brief,
    pub why: WhyNoTicket,
    pub payment: Payment,
    pub back: Return,
}

impl NotTicketed {
    pub const fn headline(&self) -> &'static str {
        match self.back {
            Return::Release => "No ticket, and no charge",
            Return::Refund | Return::Part => "No ticket, and a full refund",
        }
    }
}

/// Nobody has paid yet.
#[derive(Clone, Debug)]
pub struct HoldLapsing {
    pub booking: Brief,
    pub held_until: Timestamp,
}

impl HoldLapsing {
    pub fn until(&self) -> String {
        self.booking.moment(self.held_until)
    }
}

/// Nobody paid in time.
#[derive(Clone, Debug)]
pub struct HoldExpired {
    pub booking: Brief,
    pub held_until: Option<Timestamp>,
}

impl HoldExpired {
    /// After "Your seats were held": " until 22 Nov 2026, 16:41 (Lisbon time)".
    pub fn until(&self) -> String {
        self.held_until.map(|at| format!(" until {}", self.booking.moment(at))).unwrap_or_default()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyReturned {
    /// Another payment came first.
    PaidAlready,
    BookingEnded,
    /// It was not what had been accepted.
    DidNotFit,
    /// The agency gives it back.
    Granted,
    /// It was the last of what was paid for tickets that stand.
    GrantedInFull,
    /// The tickets are cancelled, and of what was kept some is given back.
    GrantedAfterCancelling,
}

/// Money came that the booking does not need.
#[derive(Clone, Debug)]
pub struct MoneyReturned {
    pub booking: Brief,
    pub why: WhyReturned,
    pub payment: Payment,
    pub back: Return,
    /// Of whose price it is how much, where that was said.
    pub of_which: Vec<Fact>,
}

impl MoneyReturned {
    pub fn why_in_words(&self) -> String {
        let reference = &self.booking.reference;
        match self.why {
            WhyReturned::PaidAlready => {
                format!(
                    "Booking {reference} was paid already, and then a second payment came. It is not needed."
                )
            }
            WhyReturned::BookingEnded => {
                format!(
                    "A payment came for booking {reference}, but that booking has ended. Nothing was bought with it."
                )
            }
            WhyReturned::DidNotFit => format!(
                "A payment came for booking {reference} that does not fit what you had accepted. A person has looked at it, and nothing was bought with it."
            ),
            WhyReturned::Granted | WhyReturned::GrantedInFull | WhyReturned::GrantedAfterCancelling => {
                format!("We have granted you a refund for booking {reference}.")
            }
        }
    }

    pub const fn effect_on_booking(&self) -> &'static str {
        match self.why {
            WhyReturned::PaidAlready => "Your booking is untouched, and so is the payment that it lives on.",
            WhyReturned::BookingEnded => "The booking stays as it is. Search again if you still want to fly.",
            WhyReturned::DidNotFit => {
                "The booking page shows whether your seats are still held and can be paid."
            }
            WhyReturned::Granted => "Your booking and your tickets stay as they are.",
            WhyReturned::GrantedAfterCancelling => "Your booking stays cancelled.",
            WhyReturned::GrantedInFull => {
                "With it, all that you paid has gone back. The booking page shows whether your tickets still stand."
            }
        }
    }
}

/// Somebody who knows the booking asked for the way to it.
#[derive(Clone, Debug)]
pub struct BookingLink {
    pub booking: Brief,
}

impl BookingLink {
    /// What opens the booking, and for whom.
    pub const fn way(&self) -> &'static str {
        match self.booking.link {
            Some(_) => {
                "This link opens it without an account. Whoever has the link can see and change the booking, so keep it to yourself."
            }
            None => "It belongs to an account. Sign in with that account to open it.",
        }
    }

    pub const fn button(&self) -> &'static str {
        if self.booking.link.is_some() { "Open the booking" } else { "Sign in and open it" }
    }
}
