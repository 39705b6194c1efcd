//! In which order offers stand, which are shown, and why one stands where it does.

use std::collections::HashMap;

use jiff::SignedDuration;

use crate::{
    itinerary::{Offer, OfferId, Slice},
    money::Currency,
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Balance,
    Cheapest,
    Shortest,
    First,
    LeastCo2,
}

impl Order {
    pub const ALL: [Self; 5] = [Self::Balance, Self::Cheapest, Self::Shortest, Self::First, Self::LeastCo2];

    pub const fn code(self) -> &'static str {
        match self {
            Self::Balance => "balance",
            Self::Cheapest => "cheapest",
            Self::Shortest => "shortest",
            Self::First => "first",
            Self::LeastCo2 => "co2",
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Balance => "Best balance",
            Self::Cheapest => "Cheapest",
            Self::Shortest => "Shortest",
            Self::First => "Leaves first",
            Self::LeastCo2 => "Least CO₂",
        }
    }

    pub fn read(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|order| order.code() == code)
    }

    /// Lower stands first. The id ends every tie, so that pages never overlap.
    fn key(self, offer: &Offer) -> (i64, i64, &str) {
        let (price, time) = (offer.total.minor, travel_time(offer).as_mins());
        let (first, second) = match self {
            Self::Balance => (balance(offer), price),
            Self::Cheapest => (price, time),
            Self::Shortest => (time, price),
            Self::First => (leaves(offer), price),
            // What nobody tells stands last.
            Self::LeastCo2 => (offer.co2_grams.map_or(i64::MAX, i64::from), price),
        };
        (first, second, &offer.id.0)
    }
}

/// What an hour of a traveller's time is taken to be worth, in whole units of the currency.
pub const fn worth_of_an_hour(currency: Currency) -> i64 {
    match currency {
        Currency::Jpy => 3_000,
        Currency::Eur | Currency::Usd | Currency::Gbp | Currency::Chf => 20,
        Currency::Bhd => 8,
    }
}

/// Total plus the worth of the hours of everybody with a seat.
fn balance(offer: &Offer) -> i64 {
    let currency = offer.total.currency;
    let hour = worth_of_an_hour(currency) * 10_i64.pow(currency.decimals()) * i64::from(offer.party.seats());
    offer.total.minor.saturating_add(hour.saturating_mul(travel_time(offer).as_mins()) / 60)
}

/// Of all slices together.
pub fn travel_time(offer: &Offer) -> SignedDuration {
    offer.slices.iter().map(Slice::duration).fold(SignedDuration::ZERO, SignedDuration::saturating_add)
}

fn leaves(offer: &Offer) -> i64 {
    offer.slices.first().map_or(i64::MAX, |slice| slice.first().departs.at.as_second())
}

/// The stops of the slice that has most.
pub fn most_stops(offer: &Offer) -> usize {
    offer.slices.iter().map(Slice::stops).max().unwrap_or_default()
}

pub fn sort(offers: &mut [&Offer], order: Order) {
    offers.sort_by(|a, b| order.key(a).cmp(&order.key(b)));
}

pub fn best<'a>(offers: &[&'a Offer], order: Order) -> Option<&'a Offer> {
    offers.iter().copied().min_by(|a, b| order.key(a).cmp(&order.key(b)))
}

/// Which orders each offer leads: its reasons to be looked at first.
pub fn leads<'a>(offers: &[&'a Offer]) -> HashMap<&'a OfferId, Vec<Order>> {
    let mut leads: HashMap<&OfferId, Vec<Order>> = HashMap::new();
    for order in Order::ALL {
        let is_told = order != Order::LeastCo2 || offers.iter().any(|offer| offer.co2_grams.is_some());
        if let Some(offer) = best(offers, order).filter(|_| is_told) {
            leads.entry(&offer.id).or_default().push(order);
        }
    }
    leads
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::components::samples::{direct, offer, overnight};

    /// (id, cents, direct?)
    fn offers() -> Vec<Offer> {
        vec![
            offer("slow-cheap", 38_900, vec![overnight()]),
            offer("quick-dear", 51_200, vec![direct()]),
            offer("quick-dearest", 90_000, vec![direct()]),
        ]
    }

    fn sorted(order: Order) -> Vec<String> {
        let offers = offers();
        let mut shown: Vec<&Offer> = offers.iter().collect();
        sort(&mut shown, order);
        shown.into_iter().map(|offer| offer.id.0.clone()).collect()
    }

    #[test]
    fn each_order_puts_first_what_it_promises() {
        assert_eq!(sorted(Order::Cheapest), ["slow-cheap", "quick-dear", "quick-dearest"]);
        assert_eq!(sorted(Order::Shortest), ["quick-dear", "quick-dearest", "slow-cheap"]);
        assert_eq!(sorted(Order::First)[0], "quick-dear");
        // 15 hours of two people are worth more than the 123.00 saved.
        assert_eq!(sorted(Order::Balance)[0], "quick-dear");
    }

    #[test]
    fn equal_offers_keep_one_order_so_that_pages_do_not_overlap() {
        let twins = [offer("b", 100, vec![direct()]), offer("a", 100, vec![direct()])];
        for order in Order::ALL {
            let mut shown: Vec<&Offer> = twins.iter().collect();
            sort(&mut shown, order);
            assert_eq!(shown[0].id.0, "a");
        }
    }

    #[test]
    fn an_offer_that_leads_several_orders_has_all_their_reasons() {
        let offers = offers();
        let shown: Vec<&Offer> = offers.iter().collect();
        let leads = leads(&shown);
        assert_eq!(leads[&OfferId("slow-cheap".into())], [Order::Cheapest]);
        assert_eq!(leads[&OfferId("quick-dear".into())], [Order::Balance, Order::Shortest, Order::First]);
    }

    #[test]
    fn an_order_is_known_by_its_code_alone() {
        for code in ["", "Cheapest", "'; drop", "Best balance"] {
            assert_eq!(Order::read(code), None);
        }
        for order in Order::ALL {
            assert_eq!(Order::read(order.code()), Some(order));
        }
    }

    #[test]
    fn least_co2_stands_first_and_unknown_last() {
        let mut offers = offers();
        offers[1].co2_grams = Some(700_000);
        offers[2].co2_grams = Some(600_000);
        let mut shown: Vec<&Offer> = offers.iter().collect();
        sort(&mut shown, Order::LeastCo2);
        assert_eq!(
            shown.iter().map(|offer| offer.id.0.as_str()).collect::<Vec<_>>(),
            ["quick-dearest", "quick-dear", "slow-cheap"]
        );
    }
}
