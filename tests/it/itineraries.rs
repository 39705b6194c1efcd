//! The papers of a booking, read by programs that know nothing of ours: every field is there, in a file that anybody opens,
//! for whoever may open the booking and for nobody else.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use jiff_sqlx::ToSqlx as _;
use mail_parser::{MessageParser, MimeHeaders};

use crate::helpers::{app::TestApp, browser::Browser, page::Page};

/// The text of a PDF as poppler reads it, white space folded.
fn text_of(pdf: &[u8]) -> String {
    assert!(pdf.starts_with(b"%PDF-"), "no PDF");
    let mut reader = Command::new("pdftotext")
        .args(["-layout", "-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("pdftotext reads the papers: install poppler-utils");
    reader.stdin.take().unwrap().write_all(pdf).unwrap();
    let done = reader.wait_with_output().unwrap();
    let complaints = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && complaints.is_empty(), "{complaints}");
    folded(&String::from_utf8(done.stdout).unwrap())
}

fn folded(text: &str) -> String {
    text.replace('\u{a0}', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

async fn paper(browser: &Browser, reference: &str, name: &str) -> Page {
    browser.get(&format!("/bookings/{reference}/{name}")).await.expect(200)
}

/// What the papers of this booking must say, from its rows.
async fn expected(app: &TestApp, reference: &str) -> Vec<String> {
    let fields = format!(
        "select unnest(array[
            b.booking_reference, b.pnr, 'Maria Inês Duarte',
            left(p.ticket_number, 3) || ' ' || substr(p.ticket_number, 4),
            b.quote->'slices'->0->0->'carrier'->>'name',
            b.quote->'slices'->0->0->'carrier'->>'code' || ' ' || (b.quote->'slices'->0->0->>'number'),
            b.quote->'slices'->0->0->>'fare_basis',
            b.quote->'slices'->0->0->>'aircraft',
            'operated by',
            'LIS Lisbon', 'LHR London',
            to_char((b.quote->'slices'->0->0->'departs'->>'local')::timestamp, 'HH24:MI'),
            to_char((b.quote->'slices'->0->0->'arrives'->>'local')::timestamp, 'HH24:MI'),
            'Mon 14 Dec 2026', 'Economy', b.quote->'fare'->>'brand', 'Checked bag', 'Cabin bag of',
            b.quote->'prices'->0->'taxes'->0->>'name', 'Fare, 1 adult', 'Total, all taxes included',
            'EUR ' || to_char(b.amount_minor / 100.0, 'FM999G990.00'),
            'Visa ending 4242', 'Change', 'Refund',
            'Jetbridge Travel Lda', 'Rua do Demo 1, Lisbon', 'help@jetbridge.example',
            '23 Nov 2026, 09:00 (Lisbon time)'])
           from bookings b join passengers p on p.booking_id = b.id where b.booking_reference = '{reference}'"
    );
    app.texts(&fields).await
}

#[tokio::test]
async fn the_itinerary_receipt_has_every_field_as_a_page_and_as_a_file_that_others_read() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    let file = paper(&alice, &reference, "itinerary.pdf").await;
    assert_eq!(file.header("content-type"), Some("application/pdf"));
    let disposition = format!("inline; filename=\"itinerary-{reference}.pdf\"");
    assert_eq!(file.header("content-disposition"), Some(disposition.as_str()));
    let text = text_of(&file.bytes);
    let fields = expected(&app, &reference).await;
    assert!(fields.len() > 25);
    for field in &fields {
        assert!(text.contains(&folded(field)), "no {field:?} in the PDF: {text}");
    }
    assert!(text.contains("Status: Confirmed") && text.contains("Page 1 of 1"), "{text}");
    assert!(!text.contains("Not valid for travel"), "{text}");
    assert!(
        file.bytes.len() < 120_000,
        "{} bytes: only the letters that are used go with it",
        file.bytes.len()
    );

    let page = paper(&alice, &reference, "itinerary").await;
    let words = folded(&page.words());
    for field in &fields {
        let on_page = match field.as_str() {
            // The page says these in other words.
            "LIS Lisbon" => "Lisbon",
            "LHR London" => "London",
            "operated by" => "Operated by",
            "Mon 14 Dec 2026" => "14 Dec",
            "Total, all taxes included" => "all taxes included",
            "Checked bag" => "checked bag",
            field => field,
        };
        assert!(words.contains(&folded(on_page)), "no {on_page:?} on the page: {words}");
    }
    alice
        .get(&format!("/bookings/{reference}"))
        .await
        .expect(200)
        .attr(&format!("a[href='/bookings/{reference}/itinerary.pdf']"), "href");
    app.finish().await;
}

#[tokio::test]
async fn before_there_is_a_ticket_no_paper_is_valid_for_travel_and_nothing_is_a_receipt() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let text = text_of(&paper(&alice, &reference, "itinerary.pdf").await.bytes);
    for words in [
        "Not valid for travel. No ticket has been issued for this booking yet.",
        "No ticket number",
        "None yet",
        "Status: Not ticketed",
        "Nothing has been charged yet",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    paper(&alice, &reference, "itinerary").await.says("Not valid for travel");
    let text = text_of(&paper(&alice, &reference, "receipt.pdf").await.bytes);
    assert!(text.contains("Nothing has been charged") && text.contains("This is not a receipt"), "{text}");
    let calendar = paper(&alice, &reference, "calendar.ics").await.body;
    assert!(
        calendar.contains("STATUS:TENTATIVE") && calendar.contains("SUMMARY:Not ticketed: "),
        "{calendar}"
    );
    app.finish().await;
}

