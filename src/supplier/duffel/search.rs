//! What there is and what it costs: offer requests, and offers fetched again.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{
    Duffel, books,
    client::Trouble,
    guard::Errand,
    map::{self, is_id},
    unavailable, wire,
};
use crate::{
    itinerary::{Offer, OfferId, OtherFare, SearchQuery, SliceQuery},
    supplier::{Found, SupplierError},
};

/// Between the offers of one id: the chosen one first, then those of the same flights under other conditions.
const BESIDE: char = '~';
/// So many fares of the same flights are shown at most.
const MOST_FARES: usize = 5;
/// What airlines have for their answers, in milliseconds: Duffel takes nothing under two seconds.
const AIRLINES_HAVE: u32 = 2_000;

impl Duffel {
    pub(super) async fn find_offers(&self, query: &SearchQuery) -> Result<Found, SupplierError> {
        let (offers, left_out) = self.all_offers(query).await?;
        // One for each way to travel, at its lowest price, with the other fares of the same flights.
        let mut ways: BTreeMap<String, Vec<Offer>> = BTreeMap::new();
        for offer in offers {
            self.quoted.keep(&offer.id.0, offer.clone());
            ways.entry(flights(&offer)).or_default().push(offer);
        }
        let offers = ways.into_values().filter_map(cheapest).collect();
        Ok(Found { offers, left_out, ..Found::default() })
    }

    /// Everything that Duffel found, and how much of it has no words of ours.
    async fn all_offers(&self, query: &SearchQuery) -> Result<(Vec<Offer>, u32), SupplierError> {
        let path = format!("/air/offer_requests?return_offers=true&supplier_timeout={AIRLINES_HAVE}");
        let answer =
            self.client.look::<wire::OfferRequest>(&path, &question(query), self.patience.search).await;
        let told = answer.map_err(Trouble::of_a_question)?.data.offers;
        let now = self.clock.now();
        let mut reasons: HashMap<String, u32> = HashMap::new();
        let mut offers = Vec::with_capacity(told.len());
        for value in told {
            match read(value)
                .and_then(|told| map::offer(&told, self.airports, now).map_err(|unfit| unfit.to_string()))
            {
                Ok(offer) if offer.party == query.party => offers.push(offer),
                Ok(_) => *reasons.entry("passengers: not those asked for".to_owned()).or_default() += 1,
                Err(why) => *reasons.entry(why).or_default() += 1,
            }
        }
        let left_out = reasons.values().sum();
        if left_out > 0 {
            tracing::warn!(supplier = "duffel", left_out, read = offers.len(), ?reasons, "offers left out");
        }
        if offers.is_empty() && left_out > 0 {
            return Err(SupplierError::Unavailable(format!("none of {left_out} offers can be read")));
        }
        offers.retain(|offer| offer.expires_at > now);
        Ok((offers, left_out))
    }

    pub(super) async fn find_fares(&self, id: &OfferId) -> Result<Vec<Offer>, SupplierError> {
        let ids = parts(id).ok_or(SupplierError::Gone)?;
        let mut asking = JoinSet::new();
        for (place, id) in ids.iter().enumerate() {
            let (duffel, id) = (self.clone(), id.clone());
            asking.spawn(async move { (place, duffel.offer(&id).await) });
        }
        let mut found: Vec<(usize, Offer)> = Vec::new();
        let mut chosen = None;
        while let Some(answer) = asking.join_next().await {
            let Ok((place, answer)) = answer else { continue };
            match answer {
                Ok(offer) if place == 0 => chosen = Some(Ok(offer)),
                Ok(offer) => found.push((place, offer)),
                Err(error) if place == 0 => chosen = Some(Err(error)),
                // A fare less beside the one that was asked for.
                Err(error) => tracing::info!(supplier = "duffel", %error, "a fare is gone"),
            }
        }
        let chosen = match chosen.unwrap_or_else(|| Err(SupplierError::Unavailable("not asked".to_owned()))) {
            // Duffel forgets what has lapsed. The same flights may still be for sale, at another offer.
            Err(gone @ (SupplierError::Gone | SupplierError::SoldOut)) => {
                let was = ids.first().and_then(|id| self.quoted.get(id)).ok_or(gone)?;
                return Err(self.lapsed(&was).await);
            }
            chosen => chosen?,
        };
        let now = self.clock.now();
        if chosen.expires_at <= now {
            if self.quoted.get(&chosen.id.0).is_none() {
                self.quoted.keep(&chosen.id.0, chosen.clone());
            }
            return Err(self.lapsed(&chosen).await);
        }
        let way = flights(&chosen);
        found.retain(|(_, offer)| offer.expires_at > now && flights(offer) == way);
        found.push((0, chosen));
        found.sort_by_key(|(place, offer)| (offer.total.minor, *place));
        let names: Vec<String> = found.iter().map(|(_, offer)| offer.id.0.clone()).collect();
        Ok(found.into_iter().map(|(place, offer)| named(offer, place, id, &names)).collect())
    }

