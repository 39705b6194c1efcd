//! Answers of Duffel as they are published, and worse ones.

use serde_json::{Value, json};

use super::*;

fn told() -> Value {
    let place = |code: &str, zone: &str| json!({ "iata_code": code, "time_zone": zone, "type": "airport" });
    let seat = |who: &str| {
        json!({ "passenger_id": who, "cabin_class": "economy", "fare_basis_code": "Y20LGT",
                "baggages": [{ "type": "checked", "quantity": 1 }, { "type": "carry_on", "quantity": 1 }] })
    };
    json!({
        "id": "off_00009htYpSCXrwaB9DnUm0", "total_amount": "90.80", "total_currency": "EUR",
        "base_amount": "60.00", "tax_amount": "30.80", "tax_currency": "EUR",
        "total_emissions_kg": "460", "expires_at": "2026-11-23T09:20:00Z",
        "passengers": [{ "id": "pas_1", "type": "adult" }, { "id": "pas_2", "type": "adult" }],
        "passenger_identity_documents_required": false,
        "payment_requirements": { "requires_instant_payment": false },
        "conditions": { "change_before_departure": { "allowed": true, "penalty_amount": "80.01", "penalty_currency": "EUR" },
                        "refund_before_departure": null },
        "slices": [{ "id": "sli_1", "fare_brand_name": "Basic", "segments": [{
            "origin": place("LIS", "Europe/Lisbon"), "destination": place("LHR", "Europe/London"),
            "departing_at": "2026-12-14T10:25:00", "arriving_at": "2026-12-14T13:10:00",
            "marketing_carrier": { "iata_code": "ZZ", "name": "Duffel Airways" }, "marketing_carrier_flight_number": "0118",
            "operating_carrier": { "iata_code": "YY", "name": "Another" }, "aircraft": { "name": "Airbus A320" },
            "passengers": [seat("pas_1"), seat("pas_2")],
        }] }],
    })
}

fn read(told: Value) -> Fits<Offer> {
    let now = "2026-11-23T09:00:00Z".parse().unwrap();
    offer(&serde_json::from_value(told).expect("the form"), Airports::world(), now)
}

fn with(pointer: &str, value: Value) -> Value {
    let mut told = told();
    *told.pointer_mut(pointer).expect("a place") = value;
    told
}

#[test]
fn an_offer_is_read_exactly() {
    let offer = read(told()).unwrap();
    assert_eq!(offer.total, Money::new(9_080, Currency::Eur));
    assert_eq!(offer.sum_of_prices(Currency::Eur), Ok(offer.total));
    assert_eq!((offer.prices[0].count, offer.prices[0].whole_party), (2, false));
    assert_eq!(offer.prices[0].fare.minor, 3_000);
    assert_eq!(offer.fare.conditions.change, Condition::Fee(Money::new(4_001, Currency::Eur)));
    assert_eq!(offer.fare.conditions.refund, Condition::Unknown);
    assert_eq!(offer.co2_grams, Some(230_000));
    assert_eq!((offer.fare.checked_bags, offer.fare.cabin_bag_kg), (1, 0));
    let segment = offer.slices[0].first();
    assert_eq!(segment.flight(), "ZZ\u{a0}118");
    assert_eq!(segment.departs.at.to_string(), "2026-12-14T10:25:00Z");
    assert_eq!(segment.operated_by.as_ref().map(|carrier| carrier.code.as_str()), Some("YY"));
}

#[test]
fn times_are_local_where_they_are_told() {
    let mut told = with(
        "/slices/0/segments/0/destination",
        json!({ "iata_code": "JFK", "time_zone": "America/New_York" }),
    );
    told["slices"][0]["segments"][0]["arriving_at"] = json!("2026-12-14T13:10:00");
    let offer = read(told).unwrap();
    assert_eq!(offer.slices[0].last().arrives.at.to_string(), "2026-12-14T18:10:00Z");
    assert_eq!(offer.slices[0].last().arrives.local.to_string(), "2026-12-14T13:10:00");
}

