//! Places that our own list does not have: Duffel's directory is asked, and nothing depends on its answer.

use serde_json::{Value, json};

use super::start;
use crate::helpers::{duffel::Fault, story::SEARCH};

/// Codes of no airport that there is: all tests of a process share the world.
fn airport(code: &str, city: &str) -> Value {
    json!({
        "type": "airport", "id": format!("arp_{code}"), "iata_code": code, "name": format!("{city} Field"),
        "city_name": city, "iata_country_code": "DE", "time_zone": "Europe/Berlin", "latitude": 50.5,
        "longitude": 9.25, "icao_code": null, "airports": null, "city": null,
    })
}

fn to(place: &str) -> String {
    let to: String = url::form_urlencoded::byte_serialize(place.as_bytes()).collect();
    let with = SEARCH
        .split('&')
        .map(|field| if field.starts_with("to=") { format!("to={to}") } else { field.to_owned() });
    with.collect::<Vec<_>>().join("&")
}

#[tokio::test]
async fn a_place_that_only_duffel_knows_is_suggested_chosen_and_searched_for() {
    let (app, duffel) = start().await;
    duffel.settle(&[
        json!({ "type": "city", "iata_code": "QYA", "name": "Quellenstadt", "time_zone": null,
                "airports": [airport("QYA", "Quellenstadt"), airport("QYB", "Quellenstadt")] }),
        airport("QYA", "Quellenstadt"),
        json!({ "type": "airport", "iata_code": "QYC", "name": "Nowhere", "time_zone": "Nowhere/AtAll" }),
        json!({ "type": "airport", "iata_code": null }),
        json!(7),
    ]);
    let page = app.get(&to("Quellenstadt")).await.expect(422);
    assert!(page.field_error("to").contains("Choose one"), "{}", page.field_error("to"));
    let choices: Vec<String> = page
        .attrs("a[href^='/flights?']", "href")
        .into_iter()
        .filter(|href| href.contains("Quellenstadt"))
        .collect();
    assert_eq!(choices.len(), 2, "{choices:?}");
    let list = app.get(&choices[0]).await.expect(200);
    assert_eq!(list.h1(), "Lisbon to Quellenstadt");
    assert_eq!(duffel.calls("search")[0].body["data"]["slices"][0]["destination"], "QYA");
    // The same for programs, and on the page of airports, without asking again.
    for address in ["/airports?q=quellenstadt", "/airports?q=Quellenstadt"] {
        app.get(address).await.expect(200).says("Quellenstadt QYB");
    }
    let found = app.get("/api/airports?q=QUELLENSTADT").await.expect(200).json();
    assert_eq!(found["items"][0]["code"], "QYA");
    assert_eq!(found["items"].as_array().map(Vec::len), Some(2));
    let asked = duffel.calls("places");
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].path, "/places/suggestions?query=Quellenstadt");
    // What our own list has is not asked for.
    app.get("/airports?q=lis").await.expect(200);
    app.get(SEARCH).await.expect(200);
    assert_eq!(duffel.calls("places").len(), 1);
    app.finish().await;
}

#[tokio::test]
async fn where_duffel_does_not_say_our_own_list_is_all_there_is() {
    let (app, duffel) = start().await;
    for fault in [
        Fault::Says(401, "access_token_not_found"),
        Fault::Says(422, "validation_required"),
        Fault::Says(500, "internal_server_error"),
        Fault::GarbageAfter,
        Fault::WrongShapeAfter,
        Fault::Hang,
    ] {
        duffel.always("places", Some(fault));
        let page = app.get(&to("Wunschhausen")).await.expect(422);
        assert!(page.field_error("to").contains("Nothing found"), "{fault:?}");
    }
    // However long it is silent there, flights are still asked for.
    for _ in 0..3 {
        duffel.always("places", Some(Fault::Says(503, "service_unavailable")));
        app.get("/airports?q=Wunschhausen").await.expect(200).says("Nothing found");
    }
    app.get(SEARCH).await.expect(200);
    // A failure is not kept: half a minute later somebody is told.
    duffel.always("places", None);
    duffel.settle(&[airport("QYD", "Wunschhausen")]);
    app.advance(jiff::SignedDuration::from_secs(31)).await;
    app.get("/airports?q=Wunschhausen").await.expect(200).says("Wunschhausen QYD");
    // Nothing is asked for what can be no name.
    let asked = duffel.calls("places").len();
    for junk in ["1", "%00%00", "x", &"long".repeat(30)] {
        app.get(&format!("/airports?q={junk}")).await.expect(200);
    }
    assert_eq!(duffel.calls("places").len(), asked);
    app.finish().await;
}
