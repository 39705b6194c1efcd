//! Duffel's words (API v2), as far as we need them. What may be missing may be missing here: an answer is believed field by
//! field, where it is used.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
pub(super) struct Envelope<T> {
    pub data: T,
    #[serde(default)]
    pub meta: Meta,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Meta {
    /// Where the next page begins.
    #[serde(default)]
    pub after: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Errors {
    pub errors: Vec<Problem>,
    #[serde(default)]
    pub meta: ErrorMeta,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct ErrorMeta {
    #[serde(default)]
    pub request_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Problem {
    #[serde(default)]
    pub code: String,
    #[serde(default)]
    pub title: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct OfferRequest {
    /// Read one by one: what is wrong with one of them is no fault of the others.
    pub offers: Vec<Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Offer {
    pub id: String,
    pub total_amount: String,
    pub total_currency: String,
    #[serde(default)]
    pub tax_amount: Option<String>,
    #[serde(default)]
    pub tax_currency: Option<String>,
    #[serde(default)]
    pub total_emissions_kg: Option<String>,
    pub expires_at: String,
    pub slices: Vec<Slice>,
    pub passengers: Vec<Passenger>,
    #[serde(default)]
    pub conditions: Option<Conditions>,
    #[serde(default)]
    pub payment_requirements: Option<PaymentRequirements>,
    #[serde(default)]
    pub passenger_identity_documents_required: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct PaymentRequirements {
    pub requires_instant_payment: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct Passenger {
    pub id: String,
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
}

/// `null` is no answer, which is another thing than no.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Conditions {
    #[serde(default)]
    pub change_before_departure: Option<Condition>,
    #[serde(default)]
    pub refund_before_departure: Option<Condition>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Condition {
    pub allowed: bool,
    #[serde(default)]
    pub penalty_amount: Option<String>,
    #[serde(default)]
    pub penalty_currency: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Slice {
    #[serde(default)]
    pub id: String,
    #[serde(default)]
    pub fare_brand_name: Option<String>,
    pub segments: Vec<Segment>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Segment {
    pub origin: Place,
    pub destination: Place,
    /// What the clock on the airport's wall shows: no offset.
    pub departing_at: String,
    pub arriving_at: String,
    pub marketing_carrier: Airline,
    pub marketing_carrier_flight_number: String,
    #[serde(default)]
    pub operating_carrier: Option<Airline>,
    #[serde(default)]
    pub aircraft: Option<Aircraft>,
    #[serde(default)]
    pub passengers: Vec<SegmentPassenger>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Place {
    pub iata_code: String,
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub city_name: Option<String>,
    #[serde(default)]
    pub iata_country_code: Option<String>,
    #[serde(default)]
    pub time_zone: Option<String>,
    #[serde(default)]
    pub latitude: Option<f64>,
    #[serde(default)]
    pub longitude: Option<f64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Airline {
    #[serde(default)]
    pub iata_code: Option<String>,
    pub name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Aircraft {
    pub name: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct SegmentPassenger {
    #[serde(default)]
    pub passenger_id: Option<String>,
    #[serde(default)]
    pub cabin_class: Option<String>,
    #[serde(default)]
    pub fare_basis_code: Option<String>,
    #[serde(default)]
    pub baggages: Vec<Baggage>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Baggage {
    #[serde(rename = "type")]
    pub kind: String,
    pub quantity: u32,
}

#[derive(Debug, Deserialize)]
pub(super) struct Order {
    pub id: String,
    #[serde(default)]
    pub booking_reference: Option<String>,
    pub total_amount: String,
    pub total_currency: String,
    #[serde(default)]
    pub passengers: Vec<Passenger>,
    #[serde(default)]
    pub documents: Vec<Document>,
    #[serde(default)]
    pub slices: Vec<Slice>,
    #[serde(default)]
    pub payment_status: Option<PaymentStatus>,
    #[serde(default)]
    pub cancelled_at: Option<String>,
    #[serde(default)]
    pub metadata: Option<BTreeMap<String, Value>>,
}

impl Order {
    pub fn is_paid(&self) -> bool {
        self.payment_status.as_ref().is_some_and(|status| !status.awaiting_payment)
    }

    pub fn note(&self, key: &str) -> Option<&str> {
        self.metadata.as_ref()?.get(key)?.as_str()
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct PaymentStatus {
    pub awaiting_payment: bool,
    #[serde(default)]
    pub payment_required_by: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Document {
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default)]
    pub unique_identifier: Option<String>,
    #[serde(default)]
    pub passenger_ids: Vec<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct OrderCancellation {
    pub id: String,
    #[serde(default)]
    pub refund_amount: Option<String>,
    #[serde(default)]
    pub refund_currency: Option<String>,
    #[serde(default)]
    pub refund_to: Option<String>,
    #[serde(default)]
    pub confirmed_at: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AirlineChange {
    pub id: String,
    #[serde(default)]
    pub added: Vec<Slice>,
    #[serde(default)]
    pub removed: Vec<Slice>,
    #[serde(default)]
    pub created_at: Option<String>,
}

/// Where something may have been begun without an answer that says what.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Begun {
    #[serde(default)]
    pub id: Option<String>,
}
