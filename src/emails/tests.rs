//! Every letter against its text on file, and what holds for all of them. After a wanted change of words:
//! `GOLDEN=write cargo test --lib emails`, then read the difference.

use std::{fs, path::PathBuf};

use proptest::prelude::*;

use super::{
    facts::{Brief, Return},
    letters::{Composed, Letter, Sender, WhyNoTicket, subject_line},
    plain, samples, without_addresses,
};
use crate::{
    config::Site,
    itinerary::{Offer, PassengerKind, Slice},
    money::Money,
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

fn family() -> Offer {
    samples::family().unwrap()
}

fn over_the_date_line() -> Offer {
    samples::over_the_date_line().unwrap()
}

fn brief(offer: &Offer) -> Brief {
    samples::brief(offer).unwrap()
}

fn booking_letters() -> Vec<(&'static str, Letter)> {
    samples::booking_letters().unwrap()
}

fn account_letters() -> Vec<(&'static str, Letter)> {
    samples::account_letters().unwrap()
}

fn letters() -> Vec<(&'static str, Letter)> {
    samples::letters().unwrap()
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
        assert_eq!(
            (text.contains(samples::TOKEN), html.contains(samples::TOKEN)),
            (carries, carries),
            "{name}"
        );
        assert!(
            !subject.contains(samples::TOKEN) && !format!("{letter:?}").contains(samples::TOKEN),
            "{name}"
        );
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
    let evil =
        samples::person(PassengerKind::Adult, "<b>Bobby</b>\r\nBcc: x@evil.example", "\"&Tables", None);
    let evil = samples::confirmation(&over_the_date_line(), vec![evil.unwrap()], true).unwrap();
    let Composed { text, html, .. } = compose(&evil);
    assert!(!html.contains("<b>") && html.contains("&lt;b&gt;Bobby&lt;/b&gt; Bcc:"), "{html}");
    assert!(text.contains("<b>Bobby</b> Bcc: x@evil.example \"&Tables"), "{text}");
}

#[test]
fn every_reason_has_words_that_say_both_facts() {
    let codes = [
        "sold_out",
        "refused",
        "price_up",
        "offer_gone",
        "supplier_unavailable",
        "not_as_asked",
        "moon_in_the_way",
    ];
    let mut told = std::collections::BTreeSet::new();
    for code in codes {
        for (back, money) in [(Return::Release, "never charged"), (Return::Refund, "refunded")] {
            let letter = samples::not_ticketed(&family(), WhyNoTicket::from_code(code), back).unwrap();
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
    let back = Slice::try_from(vec![
        samples::segment(
            ("HX", 119, "Halcyon Air"),
            "JFK",
            "2028-01-03T23:00:00Z",
            "LIS",
            "2028-01-04T05:30:00Z",
        )
        .unwrap(),
    ]);
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
