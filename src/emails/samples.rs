//! Every letter with invented facts: what the demo shows of them, and what the tests hold to their texts on file.
//! `None` anywhere: one of the facts is no fact, which a test notices.

use jiff::{Timestamp, tz::TimeZone};

use crate::{
    accounts::Purpose,
    airports::Airports,
    checkout::payouts::{Payout, Way},
    emails::{
        account::{
            AccountDeleted, AccountExists, BookingsClaimed, EmailChange, EmailChangeNotice, EmailChanged,
            FactorChange, Link, PasswordChanged, PasswordReset, SecondFactorChanged, VerifyEmail,
        },
        alarm::{Open, StaffAlarm},
        cancel,
        change::AirlineChanged,
        facts::{Brief, Fact, Payment, Return, Ticketed},
        hook::HookPaused,
        letters::{
            BookingConfirmation, BookingLink, HoldExpired, HoldLapsing, Letter, MoneyReturned, NotTicketed,
            PaymentReceipt, WhyNoTicket, WhyReturned,
        },
        refunds::{RefundFailed, RefundPaid, RefundPaidByHand},
        unpaid::PayAgain,
    },
    hooks::PausedFor,
    ids::{BookingReference, HookEndpointId, Token},
    itinerary::{
        Airport, Cabin, Carrier, Condition, Conditions, DocumentRule, Fare, LocalTime, Offer, OfferId, Party,
        Passenger, PassengerKind, PassengerPrice, Segment, Sex, Slice, Tax,
    },
    money::{Currency, Money},
    supplier::Flights,
};