    /// What has become of an offer whose time is over.
    async fn lapsed(&self, was: &Offer) -> SupplierError {
        let leaves = was.slices.first().map(|slice| slice.first().departs.at);
        if leaves.is_some_and(|at| at <= self.clock.now()) {
            return SupplierError::Gone;
        }
        match self.same_again(was).await {
            Ok(now) => SupplierError::Expired(Box::new(now)),
            // The flights are still there, but not at this fare.
            Err(SupplierError::Gone) => SupplierError::SoldOut,
            Err(error) => error,
        }
    }

    /// Fetched again: the price that Duffel would take at this moment.
    pub(super) async fn offer(&self, id: &str) -> Result<Offer, SupplierError> {
        let told = self.told_offer(id).await?;
        map::offer(&told, self.airports, self.clock.now())
            .map_err(|unfit| SupplierError::Unavailable(format!("offer {id}: {unfit}")))
    }

    pub(super) async fn told_offer(&self, id: &str) -> Result<wire::Offer, SupplierError> {
        let answer = self
            .client
            .get::<wire::Offer>("offer", &format!("/air/offers/{id}"), Errand::Looking, self.patience.look)
            .await;
        match answer {
            Ok(told) if told.data.id == id => Ok(told.data),
            Ok(_) => Err(SupplierError::Unavailable("Duffel tells of another offer".to_owned())),
            Err(trouble) if trouble.is_not_there() => Err(SupplierError::Gone),
            Err(Trouble::No { code, words, .. }) => Err(no_offer(&code, words)),
            Err(trouble) => Err(trouble.of_a_question()),
        }
    }

    pub(super) async fn price_of_now(&self, offer: &Offer) -> Result<Offer, SupplierError> {
        let id = own(&offer.id).ok_or(SupplierError::Gone)?;
        if books::is_used(&self.db, id).await.map_err(unavailable)? {
            return self.same_again(offer).await;
        }
        match self.offer(id).await {
            Ok(fresh) if fresh.expires_at > self.clock.now() => Ok(Offer { id: offer.id.clone(), ..fresh }),
            Ok(_) | Err(SupplierError::Gone | SupplierError::SoldOut) => self.same_again(offer).await,
            Err(error) => Err(error),
        }
    }

    /// What was accepted, found by a new search: to be bought with nobody asked any more. A fare of the same name under other
    /// conditions is another fare.
    pub(super) async fn as_accepted(&self, accepted: &Offer) -> Result<Offer, SupplierError> {
        let mut same = self.same_flights(accepted).await?;
        same.retain(|found| {
            found.slices == accepted.slices
                && found.party == accepted.party
                && found.cabin == accepted.cabin
                && found.fare == accepted.fare
                && found.total.currency == accepted.total.currency
        });
        let found = same.into_iter().min_by_key(|found| found.total.minor).ok_or(SupplierError::Gone)?;
        if found.total.minor > accepted.total.minor {
            return Err(SupplierError::PriceUp(Box::new(found)));
        }
        Ok(found)
    }

    async fn same_flights(&self, offer: &Offer) -> Result<Vec<Offer>, SupplierError> {
        let (offers, _) = self.all_offers(&query_of(offer)).await?;
        let way = flights(offer);
        let same: Vec<Offer> = offers.into_iter().filter(|found| flights(found) == way).collect();
        if same.is_empty() { Err(SupplierError::SoldOut) } else { Ok(same) }
    }

    /// The same flights and fare, found by a new search: to be shown before it is accepted. First the one under the same
    /// conditions, whatever else is cheaper.
    async fn same_again(&self, offer: &Offer) -> Result<Offer, SupplierError> {
        let mut same = self.same_flights(offer).await?;
        same.retain(|found| found.fare.brand == offer.fare.brand && found.cabin == offer.cabin);
        let order = |found: &Offer| (found.fare != offer.fare, found.total.minor);
        same.into_iter().min_by_key(order).ok_or(SupplierError::Gone)
    }
}

