//! Where an offer is gone: those of today that are most like it.

use jiff::SignedDuration;

use crate::{
    error::AppError,
    itinerary::{Offer, SearchQuery, Slice, SliceQuery},
    money::Money,
    search::Search,
};

/// Offers that are shown instead of one that is gone.
pub const MOST_CLOSE: usize = 3;

/// An offer of today beside one that is gone.
pub struct Close {
    pub offer: Offer,
    /// What it costs more; less, if it is negative. `None`: another currency.
    pub more: Option<Money>,
    /// By how much later it leaves; earlier, if it is negative.
    pub later: SignedDuration,
}

/// The search that an offer was an answer to.
pub fn query_of(offer: &Offer) -> SearchQuery {
    let slices = offer.slices.iter().map(|slice| SliceQuery {
        from: slice.first().from.code,
        to: slice.last().to.code,
        date: slice.first().departs.local.date(),
    });
    SearchQuery { slices: slices.collect(), party: offer.party, cabin: offer.cabin }
}

/// The nearest in time, on other flights than the offer's own, each at the fare family of the offer where it has that.
pub async fn closest(search: &Search, gone: &Offer, most: usize) -> Result<Vec<Close>, AppError> {
    let offers = search.offers(&query_of(gone)).await?;
    let mut others: Vec<&Offer> = offers.iter().filter(|offer| !same_flights(offer, gone)).collect();
    others.sort_by_key(|offer| (apart(offer, gone), offer.total.minor));
    Ok(others.into_iter().take(most).map(|offer| close(offer, gone)).collect())
}

fn close(offer: &Offer, gone: &Offer) -> Close {
    let alike = offer.other_fares.iter().find(|other| other.fare.brand == gone.fare.brand);
    let offer =
        alike.map_or_else(|| Offer { other_fares: Vec::new(), ..offer.clone() }, |fare| offer.at(fare));
    let leaves = |offer: &Offer| offer.slices.first().map(|slice| slice.first().departs.at);
    let later = leaves(&offer).zip(leaves(gone)).map(|(this, that)| this.duration_since(that));
    Close { more: offer.total.checked_sub(gone.total).ok(), later: later.unwrap_or_default(), offer }
}

fn same_flights(a: &Offer, b: &Offer) -> bool {
    let flights = |offer: &Offer| {
        let key = |s: &crate::itinerary::Segment| (s.carrier.code.clone(), s.number, s.departs.at);
        offer.segments().map(key).collect::<Vec<_>>()
    };
    flights(a) == flights(b)
}

/// Minutes between the times of leaving and of landing, all slices together.
fn apart(a: &Offer, b: &Offer) -> i64 {
    let ends = |slice: &Slice| [slice.first().departs.at, slice.last().arrives.at];
    let pairs = a.slices.iter().flat_map(ends).zip(b.slices.iter().flat_map(ends));
    pairs.map(|(this, that)| this.duration_since(that).as_mins().abs()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::components::samples::{direct, eur, lisbon, new_york, offer, overnight, segment};

    fn later() -> Offer {
        let leg = segment(&lisbon(), &new_york(), "2027-03-12T12:35:00Z", "2027-03-12T20:45:00Z");
        offer("later", 54_000, vec![Slice::try_from(vec![leg]).unwrap()])
    }

    #[test]
    fn what_leaves_and_lands_at_about_the_same_time_is_closest() {
        let gone = offer("gone", 51_200, vec![direct()]);
        assert!(apart(&later(), &gone) < apart(&offer("night", 1, vec![overnight()]), &gone));
        assert!(same_flights(&offer("again", 1, vec![direct()]), &gone) && !same_flights(&later(), &gone));
        let close = close(&later(), &gone);
        assert_eq!((close.more, close.later.as_mins()), (Some(eur(2_800)), 120));
    }

    #[test]
    fn the_search_of_an_offer_is_that_of_its_flights() {
        let query = query_of(&later());
        assert_eq!(query.slices.len(), 1);
        assert_eq!(
            (query.slices[0].to.as_str(), query.slices[0].date.to_string().as_str()),
            ("JFK", "2027-03-12")
        );
    }
}
