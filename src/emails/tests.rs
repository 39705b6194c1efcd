//! Every letter against its text on file, and what holds for all of them. After a wanted change of words:
//! `GOLDEN=write cargo test --lib emails`, then read the difference.

use std::{fs, path::PathBuf};

use jiff::{Timestamp, tz::TimeZone};
use proptest::prelude::*;

use super::{
    account::{
        AccountDeleted, AccountExists, BookingsClaimed, EmailChange, EmailChangeNotice, EmailChanged,
        FactorChange, Link, PasswordChanged, PasswordReset, SecondFactorChanged, VerifyEmail,
    },
    alarm::{Open, StaffAlarm},
    facts::{Brief, Payment, Return, Ticketed},
    letters::{
        BookingConfirmation, BookingLink, Composed, HoldExpired, HoldLapsing, Letter, MoneyReturned,
        NotTicketed, PaymentReceipt, Sender, WhyNoTicket, WhyReturned, subject_line,
    },
    plain,
    refunds::{RefundFailed, RefundPaid},
    without_addresses,
};
use crate::{
    accounts::Purpose,
    airports::Airports,
    config::Site,
    ids::{BookingReference, Token},
    itinerary::{
        Airport, Cabin, Carrier, Condition, Conditions, DocumentRule, Fare, LocalTime, Offer, OfferId, Party,
        Passenger, PassengerKind, PassengerPrice, Segment, Sex, Slice, Tax,
    },
    money::{Currency, Money},
    outbox::MailKind,
};

fn sender(demo: bool) -> Sender {
    Sender {
        site: Site {
            name: "Jetbridge".to_owned(),
            seller_name: "Jetbridge Travel Lda".to_owned(),
            seller_address: "Rua do Demo 1, Lisbon".to_owned(),
            seller_email: "help@jetbridge.example".to_owned(),
        },
        base_url: "https://jetbridge.example".to_owned(),
        demo,
        staff: "money@jetbridge.example".to_owned(),
    }
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn airport(code: &str) -> &'static Airport {
    Airports::world().airport(code.parse().unwrap()).unwrap()
}

fn segment(flight: (&str, u16, &str), from: &str, departs: &str, to: &str, arrives: &str) -> Segment {
    let (code, number, name) = flight;
    let local =
        |time: &str, airport: &Airport| LocalTime::new(at(time), &TimeZone::get(&airport.zone).unwrap());
    Segment {
        carrier: Carrier { code: code.to_owned(), name: name.to_owned() },
        number,
        operated_by: None,
        from: airport(from).clone(),
        to: airport(to).clone(),
        departs: local(departs, airport(from)),
        arrives: local(arrives, airport(to)),
        aircraft: "Airbus A330-900".to_owned(),
        cabin: Cabin::Economy,
        fare_basis: "YCLASSIC".to_owned(),
    }
}

fn price(
    kind: PassengerKind,
    count: u8,
    currency: Currency,
    fare: i64,
    taxes: &[(&str, i64)],
) -> PassengerPrice {
    let taxes = taxes.iter().map(|(name, minor)| Tax {
        code: name[..2].to_uppercase(),
        name: (*name).to_owned(),
        amount: Money::new(*minor, currency),
    });
    PassengerPrice { kind, count, fare: Money::new(fare, currency), taxes: taxes.collect() }
}

fn offer(slices: Vec<Slice>, party: Party, prices: Vec<PassengerPrice>, fare: Fare) -> Offer {
    let currency = prices[0].fare.currency;
    let mut offer = Offer {
        id: OfferId("sample".to_owned()),
        slices,
        party,
        cabin: Cabin::Economy,
        fare,
        prices,
        total: Money::zero(currency),
        quoted_at: at("2026-11-22T16:00:00Z"),
        expires_at: at("2026-11-22T16:30:00Z"),
        co2_grams: None,
        documents: DocumentRule::NotAsked,
    };
    offer.total = offer.sum_of_prices(currency).unwrap();
    offer
}

