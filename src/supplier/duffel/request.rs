//! What an order says in Duffel's words, and its tickets in ours.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{
    map::{self, is_id},
    wire,
};
use crate::{
    ids::{BookingId, BookingReference},
    itinerary::{Contact, Document, Passenger, PassengerKind, Sex},
    supplier::SupplierError,
};

/// How Duffel's orders name the booking.
pub(super) const BOOKING_ID: &str = "booking_id";

pub(super) fn payment(amount: &str, currency: &str) -> Value {
    json!({ "type": "balance", "amount": amount, "currency": currency })
}

pub(super) fn order_data(
    kind: &str,
    offer: &str,
    passengers: Vec<Value>,
    booking: BookingId,
    reference: &BookingReference,
) -> Value {
    json!({
        "type": kind,
        "selected_offers": [offer],
        "passengers": passengers,
        "metadata": { BOOKING_ID: booking.to_string(), "booking_reference": reference.to_string() },
    })
}

/// Equal for the same booking, people and contact, and telling nothing of them.
pub(super) fn party(
    booking: BookingId,
    passengers: &[Passenger],
    contact: &Contact,
) -> Result<String, SupplierError> {
    let told = serde_json::to_vec(&(booking.to_string(), passengers, contact));
    let told = told.map_err(|error| SupplierError::Unavailable(error.to_string()))?;
    Ok(hex::encode(Sha256::digest(told)))
}

/// Duffel's passengers with our people's names: each of a kind in their order.
pub(super) fn people(
    told: &[wire::Passenger],
    ours: &[Passenger],
    contact: &Contact,
    documents: &[Document],
) -> Result<Vec<Value>, SupplierError> {
    let no = |words: &str| SupplierError::Refused(words.to_owned());
    if told.len() != ours.len() || !told.iter().all(|passenger| is_id(&passenger.id, "pas_")) {
        return Err(no("the passengers are not those of the offer"));
    }
    let phone = international(&contact.phone).ok_or_else(|| no("the phone number has no country code"))?;
    let mut free: Vec<&wire::Passenger> = told.iter().collect();
    let mut people = Vec::with_capacity(ours.len());
    for (at, passenger) in ours.iter().enumerate() {
        let place = free.iter().position(|told| map::kind_of(told) == Some(passenger.kind));
        let told = place.map(|place| free.remove(place));
        let told = told.ok_or_else(|| no("the passengers are not those of the offer"))?;
        let (title, gender) = match passenger.sex {
            Sex::F => ("ms", "f"),
            Sex::M => ("mr", "m"),
            Sex::X => return Err(no("this airline takes F or M only")),
        };
        let mut person = json!({
            "id": told.id, "title": title, "gender": gender,
            "given_name": passenger.given_names, "family_name": passenger.family_name,
            "born_on": passenger.born_on.to_string(), "email": contact.email, "phone_number": phone,
        });
        if let Some(document) = documents.get(at) {
            person["identity_documents"] = json!([{
                "type": "passport", "unique_identifier": document.number.expose(),
                "issuing_country_code": document.country, "expires_on": document.expires_on.to_string(),
            }]);
        }
        people.push((passenger.kind, person));
    }
    let infants: Vec<Value> = people
        .iter()
        .filter(|(kind, _)| *kind == PassengerKind::Infant)
        .map(|(_, person)| person["id"].clone())
        .collect();
    let adults = people.iter_mut().filter(|(kind, _)| *kind == PassengerKind::Adult);
    for ((_, adult), infant) in adults.zip(infants) {
        adult["infant_passenger_id"] = infant;
    }
    Ok(people.into_iter().map(|(_, person)| person).collect())
}

/// As airlines want it: a plus sign and digits.
fn international(phone: &str) -> Option<String> {
    let plain: String = phone.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')' | '/')).collect();
    let digits = plain.strip_prefix('+').or_else(|| plain.strip_prefix("00"))?;
    let fits = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    fits.then(|| format!("+{digits}"))
}

/// One for each passenger. Airlines without e-tickets let people fly on the locator.
pub(super) fn tickets(told: &wire::Order, pnr: &str) -> Vec<String> {
    let issued: Vec<&wire::Document> =
        told.documents.iter().filter(|document| document.kind == "electronic_ticket").collect();
    let number = |document: &&wire::Document| document.unique_identifier.clone().filter(|id| id.len() <= 40);
    told.passengers
        .iter()
        .enumerate()
        .map(|(at, passenger)| {
            let own = issued.iter().find(|document| document.passenger_ids.contains(&passenger.id));
            let by_place = || issued.get(at).filter(|document| document.passenger_ids.is_empty());
            own.or_else(by_place).and_then(number).unwrap_or_else(|| pnr.to_owned())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_number_goes_out_with_its_country_or_not_at_all() {
        for (typed, sent) in [
            ("+351 900 000 000", Some("+351900000000")),
            ("00351-900-000-000", Some("+351900000000")),
            ("+44 (20) 8016.0509", Some("+442080160509")),
            ("900 000 000", None),
            ("+12", None),
            ("+351 9OO", None),
            ("", None),
        ] {
            assert_eq!(international(typed).as_deref(), sent, "{typed}");
        }
    }
}