/// A letter and the name that it is known by.
pub type Sample = (&'static str, Letter);

fn at(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

fn airport(code: &str) -> Option<&'static Airport> {
    Airports::world().airport(code.parse().ok()?)
}

pub fn segment(
    flight: (&str, u16, &str),
    from: &str,
    departs: &str,
    to: &str,
    arrives: &str,
) -> Option<Segment> {
    let (code, number, name) = flight;
    let local =
        |time: &str, airport: &Airport| Some(LocalTime::new(at(time)?, &TimeZone::get(&airport.zone).ok()?));
    Some(Segment {
        carrier: Carrier { code: code.to_owned(), name: name.to_owned() },
        number,
        operated_by: None,
        from: airport(from)?.clone(),
        to: airport(to)?.clone(),
        departs: local(departs, airport(from)?)?,
        arrives: local(arrives, airport(to)?)?,
        aircraft: "Airbus A330-900".to_owned(),
        cabin: Cabin::Economy,
        fare_basis: "YCLASSIC".to_owned(),
    })
}

fn price(
    kind: PassengerKind,
    count: u8,
    currency: Currency,
    fare: i64,
    taxes: &[(&str, i64)],
) -> PassengerPrice {
    let taxes = taxes.iter().map(|(name, minor)| Tax {
        code: name.chars().take(2).collect::<String>().to_uppercase(),
        name: (*name).to_owned(),
        amount: Money::new(*minor, currency),
    });
    PassengerPrice {
        kind,
        count,
        fare: Money::new(fare, currency),
        taxes: taxes.collect(),
        whole_party: false,
    }
}

fn offer(slices: Vec<Slice>, party: Party, prices: Vec<PassengerPrice>, fare: Fare) -> Option<Offer> {
    let currency = prices.first()?.fare.currency;
    let mut offer = Offer {
        id: OfferId("sample".to_owned()),
        slices,
        party,
        cabin: Cabin::Economy,
        fare,
        prices,
        total: Money::zero(currency),
        quoted_at: at("2026-11-22T16:00:00Z")?,
        expires_at: at("2026-11-22T16:30:00Z")?,
        co2_grams: None,
        documents: DocumentRule::NotAsked,
        alliance: None,
        other_fares: Vec::new(),
    };
    offer.total = offer.sum_of_prices(currency).ok()?;
    Some(offer)
}

/// Two adults, a child and an infant; out direct, back by Reykjavík over night on two airlines.
pub fn family() -> Option<Offer> {
    let out = vec![segment(
        ("HX", 118, "Halcyon Air"),
        "LIS",
        "2027-03-12T10:35:00Z",
        "JFK",
        "2027-03-12T18:45:00Z",
    )?];
    let mut last =
        segment(("HX", 441, "Halcyon Air"), "KEF", "2027-03-27T08:20:00Z", "LIS", "2027-03-27T12:20:00Z")?;
    last.operated_by = Some(Carrier { code: "TQ".to_owned(), name: "Tagus Regional".to_owned() });
    let first =
        segment(("NO", 602, "Norrland"), "JFK", "2027-03-27T00:40:00Z", "KEF", "2027-03-27T06:30:00Z")?;
    let taxes: &[(&str, i64)] = &[("Departure tax", 3_210), ("Airport charges", 4_855)];
    let prices = vec![
        price(PassengerKind::Adult, 2, Currency::Eur, 49_075, taxes),
        price(PassengerKind::Child, 1, Currency::Eur, 36_800, taxes),
        price(PassengerKind::Infant, 1, Currency::Eur, 4_900, &[("Departure tax", 3_210)]),
    ];
    let fee = |minor| Condition::Fee(Money::new(minor, Currency::Eur));
    let fare = Fare {
        brand: "Classic".to_owned(),
        cabin_bag_kg: 8,
        checked_bags: 1,
        conditions: Conditions { change: fee(6_000), refund: fee(15_000) },
    };
    let slices = vec![Slice::try_from(out).ok()?, Slice::try_from(vec![first, last]).ok()?];
    offer(slices, Party::new(2, 1, 1).ok()?, prices, fare)
}

/// One adult, one way over the date line, in a currency without decimals.
pub fn over_the_date_line() -> Option<Offer> {
    let out =
        vec![segment(("KZ", 7, "Kazeline"), "HND", "2027-04-02T12:15:00Z", "SFO", "2027-04-02T21:40:00Z")?];
    let prices = vec![price(PassengerKind::Adult, 1, Currency::Jpy, 84_300, &[("Passenger service", 2_950)])];
    let fare = Fare {
        brand: "Light".to_owned(),
        cabin_bag_kg: 7,
        checked_bags: 0,
        conditions: Conditions { change: Condition::No, refund: Condition::Unknown },
    };
    offer(vec![Slice::try_from(out).ok()?], Party::new(1, 0, 0).ok()?, prices, fare)
}

pub fn brief(offer: &Offer) -> Option<Brief> {
    let reference: BookingReference = "K7WQ4M".parse().ok()?;
    Brief::new(&reference, offer).ok()
}

pub fn person(kind: PassengerKind, given: &str, family: &str, ticket: Option<&str>) -> Option<Ticketed> {
    let passenger = Passenger {
        kind,
        given_names: given.to_owned(),
        family_name: family.to_owned(),
        born_on: "1990-05-01".parse().ok()?,
        sex: Sex::X,
    };
    Some(Ticketed { passenger, ticket: ticket.map(str::to_owned) })
}

pub fn family_members() -> Option<Vec<Ticketed>> {
    [
        person(PassengerKind::Adult, "Maria Inês", "Duarte", Some("9991234567890")),
        person(PassengerKind::Adult, "João", "Duarte", Some("9991234567891")),
        person(PassengerKind::Child, "Leonor", "Duarte", Some("9991234567892")),
        person(PassengerKind::Infant, "Tomás", "Duarte", Some("9991234567893")),
    ]
    .into_iter()
    .collect()
}

fn visa(offer: &Offer) -> Payment {
    Payment { amount: offer.total, card: Some(("visa".to_owned(), "4242".to_owned())) }
}

pub fn confirmation(offer: &Offer, passengers: Vec<Ticketed>, is_charged: bool) -> Option<Letter> {
    Some(Letter::BookingConfirmation(BookingConfirmation {
        booking: brief(offer)?,
        pnr: "5RT2LP".to_owned(),
        passengers,
        payment: visa(offer),
        is_charged,
    }))
}

pub fn not_ticketed(offer: &Offer, why: WhyNoTicket, back: Return) -> Option<Letter> {
    Some(Letter::NotTicketed(NotTicketed { booking: brief(offer)?, why, payment: visa(offer), back }))
}

fn returned(offer: &Offer, why: WhyReturned, back: Return, payment: Payment) -> Option<Letter> {
    Some(Letter::MoneyReturned(MoneyReturned {
        booking: brief(offer)?,
        why,
        payment,
        back,
        of_which: Vec::new(),
    }))
}

fn returned_by_line(offer: &Offer) -> Option<Letter> {
    let of = |name: &'static str| Fact::new(name, "Departure tax: EUR 32.10");
    Some(Letter::MoneyReturned(MoneyReturned {
        booking: brief(offer)?,
        why: WhyReturned::Granted,
        payment: Payment { amount: Money::new(6_420, Currency::Eur), ..visa(offer) },
        back: Return::Part,
        of_which: vec![of("Maria Inês Duarte"), of("João Duarte")],
    }))
}

#[cfg(test)]
pub const TOKEN: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

pub fn account_letters() -> Option<Vec<Sample>> {
    let at = at("2026-11-22T16:41:05Z")?;
    let link = |purpose: Purpose| Link {
        token: Token::from_bytes([1; 32]),
        purpose,
        until: at + purpose.lifetime(),
    };
    let new = || "maria.new@example.com".to_owned();
    let factor = |change| Letter::SecondFactorChanged(SecondFactorChanged { at, change });
    let claimed = |references: &[&str]| {
        let brief = brief(&family()?)?;
        let route = format!("{}, {}", brief.route(), brief.days());
        let bookings = references.iter().map(|reference| ((*reference).to_owned(), route.clone())).collect();
        Some(Letter::BookingsClaimed(BookingsClaimed { at, bookings }))
    };
    let changed = |is_new| Letter::EmailChanged(EmailChanged { at, new: new(), is_new });
    Some(vec![
        ("verify_email", Letter::VerifyEmail(VerifyEmail { at, link: link(Purpose::VerifyEmail) })),
        ("account_exists", Letter::AccountExists(AccountExists { at })),
        ("password_reset", Letter::PasswordReset(PasswordReset { at, link: link(Purpose::PasswordReset) })),
        ("account_deleted", Letter::AccountDeleted(AccountDeleted { at })),
        ("password_changed", Letter::PasswordChanged(PasswordChanged { at })),
        ("email_change", Letter::EmailChange(EmailChange { at, link: link(Purpose::EmailChange) })),
        ("email_change_notice", Letter::EmailChangeNotice(EmailChangeNotice { at, new: new() })),
        ("email_changed_to_old", changed(false)),
        ("email_changed_to_new", changed(true)),
        ("second_factor_set", factor(FactorChange::Set)),
        ("second_factor_replaced", factor(FactorChange::Replaced)),
        ("second_factor_removed", factor(FactorChange::Removed)),
        ("bookings_claimed", claimed(&["K7WQ4M"])?),
        ("bookings_claimed_several", claimed(&["K7WQ4M", "P2XH9C"])?),
    ])
}

/// Every kind of letter, under the name of its file.
pub fn letters() -> Option<Vec<Sample>> {
    Some([booking_letters()?, account_letters()?, agency_letters()?].concat())
}

fn agency_letters() -> Option<Vec<Sample>> {
    let since = at("2026-11-22T16:41:05Z")?;
    let open = |kind: &str, detail: &str, booking: Option<&str>| Open {
        kind: kind.to_owned(),
        detail: detail.to_owned(),
        since,
        booking: booking.map(str::to_owned),
    };
    let failed =
        open("refund_failed", "EUR 20.00 is owed to the traveller and did not arrive", Some("K7WQ4M"));
    let one = StaffAlarm { open: vec![failed.clone()] };
    let broken = open("invariant_broken", "every ledger transaction sums to zero", None);
    let many = StaffAlarm { open: [vec![broken], vec![failed; 14]].concat() };
    let paused = |note: &str, why| {
        Letter::HookPaused(HookPaused {
            endpoint: HookEndpointId(uuid::Uuid::from_u128(0x019a_afd1_3c00_7c4e_9d6b_2f6f_7b0f_5a11)),
            server: "hooks.example.com".to_owned(),
            note: note.to_owned(),
            why,
            at: since,
            missed: 14,
        })
    };
    Some(vec![
        ("staff_alarm", Letter::StaffAlarm(one)),
        ("staff_alarm_many", Letter::StaffAlarm(many)),
        ("hook_paused", paused("Accounting", PausedFor::Failing)),
        ("hook_paused_gone", paused("", PausedFor::Gone)),
    ])
}

/// The same flights, each an hour and five minutes later.
fn later(offer: &Offer) -> Option<Offer> {
    let later = |time: &LocalTime, airport: &Airport| {
        let at = time.at.checked_add(jiff::SignedDuration::from_mins(65)).ok()?;
        Some(LocalTime::new(at, &TimeZone::get(&airport.zone).ok()?))
    };
    let mut offer = offer.clone();
    for slice in &mut offer.slices {
        let mut segments: Vec<Segment> = slice.clone().into();
        for segment in &mut segments {
            segment.departs = later(&segment.departs, &segment.from)?;
            segment.arrives = later(&segment.arrives, &segment.to)?;
        }
        *slice = Slice::try_from(segments).ok()?;
    }
    Some(offer)
}

pub fn booking_letters() -> Option<Vec<Sample>> {
    let (family, single) = (family()?, over_the_date_line()?);
    let kenji = vec![person(PassengerKind::Adult, "Kenji", "Sato", None)?];
    let paid_at = at("2026-11-22T16:41:05Z")?;
    let number = || "pi_3QExample0Sandbox".to_owned();
    let receipt = |booking: Brief, passengers| {
        let payment = visa(&booking.offer);
        let pnr = "5RT2LP".to_owned();
        let (charged_at, number) = (paid_at, number());
        Letter::PaymentReceipt(PaymentReceipt { booking, pnr, passengers, payment, charged_at, number })
    };
    let without_card = Payment { amount: single.total, card: None };
    let held_until = at("2026-11-22T16:45:00Z")?;
    let now = at("2026-11-24T09:02:00Z")?;
    let part = || Payment { amount: Money::new(2_000, Currency::Eur), ..visa(&family) };
    let lapsing = |booking| Letter::HoldLapsing(HoldLapsing { booking, held_until });
    let unpaid = |booking| Letter::PayAgain(PayAgain { booking, payment: visa(&family), pay_by: now });
    let expired = |booking| Letter::HoldExpired(HoldExpired { booking, held_until: Some(held_until) });
    let brief_of_family = brief(&family)?;
    let known = || brief_of_family.clone();
    let by_link = || Brief { link: Some(Token::from_bytes([7; 32])), ..known() };
    let (payment, at) = (part(), now);
    let paid = RefundPaid { booking: known(), payment: payment.clone(), at, number: number() };
    let failed = RefundFailed { booking: known(), payment: payment.clone(), at, number: number() };
    let payout = Payout {
        way: Way::BankTransfer,
        paid_on: "2026-11-24".parse().ok()?,
        proof: "FT26328-0041".to_owned(),
    };
    let by_hand = RefundPaidByHand { booking: known(), payment, payout, at, number: number() };
    let cancelled = cancel::samples::letters(&known(), &visa(&family))?;
    let moved = later(&family)?;
    let left = vec![family.slices.first()?.clone()];
    let fewer = Brief { offer: Offer { slices: left.clone(), ..family.clone() }, ..known() };
    let changed = |booking: Brief, flights| {
        let before = family.slices.clone();
        Letter::AirlineChange(AirlineChanged { booking, before, flights })
    };
    let letters = vec![
        ("booking_confirmation", confirmation(&family, family_members()?, true)?),
        ("booking_confirmation_not_yet_charged", confirmation(&single, kenji.clone(), false)?),
        ("payment_receipt", receipt(known(), family_members()?)),
        ("payment_receipt_jpy", receipt(brief(&single)?, kenji)),
        ("pay_again", unpaid(known())),
        ("pay_again_without_an_account", unpaid(by_link())),
        ("not_ticketed_released", not_ticketed(&family, WhyNoTicket::SoldOut, Return::Release)?),
        ("not_ticketed_refunded", not_ticketed(&single, WhyNoTicket::SupplierUnavailable, Return::Refund)?),
        ("hold_lapsing", lapsing(known())),
        ("hold_lapsing_without_an_account", lapsing(by_link())),
        ("hold_expired", expired(known())),
        ("hold_expired_without_an_account", expired(by_link())),
        (
            "money_returned_second_payment",
            returned(&family, WhyReturned::PaidAlready, Return::Release, visa(&family))?,
        ),
        (
            "money_returned_after_end",
            returned(&single, WhyReturned::BookingEnded, Return::Refund, without_card)?,
        ),
        ("money_returned_granted", returned(&family, WhyReturned::Granted, Return::Part, part())?),
        ("money_returned_by_line", returned_by_line(&family)?),
        ("refund_paid", Letter::RefundPaid(paid)),
        ("refund_failed", Letter::RefundFailed(failed)),
        ("refund_paid_by_hand", Letter::RefundPaidByHand(by_hand)),
        (
            "airline_change",
            changed(Brief { offer: moved.clone(), ..known() }, Flights::Rescheduled(moved.slices)),
        ),
        ("airline_change_replaced", changed(fewer, Flights::Replaced(left))),
        ("airline_change_cancelled", changed(by_link(), Flights::Cancelled)),
        ("booking_link", Letter::BookingLink(BookingLink { booking: by_link() })),
        ("booking_link_to_an_account", Letter::BookingLink(BookingLink { booking: known() })),
    ];
    Some([letters, cancelled].concat())
}
