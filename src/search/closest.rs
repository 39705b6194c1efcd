//! Where an offer is gone: those of today that are most like it.

use std::sync::Arc;

use jiff::SignedDuration;

use crate::{
    error::AppError,
    itinerary::{Offer, SearchQuery, Segment, Slice, SliceQuery},
    money::Money,
    search::{
        Search,
        cache::Answer,
        choices::{Choices, Pick},
        form,
        prices::moved,
    },
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
    let answer = first_with_something(search, gone).await?;
    let choices = Choices::of(&answer);
    let mut others = Vec::new();
    for pick in nearest(&choices, gone, most) {
        others.push(close(search.offer_of(&choices, &pick)?, gone));
    }
    Ok(others)
}

/// On the offer's own days; where nothing is left of them, on the next.
async fn first_with_something(search: &Search, gone: &Offer) -> Result<Arc<Answer>, AppError> {
    let query = query_of(gone);
    let from = query.slices.first().map(|slice| slice.from);
    let today = form::today(search.airports, from, search.clock.now());
    let leave = query.slices.first().map_or(today, |slice| slice.date);
    let past = i32::try_from(today.duration_since(leave).as_hours() / 24).unwrap_or(0).max(0);
    let answer = search.offers(&moved(&query, [past; 2])?).await?;
    if answer.is_empty() {
        return Ok(search.offers(&moved(&query, [past + 1; 2])?).await?);
    }
    Ok(answer)
}

/// Of each slice the nearest ways, in all their combinations.
fn nearest(choices: &Choices<'_>, gone: &Offer, most: usize) -> Vec<Pick> {
    let mut begun: Vec<(i64, Vec<usize>)> = vec![(0, Vec::new())];
    let mut first = 0;
    for axis in choices.axes() {
        let slices = axis.first().map_or(0, |offer| offer.slices.len());
        let there = gone.slices.get(first..first + slices).unwrap_or_default();
        first += slices;
        let mut near: Vec<(i64, usize)> =
            axis.iter().enumerate().map(|(at, way)| (apart(&way.slices, there), at)).collect();
        near.sort_unstable();
        // A whole offer may be the one that is gone; of several slices each may keep its flights, but not all.
        near.truncate(most + 1);
        let and = |(so_far, ways): &(i64, Vec<usize>)| {
            let with = |(apart, at): &(i64, usize)| (so_far + apart, [ways.as_slice(), &[*at]].concat());
            near.iter().map(with).collect::<Vec<_>>()
        };
        begun = begun.iter().flat_map(and).collect();
    }
    let mut picks: Vec<(i64, Pick)> = begun
        .into_iter()
        .filter_map(|(apart, ways)| {
            let parts = choices.parts(&ways);
            let alike =
                |part: &&Offer| part.other_fares.iter().position(|other| other.fare.brand == gone.fare.brand);
            let fare = parts.first().and_then(alike).map_or(0, |at| at + 1);
            let pick = choices.pick_of(&ways, fare)?;
            (!same_flights(&parts, gone)).then_some((apart, pick))
        })
        .collect();
    picks.sort_by_key(|(apart, pick)| (*apart, pick.total.minor));
    picks.into_iter().take(most).map(|(_, pick)| pick).collect()
}

fn close(offer: Offer, gone: &Offer) -> Close {
    let leaves = |offer: &Offer| offer.slices.first().map(|slice| slice.first().departs.at);
    let later = leaves(&offer).zip(leaves(gone)).map(|(this, that)| this.duration_since(that));
    Close { more: offer.total.checked_sub(gone.total).ok(), later: later.unwrap_or_default(), offer }
}

fn same_flights(parts: &[&Offer], gone: &Offer) -> bool {
    let key = |s: &Segment| (s.carrier.code.clone(), s.number, s.departs.at);
    parts.iter().flat_map(|part| part.segments()).map(key).eq(gone.segments().map(key))
}

/// Minutes between the times of leaving and of landing, all slices together.
fn apart(a: &[Slice], b: &[Slice]) -> i64 {
    let ends = |slice: &Slice| [slice.first().departs.at, slice.last().arrives.at];
    let pairs = a.iter().flat_map(ends).zip(b.iter().flat_map(ends));
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
        let axes = [vec![offer("night", 1, vec![overnight()]), later(), offer("again", 1, vec![direct()])]];
        let near = nearest(&Choices::among(&axes), &gone, 2);
        assert_eq!(near.iter().map(|pick| pick.ways[0]).collect::<Vec<_>>(), [1, 0], "not itself");
        let close = close(later(), &gone);
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
