//! In which order offers stand, which are shown, and why one stands where it does.

use jiff::SignedDuration;

use crate::{
    itinerary::{Offer, Slice},
    money::{Currency, Money},
    search::choices::Pick,
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

    /// Lower stands first.
    pub fn key(self, merits: &Merits) -> (i64, i64) {
        let (price, time) = (merits.total.minor, merits.minutes);
        match self {
            Self::Balance => (merits.balance(), price),
            Self::Cheapest => (price, time),
            Self::Shortest => (time, price),
            Self::First => (merits.leaves, price),
            // What nobody tells stands last.
            Self::LeastCo2 => (merits.co2.unwrap_or(i64::MAX), price),
        }
    }
}

/// What an offer is ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merits {
    pub total: Money,
    /// Of all slices together.
    pub minutes: i64,
    /// In seconds since 1970.
    pub leaves: i64,
    /// In grams, where that is told.
    pub co2: Option<i64>,
    pub seats: u8,
}

impl Merits {
    /// Total plus the worth of the hours of everybody with a seat.
    fn balance(&self) -> i64 {
        let currency = self.total.currency;
        let hour = worth_of_an_hour(currency) * 10_i64.pow(currency.decimals()) * i64::from(self.seats);
        self.total.minor.saturating_add(hour.saturating_mul(self.minutes) / 60)
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

/// Of all slices together.
pub fn travel_time(offer: &Offer) -> SignedDuration {
    offer.slices.iter().map(Slice::duration).fold(SignedDuration::ZERO, SignedDuration::saturating_add)
}

/// The stops of the slice that has most.
pub fn most_stops(offer: &Offer) -> usize {
    offer.slices.iter().map(Slice::stops).max().unwrap_or_default()
}

/// Which orders a choice leads: its reasons to be looked at first.
pub fn led_by(pick: &Pick, leaders: &[(Order, Pick)]) -> Vec<Order> {
    let is_told = |order: Order, leader: &Pick| order != Order::LeastCo2 || leader.merits.co2.is_some();
    let led = leaders.iter().filter(|(order, leader)| leader.ways == pick.ways && is_told(*order, leader));
    led.map(|(order, _)| *order).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        search::{choices::Choices, filter::Filters},
        web::components::samples::{direct, offer, overnight},
    };

    /// (id, cents, direct?)
    fn offers() -> Vec<Offer> {
        vec![
            offer("slow-cheap", 38_900, vec![overnight()]),
            offer("quick-dear", 51_200, vec![direct()]),
            offer("quick-dearest", 90_000, vec![direct()]),
        ]
    }

    fn sorted(order: Order, offers: Vec<Offer>) -> Vec<String> {
        let axes = [offers];
        let choices = Choices::among(&axes);
        let picks = choices.picks(&Filters::default(), order).first;
        picks.iter().map(|pick| choices.parts(&pick.ways)[0].id.0.clone()).collect()
    }

    #[test]
    fn each_order_puts_first_what_it_promises() {
        let sorted = |order| sorted(order, offers());
        assert_eq!(sorted(Order::Cheapest), ["slow-cheap", "quick-dear", "quick-dearest"]);
        assert_eq!(sorted(Order::Shortest), ["quick-dear", "quick-dearest", "slow-cheap"]);
        assert_eq!(sorted(Order::First)[0], "quick-dear");
        // 15 hours of two people are worth more than the 123.00 saved.
        assert_eq!(sorted(Order::Balance)[0], "quick-dear");
    }

    #[test]
    fn equal_offers_keep_one_order_so_that_pages_do_not_overlap() {
        let twins = || vec![offer("a", 100, vec![direct()]), offer("b", 100, vec![direct()])];
        for order in Order::ALL {
            assert_eq!(sorted(order, twins()), ["a", "b"]);
        }
    }

    #[test]
    fn an_offer_that_leads_several_orders_has_all_their_reasons() {
        let axes = [offers()];
        let choices = Choices::among(&axes);
        let none = Filters::default();
        let picks = choices.picks(&none, Order::Cheapest);
        let leaders = choices.leaders(&none, &picks);
        assert_eq!(led_by(&picks.first[0], &leaders), [Order::Cheapest]);
        assert_eq!(led_by(&picks.first[1], &leaders), [Order::Balance, Order::Shortest, Order::First]);
        assert_eq!(led_by(&picks.first[2], &leaders), []);
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
        assert_eq!(sorted(Order::LeastCo2, offers), ["quick-dearest", "quick-dear", "slow-cheap"]);
    }
}