/// Two adults, a child and an infant; out direct, back by Reykjavík over night on two airlines.
fn family() -> Offer {
    let out = vec![segment(
        ("HX", 118, "Halcyon Air"),
        "LIS",
        "2027-03-12T10:35:00Z",
        "JFK",
        "2027-03-12T18:45:00Z",
    )];
    let mut last =
        segment(("HX", 441, "Halcyon Air"), "KEF", "2027-03-27T08:20:00Z", "LIS", "2027-03-27T12:20:00Z");
    last.operated_by = Some(Carrier { code: "TQ".to_owned(), name: "Tagus Regional".to_owned() });
    let first =
        segment(("NO", 602, "Norrland"), "JFK", "2027-03-27T00:40:00Z", "KEF", "2027-03-27T06:30:00Z");
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
    let slices = vec![Slice::try_from(out).unwrap(), Slice::try_from(vec![first, last]).unwrap()];
    offer(slices, Party::new(2, 1, 1).unwrap(), prices, fare)
}

/// One adult, one way over the date line, in a currency without decimals.
fn over_the_date_line() -> Offer {
    let out =
        vec![segment(("KZ", 7, "Kazeline"), "HND", "2027-04-02T12:15:00Z", "SFO", "2027-04-02T21:40:00Z")];
    let prices = vec![price(PassengerKind::Adult, 1, Currency::Jpy, 84_300, &[("Passenger service", 2_950)])];
    let fare = Fare {
        brand: "Light".to_owned(),
        cabin_bag_kg: 7,
        checked_bags: 0,
        conditions: Conditions { change: Condition::No, refund: Condition::Unknown },
    };
    offer(vec![Slice::try_from(out).unwrap()], Party::new(1, 0, 0).unwrap(), prices, fare)
}

fn brief(offer: &Offer) -> Brief {
    let reference: BookingReference = "K7WQ4M".parse().unwrap();
    Brief::new(&reference, offer).unwrap()
}

fn person(kind: PassengerKind, given: &str, family: &str, ticket: Option<&str>) -> Ticketed {
    let passenger = Passenger {
        kind,
        given_names: given.to_owned(),
        family_name: family.to_owned(),
        born_on: "1990-05-01".parse().unwrap(),
        sex: Sex::X,
    };
    Ticketed { passenger, ticket: ticket.map(str::to_owned) }
}

fn family_members() -> Vec<Ticketed> {
    vec![
        person(PassengerKind::Adult, "Maria Inês", "Duarte", Some("9991234567890")),
        person(PassengerKind::Adult, "João", "Duarte", Some("9991234567891")),
        person(PassengerKind::Child, "Leonor", "Duarte", Some("9991234567892")),
        person(PassengerKind::Infant, "Tomás", "Duarte", Some("9991234567893")),
    ]
}

fn visa(offer: &Offer) -> Payment {
    Payment { amount: offer.total, card: Some(("visa".to_owned(), "4242".to_owned())) }
}

fn confirmation(offer: &Offer, passengers: Vec<Ticketed>, is_charged: bool) -> Letter {
    Letter::BookingConfirmation(BookingConfirmation {
        booking: brief(offer),
        pnr: "5RT2LP".to_owned(),
        passengers,
        payment: visa(offer),
        is_charged,
    })
}

fn not_ticketed(offer: &Offer, why: WhyNoTicket, back: Return) -> Letter {
    Letter::NotTicketed(NotTicketed { booking: brief(offer), why, payment: visa(offer), back })
}

fn returned(offer: &Offer, why: WhyReturned, back: Return, payment: Payment) -> Letter {
    Letter::MoneyReturned(MoneyReturned { booking: brief(offer), why, payment, back })
}

const TOKEN: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

fn account_letters() -> Vec<(&'static str, Letter)> {
    let at = at("2026-11-22T16:41:05Z");
    let link = |purpose: Purpose| Link {
        token: Token::from_bytes([1; 32]),
        purpose,
        until: at + purpose.lifetime(),
    };
    let new = || "maria.new@example.com".to_owned();
    let factor = |change| Letter::SecondFactorChanged(SecondFactorChanged { at, change });
    let claimed = |references: &[&str]| {
        let route = format!("{}, {}", brief(&family()).route(), brief(&family()).days());
        let bookings = references.iter().map(|reference| ((*reference).to_owned(), route.clone())).collect();
        Letter::BookingsClaimed(BookingsClaimed { at, bookings })
    };
    let changed = |is_new| Letter::EmailChanged(EmailChanged { at, new: new(), is_new });
    vec![
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
        ("bookings_claimed", claimed(&["K7WQ4M"])),
        ("bookings_claimed_several", claimed(&["K7WQ4M", "P2XH9C"])),
    ]
}