#[tokio::test]
async fn the_receipt_tells_what_was_taken_and_what_went_back() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    let amount =
        app.texts("select 'EUR ' || to_char(captured_minor / 100.0, 'FM999G990.00') from attempts").await;
    let text = text_of(&paper(&alice, &reference, "receipt.pdf").await.bytes);
    for words in
        [&format!("{} paid", amount[0]), "Charged, Visa ending 4242", "Maria Inês Duarte", &reference]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(text.contains(&app.stripe.intents()[0].id), "{text}");
    assert!(!text.contains("Refunded"), "{text}");
    app.finish().await;
}

#[tokio::test]
async fn whoever_holds_the_link_has_the_papers_and_nobody_else() {
    let app = TestApp::start().await;
    let (dora, reference) = app.dora().await;
    let bob = app.bob().await;
    for name in ["itinerary", "itinerary.pdf", "receipt.pdf", "calendar.ics"] {
        paper(&dora, &reference, name).await;
        let page = bob.get(&format!("/bookings/{reference}/{name}")).await;
        let missing = bob.get(&format!("/bookings/ACDEFG/{name}")).await.expect(404);
        assert_eq!((page.status, page.h1()), (missing.status, missing.h1()));
        assert!(!page.body.contains("%PDF") && !page.body.contains("VCALENDAR"));
    }
    app.finish().await;
}

#[tokio::test]
async fn the_calendar_has_an_entry_for_each_flight_that_keeps_its_name_for_ever() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let before = paper(&alice, &reference, "calendar.ics").await;
    let session = app.press_pay(&alice, &reference).await;
    app.stripe.pay(&session.id, crate::helpers::story::GOOD_CARD).expect("pays");
    app.settle().await;
    let after = paper(&alice, &reference, "calendar.ics").await;
    assert_eq!(after.header("content-type"), Some("text/calendar; charset=utf-8; method=PUBLISH"));
    let names = |page: &Page, name: &str| -> Vec<String> {
        page.body
            .lines()
            .filter_map(|line| line.strip_prefix(name))
            .map(|line| line.trim().to_owned())
            .collect()
    };
    assert_eq!(names(&before, "UID:"), names(&after, "UID:"));
    assert_eq!(
        (names(&before, "SEQUENCE:"), names(&after, "SEQUENCE:")),
        (vec!["0".to_owned()], vec!["1".to_owned()])
    );
    let pnr = app.texts("select pnr from bookings").await.remove(0);
    let calendar: icalendar::Calendar = after.body.parse().expect("a calendar");
    let [event] = calendar.events().collect::<Vec<_>>()[..] else { panic!("{calendar:?}") };
    use icalendar::Component as _;
    assert!(event.get_description().unwrap().contains(&format!("Airline reference {pnr}")), "{event:?}");
    assert_eq!(event.property_value("STATUS"), Some("CONFIRMED"));
    // The wall clock of the airport, and the zone that it goes by.
    let departs = app.texts("select to_char((quote->'slices'->0->0->'departs'->>'local')::timestamp, 'YYYYMMDD\"T\"HH24MISS') from bookings").await;
    assert!(after.body.contains(&format!("DTSTART;TZID=Europe/Lisbon:{}", departs[0])), "{}", after.body);
    assert!(after.body.contains("DTEND;TZID=Europe/London:"), "{}", after.body);
    app.finish().await;
}

#[tokio::test]
async fn the_confirmation_carries_itinerary_and_calendar_and_the_receipt_its_paper() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    let mails = app.mailbox.list();
    let about = |subject: &str| {
        let mail = mails.iter().find(|mail| mail.subject.starts_with(subject)).expect("the mail");
        MessageParser::default().parse(&mail.raw).expect("a mail")
    };
    let confirmation = about("Confirmed: ");
    assert!(confirmation.body_text(0).unwrap().contains(&reference) && confirmation.body_html(0).is_some());
    let parts: Vec<_> = confirmation.attachments().collect();
    let kinds: Vec<(String, String)> = parts
        .iter()
        .map(|part| {
            let kind = part.content_type().unwrap();
            let name = part.attachment_name().unwrap().to_owned();
            (name, format!("{}/{}", kind.ctype(), kind.subtype().unwrap()))
        })
        .collect();
    assert_eq!(
        kinds,
        [
            (format!("itinerary-{reference}.pdf"), "application/pdf".to_owned()),
            (format!("flights-{reference}.ics"), "text/calendar".to_owned()),
        ]
    );
    let text = text_of(parts[0].contents());
    let ticket = app.texts("select substr(ticket_number, 4) from passengers").await.remove(0);
    assert!(text.contains(&ticket), "{text}");
    let calendar = String::from_utf8(parts[1].contents().to_vec()).unwrap();
    assert!(
        calendar.parse::<icalendar::Calendar>().is_ok() && calendar.contains("STATUS:CONFIRMED"),
        "{calendar}"
    );

    let receipt = about("Receipt: ");
    let paper = receipt.attachments().next().expect("a paper");
    assert_eq!(paper.attachment_name(), Some(format!("receipt-{reference}.pdf").as_str()));
    assert!(text_of(paper.contents()).contains("Charged, Visa ending 4242"));
    app.finish().await;
}

#[tokio::test]
async fn a_name_that_no_type_has_letters_for_breaks_nothing() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.draft(&alice).await;
    let now = app.now().to_sqlx();
    let mut sql = app.sql().await;
    sqlx::query("update passengers set given_names = $1, created_at = $2 where family_name = 'Duarte'")
        .bind("Zoë 東京 🛫 \u{202e}Łucja")
        .bind(now)
        .execute(&mut sql)
        .await
        .unwrap();
    let text = text_of(&paper(&alice, &reference, "itinerary.pdf").await.bytes);
    assert!(text.contains("Zoë ??") && text.contains("Łucja Duarte"), "{text}");
    app.finish().await;
}
