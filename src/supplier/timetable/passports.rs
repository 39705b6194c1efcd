//! Which offers ask for passports. The rule is as invented as the airlines are: the real one depends on airline, route and
//! nationality, and a real supplier tells it with each offer.

use crate::{
    itinerary::{DocumentRule, Offer},
    supplier::{OrderRequest, SupplierError},
};

/// Countries that want to know passengers before they arrive, taken from the list in
/// <https://en.wikipedia.org/wiki/Advance_Passenger_Information_System>. Those of Europe are left out: who flies between
/// its countries with these airlines shows an identity card at the airport.
const ASK_IN_ADVANCE: [&str; 16] =
    ["AU", "BR", "CA", "CN", "CR", "CU", "IN", "JM", "JP", "KR", "MX", "NZ", "PA", "TH", "US", "VN"];

/// Asked for where a flight crosses the border of such a country, in either direction.
pub(super) fn rule(offer: &Offer) -> DocumentRule {
    let asks = |country: &str| ASK_IN_ADVANCE.binary_search(&country).is_ok();
    let crosses = offer.segments().any(|segment| {
        let (from, to) = (segment.from.country.as_str(), segment.to.country.as_str());
        from != to && (asks(from) || asks(to))
    });
    if crosses { DocumentRule::Asked } else { DocumentRule::NotAsked }
}

/// What the invented airlines look at before they issue tickets.
pub(super) fn check(request: &OrderRequest) -> Result<(), SupplierError> {
    let refused = |why: &str| Err(SupplierError::Refused(why.to_owned()));
    if !request.offer.documents.is_asked() {
        return Ok(());
    }
    if request.documents.len() != request.passengers.len() {
        return refused("a passport is missing");
    }
    let last_day = request.offer.slices.last().map(|slice| slice.last().arrives.local.date());
    if request.documents.iter().any(|document| last_day.is_none_or(|day| document.expires_on <= day)) {
        return refused("a passport expires before the journey ends");
    }
    if request.documents.iter().any(|document| document.number.expose() == "REFUSED99") {
        return refused("the airline does not accept a passport");
    }
    Ok(())
}