/// Every kind of letter, under the name of its file.
fn letters() -> Vec<(&'static str, Letter)> {
    [booking_letters(), account_letters(), agency_letters()].concat()
}

fn agency_letters() -> Vec<(&'static str, Letter)> {
    let open = |kind: &str, detail: &str, booking: Option<&str>| Open {
        kind: kind.to_owned(),
        detail: detail.to_owned(),
        since: at("2026-11-22T16:41:05Z"),
        booking: booking.map(str::to_owned),
    };
    let failed =
        open("refund_failed", "EUR 20.00 is owed to the traveller and did not arrive", Some("K7WQ4M"));
    let one = StaffAlarm { open: vec![failed.clone()] };
    let broken = open("invariant_broken", "every ledger transaction sums to zero", None);
    let many = StaffAlarm { open: [vec![broken], vec![failed; 14]].concat() };
    vec![("staff_alarm", Letter::StaffAlarm(one)), ("staff_alarm_many", Letter::StaffAlarm(many))]
}

fn booking_letters() -> Vec<(&'static str, Letter)> {
    let (family, single) = (family(), over_the_date_line());
    let kenji = || vec![person(PassengerKind::Adult, "Kenji", "Sato", None)];
    let receipt = |offer: &Offer, passengers| {
        Letter::PaymentReceipt(PaymentReceipt {
            booking: brief(offer),
            pnr: "5RT2LP".to_owned(),
            passengers,
            payment: visa(offer),
            charged_at: at("2026-11-22T16:41:05Z"),
            number: "pi_3QExample0Sandbox".to_owned(),
        })
    };
    let without_card = Payment { amount: single.total, card: None };
    let held_until = Some(at("2026-11-22T16:45:00Z"));
    let now = at("2026-11-24T09:02:00Z");
    let number = || "pi_3QExample0Sandbox".to_owned();
    let part = || Payment { amount: Money::new(2_000, Currency::Eur), ..visa(&family) };
    let lapsing =
        |booking| Letter::HoldLapsing(HoldLapsing { booking, held_until: at("2026-11-22T16:45:00Z") });
    let by_link = || Brief { link: Some(Token::from_bytes([7; 32])), ..brief(&family) };
    vec![
        ("booking_confirmation", confirmation(&family, family_members(), true)),
        ("booking_confirmation_not_yet_charged", confirmation(&single, kenji(), false)),
        ("payment_receipt", receipt(&family, family_members())),
        ("payment_receipt_jpy", receipt(&single, kenji())),
        ("not_ticketed_released", not_ticketed(&family, WhyNoTicket::SoldOut, Return::Release)),
        ("not_ticketed_refunded", not_ticketed(&single, WhyNoTicket::SupplierUnavailable, Return::Refund)),
        ("hold_lapsing", lapsing(brief(&family))),
        ("hold_lapsing_without_an_account", lapsing(by_link())),
        (
            "refund_paid",
            Letter::RefundPaid(RefundPaid {
                booking: brief(&family),
                payment: part(),
                at: now,
                number: number(),
            }),
        ),
        (
            "refund_failed",
            Letter::RefundFailed(RefundFailed {
                booking: brief(&family),
                payment: part(),
                at: now,
                number: number(),
            }),
        ),
        ("hold_expired", Letter::HoldExpired(HoldExpired { booking: brief(&family), held_until })),
        (
            "money_returned_second_payment",
            returned(&family, WhyReturned::PaidAlready, Return::Release, visa(&family)),
        ),
        (
            "money_returned_after_end",
            returned(&single, WhyReturned::BookingEnded, Return::Refund, without_card),
        ),
        (
            "money_returned_granted",
            returned(
                &family,
                WhyReturned::Granted,
                Return::Part,
                Payment { amount: Money::new(2_000, Currency::Eur), ..visa(&family) },
            ),
        ),
        ("booking_link", Letter::BookingLink(BookingLink { booking: by_link() })),
        ("booking_link_to_an_account", Letter::BookingLink(BookingLink { booking: brief(&family) })),
        (
            "hold_expired_without_an_account",
            Letter::HoldExpired(HoldExpired { booking: by_link(), held_until }),
        ),
    ]
}