/// The offer that an id of ours means.
pub(super) fn own(id: &OfferId) -> Option<&str> {
    id.0.split(BESIDE).next().filter(|id| is_id(id, "off_"))
}

fn parts(id: &OfferId) -> Option<Vec<String>> {
    let parts: Vec<String> = id.0.split(BESIDE).map(str::to_owned).collect();
    (parts.len() <= MOST_FARES && parts.iter().all(|part| is_id(part, "off_"))).then_some(parts)
}

/// The one that was asked for keeps its name; each other one has all the rest beside it.
fn named(offer: Offer, place: usize, asked: &OfferId, names: &[String]) -> Offer {
    if place == 0 {
        return Offer { id: asked.clone(), ..offer };
    }
    beside(offer, names)
}

/// Its own name, and all others.
fn beside(offer: Offer, names: &[String]) -> Offer {
    let others = names.iter().filter(|name| **name != offer.id.0);
    let mut id = offer.id.0.clone();
    for other in others {
        id.push(BESIDE);
        id.push_str(other);
    }
    Offer { id: OfferId(id), ..offer }
}

fn cheapest(mut fares: Vec<Offer>) -> Option<Offer> {
    fares.sort_by(|a, b| (a.total.minor, &a.id.0).cmp(&(b.total.minor, &b.id.0)));
    // The same brand twice is one fare, at its lower price.
    let mut brands: Vec<String> = Vec::new();
    fares.retain(|fare| {
        let is_new = !brands.contains(&fare.fare.brand);
        brands.push(fare.fare.brand.clone());
        is_new
    });
    fares.truncate(MOST_FARES);
    let names: Vec<String> = fares.iter().map(|fare| fare.id.0.clone()).collect();
    // Any of them may be the one that is shown: none is shown longer than all of them last.
    let expires_at = fares.iter().map(|fare| fare.expires_at).min()?;
    let mut fares = fares.into_iter().map(|fare| beside(fare, &names));
    let first = fares.next()?;
    let other = |fare: Offer| OtherFare {
        fare_bases: fare.segments().map(|segment| segment.fare_basis.clone()).collect(),
        id: fare.id,
        fare: fare.fare,
        prices: fare.prices,
        total: fare.total,
    };
    Some(Offer { expires_at, other_fares: fares.map(other).collect(), ..first })
}

/// Equal for the same flights on the same days in the same cabins.
pub(super) fn flights(offer: &Offer) -> String {
    let of = |segment: &crate::itinerary::Segment| {
        format!("{} {} {} {}", segment.flight(), segment.departs.local, segment.to.code, segment.cabin.code())
    };
    offer.segments().map(of).collect::<Vec<_>>().join(", ")
}

fn read(value: Value) -> Result<wire::Offer, String> {
    serde_path_to_error::deserialize(value).map_err(|error| format!("{}: not as published", error.path()))
}

fn question(query: &SearchQuery) -> Value {
    let slices = query.slices.iter().map(|slice| {
        json!({
            "origin": slice.from.as_str(),
            "destination": slice.to.as_str(),
            "departure_date": slice.date.to_string(),
        })
    });
    let passengers = query.party.kinds().map(|kind| json!({ "type": map::kind_code(kind) }));
    json!({
        "slices": slices.collect::<Vec<_>>(),
        "passengers": passengers.collect::<Vec<_>>(),
        "cabin_class": query.cabin.code(),
    })
}

fn query_of(offer: &Offer) -> SearchQuery {
    let slices = offer.slices.iter().map(|slice| SliceQuery {
        from: slice.first().from.code,
        to: slice.last().to.code,
        date: slice.first().departs.local.date(),
    });
    SearchQuery { slices: slices.collect(), party: offer.party, cabin: offer.cabin }
}

/// What Duffel's codes about an offer mean here.
pub(super) fn no_offer(code: &str, words: String) -> SupplierError {
    match code {
        "offer_no_longer_available" => SupplierError::SoldOut,
        "offer_expired" | "offer_not_found" | "not_found" => SupplierError::Gone,
        _ => SupplierError::Refused(words),
    }
}
