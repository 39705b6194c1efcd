//! What answers a bank that disputes a charge: one download, complete, for those who may, and written down.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::helpers::{app::TestApp, page::Page};

/// The files of a ZIP whose files are stored as they are.
fn files(page: &Page) -> BTreeMap<String, Vec<u8>> {
    let bytes = &page.bytes;
    let number = |at: usize, length: usize| {
        bytes[at..at + length].iter().rev().fold(0_usize, |number, byte| number << 8 | usize::from(*byte))
    };
    let end = bytes.len() - 22;
    assert_eq!(&bytes[end..end + 4], b"PK\x05\x06");
    let mut at = number(end + 16, 4);
    let mut files = BTreeMap::new();
    for _ in 0..number(end + 10, 2) {
        let (length, name, offset) = (number(at + 24, 4), number(at + 28, 2), number(at + 42, 4));
        let begins = offset + 30 + name;
        let name = String::from_utf8(bytes[at + 46..at + 46 + name].to_vec()).unwrap();
        at += 46 + name.len();
        files.insert(name, bytes[begins..begins + length].to_vec());
    }
    files
}

fn text(files: &BTreeMap<String, Vec<u8>>, name: &str) -> String {
    let bytes = files.get(name).unwrap_or_else(|| panic!("{name} is not among {:?}", files.keys()));
    String::from_utf8(bytes.clone()).unwrap()
}

#[tokio::test]
async fn the_pack_holds_papers_acceptance_letters_and_story_and_taking_it_is_written_down() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    let finance = app.staff("finance").await;
    let page = finance.get(&format!("/admin/bookings/{reference}")).await.expect(200);
    let pack = finance.submit(&page, "form[action$='/evidence']", &[]).await.expect(200);
    assert_eq!(pack.header("content-type"), Some("application/zip"));
    let name = format!("attachment; filename=\"evidence-{reference}.zip\"");
    assert_eq!(pack.header("content-disposition"), Some(name.as_str()));
    assert_eq!(pack.header("cache-control"), Some("private, no-store"));
    let files = files(&pack);
    for pdf in [format!("3-itinerary-{reference}.pdf"), format!("4-receipt-{reference}.pdf")] {
        assert!(files[&pdf].starts_with(b"%PDF"), "{pdf}");
    }
    let summary = text(&files, "1-summary.txt");
    for part in [reference.as_str(), "Maria Inês Duarte", "maria@example.com", "Visa ending 4242", "pi_"] {
        assert!(summary.contains(part), "{part}: {summary}");
    }
    let accepted = text(&files, "2-accepted.txt");
    let hash = app.texts("select quote_hash from attempts").await.remove(0);
    for part in ["2026-11-23 09:00:00 UTC", "From address: 127.0.0.1", &hash, "Refund: "] {
        assert!(accepted.contains(part), "{part}: {accepted}");
    }
    let story = text(&files, "5-timeline.txt");
    assert!(story.contains("You accepted total and conditions") && story.contains("Card charged"), "{story}");
    let letters: Vec<&String> = files.keys().filter(|name| name.starts_with("mails/")).collect();
    assert_eq!(letters, ["mails/01-booking-confirmation.txt", "mails/02-payment-receipt.txt"]);
    let letter = text(&files, letters[0]);
    assert!(letter.contains("Subject: ") && letter.contains("To: maria@example.com"), "{letter}");
    assert_eq!(
        app.texts("select action || ' ' || subject from audit_log").await,
        [format!("evidence_taken {reference}")]
    );
    app.finish().await;
}

#[tokio::test]
async fn the_pack_is_for_who_may_refund_and_only_where_something_was_charged() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let paid = app.confirmed(&alice).await;
    let draft = app.draft(&alice).await;
    for role in ["viewer", "agent"] {
        let browser = app.staff(role).await;
        browser.post_form(&format!("/admin/bookings/{paid}/evidence"), &[]).await.expect(403);
        assert!(!browser.get(&format!("/admin/bookings/{paid}")).await.has("form[action$='/evidence']"));
    }
    alice.post_form(&format!("/admin/bookings/{paid}/evidence"), &[]).await.expect(403);
    let owner = app.staff("owner").await;
    owner
        .post_form(&format!("/admin/bookings/{draft}/evidence"), &[])
        .await
        .expect(409)
        .says("Nothing was charged");
    owner.post_form("/admin/bookings/ACDEFG/evidence", &[]).await.expect(404);
    assert_eq!(app.count("audit_log").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn the_address_of_an_acceptance_is_forgotten_when_no_bank_asks_any_more() {
    let app = TestApp::start().await;
    let alice = app.alice().await;
    let reference = app.confirmed(&alice).await;
    let kept = "attempts where accepted_from is not null";
    app.advance(SignedDuration::from_hours(24 * 539)).await;
    app.sweep().await;
    assert_eq!(app.count(kept).await, 1);
    app.advance(SignedDuration::from_hours(24 * 2)).await;
    app.sweep().await;
    assert_eq!(app.count(kept).await, 0);
    let finance = app.staff("finance").await;
    let pack = finance.post_form(&format!("/admin/bookings/{reference}/evidence"), &[]).await.expect(200);
    let files = files(&pack);
    assert!(text(&files, "2-accepted.txt").contains("From address: not kept"));
    assert!(text(&files, "mails/01-booking-confirmation.txt").contains("Its text is not kept any longer"));
    app.abandon_jobs();
    app.finish().await;
}