fn compose(letter: &Letter) -> Composed {
    letter.compose(&sender(true)).unwrap()
}

fn compare(file: &str, text: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/emails/golden").join(file);
    if std::env::var_os("GOLDEN").is_some_and(|word| word == "write") {
        fs::write(&path, text).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "{file} differs from what is on file. It is now:\n{text}");
}

#[test]
fn every_letter_reads_as_it_is_on_file() {
    for (name, letter) in letters() {
        let Composed { subject, text, html } = compose(&letter);
        compare(&format!("{name}.txt"), &format!("Subject: {subject}\n\n{text}"));
        compare(&format!("{name}.html"), &html);
    }
}

#[test]
fn every_kind_of_mail_has_a_letter_on_file() {
    for kind in MailKind::ALL {
        let found = letters().iter().any(|(name, _)| name.starts_with(kind.code()));
        assert!(found, "{}", kind.code());
    }
}

#[test]
fn nothing_is_left_unfilled_and_every_link_is_absolute() {
    for (name, letter) in letters() {
        let Composed { subject, text, html } = compose(&letter);
        for part in [&subject, &text, &html] {
            assert!(!part.contains("{{") && !part.contains("{%") && !part.contains("None"), "{name}: {part}");
        }
        let links: Vec<&str> =
            html.split("href=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(!links.is_empty(), "{name}");
        for link in links {
            let is_absolute =
                link.starts_with("https://jetbridge.example/") || link == "mailto:help@jetbridge.example";
            assert!(is_absolute, "{name}: {link}");
        }
        for foreign in ["<img", "<script", "src=", "url(", "@import", "<link"] {
            assert!(!html.contains(foreign), "{name}: {foreign}");
        }
    }
}

#[test]
fn a_letter_about_a_booking_names_it_and_leads_to_it() {
    for (name, letter) in booking_letters() {
        let Composed { subject, text, html } = compose(&letter);
        assert!(subject.contains("K7WQ4M"), "{name}");
        let by_link = text.contains("https://jetbridge.example/booking-link/");
        assert_ne!(by_link, text.contains("https://jetbridge.example/bookings/K7WQ4M"), "{name}");
        assert_eq!(by_link, html.contains("https://jetbridge.example/booking-link/"), "{name}");
    }
}

#[test]
fn a_letter_about_an_account_says_when_what_to_do_and_no_secret_but_its_link() {
    for (name, letter) in account_letters() {
        let Composed { subject, text, html } = compose(&letter);
        let words = text.replace('\n', " ");
        assert!(words.contains("22\u{a0}Nov\u{a0}2026, 16:41\u{a0}UTC"), "{name}: {text}");
        assert!(words.contains("If it was not you: "), "{name}: {text}");
        assert!(words.contains("We never ask for your password"), "{name}");
        let carries = ["verify_email", "password_reset", "email_change"].contains(&name);
        assert_eq!((text.contains(TOKEN), html.contains(TOKEN)), (carries, carries), "{name}");
        assert!(!subject.contains(TOKEN) && !format!("{letter:?}").contains(TOKEN), "{name}");
    }
}

#[test]
fn plain_text_stays_within_76_columns() {
    for (name, letter) in letters() {
        for line in compose(&letter).text.lines() {
            // An address is never broken.
            let is_link = line.starts_with("https://") && !line.contains(' ');
            assert!(is_link || line.chars().count() <= plain::WIDTH, "{name}: {line}");
            assert_eq!(line, line.trim_end(), "{name}");
        }
    }
}

#[test]
fn only_pretended_bookings_say_that_nothing_is_real() {
    for (name, letter) in letters() {
        let real = letter.compose(&sender(false)).unwrap();
        assert!(!real.text.contains("Demo.") && !real.html.contains("Demo."), "{name}");
        let pretended = compose(&letter);
        assert!(pretended.text.starts_with("Demo. Nothing here is real"), "{name}");
        assert!(pretended.html.contains("Demo. Nothing here is real"), "{name}");
    }
}

#[test]
fn a_name_is_text_and_never_markup_or_a_second_line() {
    let evil = person(PassengerKind::Adult, "<b>Bobby</b>\r\nBcc: x@evil.example", "\"&Tables", None);
    let Composed { text, html, .. } = compose(&confirmation(&over_the_date_line(), vec![evil], true));
    assert!(!html.contains("<b>") && html.contains("&lt;b&gt;Bobby&lt;/b&gt; Bcc:"), "{html}");
    assert!(text.contains("<b>Bobby</b> Bcc: x@evil.example \"&Tables"), "{text}");
}

#[test]
fn every_reason_has_words_that_say_both_facts() {
    let codes = ["sold_out", "refused", "price_up", "offer_gone", "supplier_unavailable", "moon_in_the_way"];
    let mut told = std::collections::BTreeSet::new();
    for code in codes {
        for (back, money) in [(Return::Release, "never charged"), (Return::Refund, "refunded")] {
            let letter = not_ticketed(&family(), WhyNoTicket::from_code(code), back);
            let text = compose(&letter).text.replace('\n', " ");
            assert!(text.contains("You have no ticket") && text.contains(money), "{code}: {text}");
            assert!(text.contains("EUR\u{a0}1,672.55 total"), "{text}");
        }
        told.insert(WhyNoTicket::from_code(code).in_words());
    }
    assert_eq!(told.len(), codes.len(), "each in words of its own");
}

#[test]
fn the_price_lines_add_up_to_the_total() {
    for offer in [family(), over_the_date_line()] {
        let lines = brief(&offer).price_lines;
        let sum = Money::sum(offer.total.currency, lines.iter().map(|(_, amount)| *amount));
        assert_eq!(sum, Ok(offer.total));
    }
}

#[test]
fn a_route_is_told_as_people_say_it() {
    let mut offer = family();
    assert_eq!(brief(&offer).route(), "Lisbon to New York and back");
    offer.slices.pop();
    assert_eq!(brief(&offer).route(), "Lisbon to New York");
    offer.slices.extend(over_the_date_line().slices);
    assert_eq!(brief(&offer).route(), "Lisbon to New York, Tokyo to San Francisco");
}

#[test]
fn the_days_of_a_journey_are_told_once_each_and_a_year_where_it_changes() {
    let mut offer = family();
    assert_eq!(brief(&offer).days(), "12 March to 26 March 2027");
    let back = Slice::try_from(vec![segment(
        ("HX", 119, "Halcyon Air"),
        "JFK",
        "2028-01-03T23:00:00Z",
        "LIS",
        "2028-01-04T05:30:00Z",
    )]);
    offer.slices[1] = back.unwrap();
    assert_eq!(brief(&offer).days(), "12 March 2027 to 3 January 2028");
    offer.slices[1] = offer.slices[0].clone();
    assert_eq!(brief(&offer).days(), "12 March 2027");
}

#[test]
fn what_a_mail_server_says_is_kept_without_addresses() {
    assert_eq!(
        without_addresses("550 5.1.1 <maria@example.com>: no such\r\nuser"),
        "550 5.1.1 (address) no such user"
    );
    assert_eq!(without_addresses(&"long ".repeat(200)).len(), 300);
}

proptest! {
    #[test]
    fn a_subject_is_one_short_line_whatever_is_in_it(text in any::<String>()) {
        let subject = subject_line(&text);
        prop_assert!(!subject.chars().any(char::is_control));
        prop_assert!(subject.chars().count() <= 120);
    }

    #[test]
    fn setting_text_loses_no_word(text in "[a-zäß ,.\n]{0,400}") {
        let set = plain::set(&text);
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        prop_assert_eq!(words(&set), words(&text));
    }
}