#[test]
fn a_price_that_cannot_be_shared_out_stays_whole() {
    let family = json!([{ "id": "pas_1", "type": "adult" }, { "id": "pas_2", "type": "child" }]);
    for told in [with("/passengers", family), with("/total_amount", json!("90.81"))] {
        let offer = read(told).unwrap();
        assert_eq!(offer.prices.len(), 1);
        assert!(offer.prices[0].whole_party && offer.prices[0].count == 1);
        assert_eq!(offer.sum_of_prices(Currency::Eur), Ok(offer.total));
    }
}

#[test]
fn amounts_follow_the_decimals_of_their_currency() {
    let read = |amount, currency| money("x", amount, currency).ok().map(|money| money.minor);
    for (amount, currency, minor) in [
        ("90.80", "GBP", Some(9_080)),
        ("90.8", "GBP", Some(9_080)),
        ("90", "GBP", Some(9_000)),
        ("90.800", "GBP", Some(9_080)),
        ("90.805", "GBP", None),
        ("12000", "JPY", Some(12_000)),
        ("12000.00", "JPY", Some(12_000)),
        ("12000.50", "JPY", None),
        ("1.234", "BHD", Some(1_234)),
        ("1.5", "BHD", Some(1_500)),
        ("-1.00", "EUR", None),
        ("1e3", "EUR", None),
        ("", "EUR", None),
        ("1,000.00", "EUR", None),
        ("99999999999999999999", "EUR", None),
        ("10.00", "AUD", None),
    ] {
        assert_eq!(read(amount, currency), minor, "{amount} {currency}");
    }
}

#[test]
fn what_has_no_words_of_ours_is_left_out_with_its_part_named() {
    let segment = "/slices/0/segments/0";
    let cases = [
        ("/id", json!("../orders"), "id"),
        ("/total_currency", json!("AUD"), "total_amount"),
        ("/total_amount", json!("0.00"), "total_amount"),
        ("/expires_at", json!("soon"), "expires_at"),
        ("/slices", json!([]), "slices"),
        ("/slices/0/segments", json!([]), "segments"),
        ("/passengers", json!([]), "passengers"),
        ("/passengers/0/type", json!("adult_with_cello"), "passengers"),
        (&format!("{segment}/origin/iata_code"), json!("LI"), "origin"),
        (&format!("{segment}/origin/iata_code"), json!("ZZZ"), "origin"),
        (&format!("{segment}/departing_at"), json!("25 o'clock"), "departing_at"),
        (&format!("{segment}/arriving_at"), json!("2026-12-13T13:10:00"), "arriving_at"),
        (&format!("{segment}/marketing_carrier/iata_code"), json!(null), "marketing_carrier"),
        (
            &format!("{segment}/marketing_carrier_flight_number"),
            json!("12A"),
            "marketing_carrier_flight_number",
        ),
        (&format!("{segment}/passengers/0/cabin_class"), json!("suite"), "cabin_class"),
    ];
    for (pointer, value, part) in cases {
        let unfit = read(with(pointer, value.clone())).expect_err(pointer);
        assert_eq!(unfit.part, part, "{pointer} {value}");
    }
}

#[test]
fn no_answer_is_neither_yes_nor_no() {
    let refund = |condition: Value| {
        read(with("/conditions/refund_before_departure", condition)).unwrap().fare.conditions.refund
    };
    let allowed = |allowed: bool, amount: Value| json!({ "allowed": allowed, "penalty_amount": amount, "penalty_currency": "EUR" });
    assert_eq!(refund(Value::Null), Condition::Unknown);
    assert_eq!(refund(allowed(false, Value::Null)), Condition::No);
    assert_eq!(refund(allowed(true, json!("0.00"))), Condition::Free);
    assert_eq!(refund(allowed(true, Value::Null)), Condition::Unknown);
    assert_eq!(refund(allowed(true, json!("a few"))), Condition::Unknown);
    assert_eq!(read(with("/conditions", Value::Null)).unwrap().fare.conditions.change, Condition::Unknown);
}
