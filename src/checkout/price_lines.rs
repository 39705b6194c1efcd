//! What a price is made of, passenger by passenger: so that a refund can say of what it gives back how much.

use std::{fmt, iter, str::FromStr};

use crate::{
    bookings::Booking,
    error::FieldErrors,
    itinerary::Offer,
    money::{Money, MoneyError},
};

/// Of one passenger, by the form of their names in the database.
const MOST_TAXES: usize = 99;

/// What of a passenger's price a line is: the fare, or a tax by its place in the quote, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    Fare,
    Tax(u8),
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fare => f.write_str("fare"),
            Self::Tax(place) => write!(f, "tax_{place}"),
        }
    }
}

impl FromStr for Item {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "fare" {
            return Ok(Self::Fare);
        }
        let place = text.strip_prefix("tax_").and_then(|place| place.parse().ok()).map(Self::Tax);
        place.filter(|item| item.to_string() == text).ok_or(())
    }
}

/// A line by its place in the price. Passenger 0 is everybody together, where the supplier tells one price for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineId {
    pub passenger: u8,
    pub item: Item,
}

/// A line and what of it has not gone back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceLine {
    pub id: LineId,
    pub name: String,
    pub amount: Money,
    pub left: Money,
}

/// How much of a line goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinePart {
    pub line: LineId,
    pub amount: Money,
}

/// All lines that cost something, passenger by passenger; none where they are not the booking's total.
pub fn lines_of(booking: &Booking) -> Vec<PriceLine> {
    let lines = lines(&booking.offer);
    let sum = Money::sum(booking.amount.currency, lines.iter().map(|line| line.amount));
    if sum == Ok(booking.amount) { lines } else { Vec::new() }
}

fn lines(offer: &Offer) -> Vec<PriceLine> {
    let prices = offer.prices.iter();
    let each = prices.flat_map(|price| iter::repeat_n(price, usize::from(price.count)));
    let whole_party = offer.prices.iter().any(|price| price.whole_party);
    let first = u8::from(!whole_party);
    (first..)
        .zip(each)
        .flat_map(|(passenger, price)| {
            let fare = (Item::Fare, "Fare".to_owned(), price.fare);
            let taxes = (1..)
                .zip(price.taxes.iter().take(MOST_TAXES))
                .map(|(place, tax)| (Item::Tax(place), tax.name.clone(), tax.amount));
            iter::once(fare).chain(taxes).map(move |(item, name, amount)| PriceLine {
                id: LineId { passenger, item },
                name,
                amount,
                left: amount,
            })
        })
        .filter(|line| line.amount.minor > 0)
        .collect()
}

/// The sum of what goes back by line.
pub fn sum_of(parts: &[LinePart], none: Money) -> Result<Money, MoneyError> {
    Money::sum(none.currency, parts.iter().map(|part| part.amount))
}

/// Whether so much of each line may go back, and whether it comes to the amount. The messages stand beside "lines".
pub fn check_lines(lines: &[PriceLine], parts: &[LinePart], amount: Money) -> Result<(), FieldErrors> {
    let refuse = |message: String| Err(FieldErrors::one("lines", message));
    for (place, part) in parts.iter().enumerate() {
        let Some(line) = lines.iter().find(|line| line.id == part.line) else {
            return refuse("One of them is no line of this price".to_owned());
        };
        if parts.iter().take(place).any(|earlier| earlier.line == part.line) {
            return refuse("Each line once".to_owned());
        }
        if part.amount.currency != line.left.currency || part.amount.minor <= 0 {
            return refuse(format!("More than nothing of each line, in {}", line.left.currency));
        }
        if part.amount.minor > line.left.minor {
            return refuse(format!("At most {} of the {} is left", line.left, line.name));
        }
    }
    if sum_of(parts, amount) != Ok(amount) {
        return refuse(format!("The lines do not come to {amount}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bookings::lifecycle::BookingState, checkout::pages::samples::standing, itinerary::PassengerPrice,
        web::components::samples::plain,
    };

    fn euros(minor: i64) -> Money {
        Money::new(minor, crate::money::Currency::Eur)
    }

    fn part(passenger: u8, item: Item, minor: i64) -> LinePart {
        LinePart { line: LineId { passenger, item }, amount: euros(minor) }
    }

    #[test]
    fn items_read_back_and_nothing_else_does() {
        for item in [Item::Fare, Item::Tax(1), Item::Tax(10), Item::Tax(99)] {
            assert_eq!(item.to_string().parse(), Ok(item));
        }
        for text in ["", "tax", "tax_", "tax_01", "tax_+1", "tax_300", "fares", "FARE"] {
            assert_eq!(text.parse::<Item>(), Err(()), "{text}");
        }
    }

    #[test]
    fn the_lines_of_all_passengers_are_the_total() {
        let mut offer = plain();
        let of = |offer: &Offer| lines(offer);
        assert_eq!(
            Money::sum(offer.total.currency, of(&offer).iter().map(|line| line.amount)),
            Ok(offer.total)
        );
        assert!(of(&offer).iter().all(|line| line.id.passenger >= 1));
        // One price for everybody together is nobody's own; what costs nothing is no line.
        let all: Vec<PassengerPrice> = offer.prices.drain(..1).collect();
        offer.prices =
            all.into_iter().map(|price| PassengerPrice { count: 1, whole_party: true, ..price }).collect();
        offer.prices[0].fare = euros(0);
        assert!(of(&offer).iter().all(|line| line.id.passenger == 0 && line.id.item != Item::Fare));
    }

    #[test]
    fn a_price_is_told_by_lines_only_where_they_are_all_of_it() {
        let mut booking = standing(BookingState::Confirmed).file.booking;
        let told = |booking: &Booking| -> Vec<(u8, Item, i64)> {
            let lines = lines_of(booking).into_iter();
            lines.map(|line| (line.id.passenger, line.id.item, line.left.minor)).collect()
        };
        assert_eq!(
            told(&booking),
            [
                (1, Item::Fare, 30_000),
                (1, Item::Tax(1), 5_000),
                (2, Item::Fare, 30_000),
                (2, Item::Tax(1), 5_000),
                (3, Item::Fare, 8_000),
                (3, Item::Tax(1), 2_000),
            ]
        );
        // A total that was raised or lowered, or a line that is not told.
        for other in [79_999, 80_001] {
            assert_eq!(told(&Booking { amount: euros(other), ..booking.clone() }), [], "{other}");
        }
        booking.offer.prices.pop();
        assert_eq!(told(&booking), []);
    }

    #[test]
    fn parts_are_held_to_their_lines_and_to_the_amount() {
        let line = |passenger, item, left| PriceLine {
            id: LineId { passenger, item },
            name: "Fare".into(),
            amount: euros(1_000),
            left: euros(left),
        };
        let lines = [line(1, Item::Fare, 1_000), line(1, Item::Tax(1), 200), line(2, Item::Fare, 0)];
        let check = |parts: &[LinePart], amount| check_lines(&lines, parts, euros(amount)).is_ok();
        assert!(check(&[part(1, Item::Fare, 1_000)], 1_000));
        assert!(check(&[part(1, Item::Fare, 1), part(1, Item::Tax(1), 200)], 201));
        assert!(!check(&[part(1, Item::Fare, 1)], 2), "another sum");
        assert!(!check(&[part(1, Item::Tax(1), 201)], 201), "more than is left");
        assert!(!check(&[part(2, Item::Fare, 1)], 1), "nothing is left");
        assert!(!check(&[part(3, Item::Fare, 1)], 1), "no such line");
        assert!(!check(&[part(1, Item::Fare, 1), part(1, Item::Fare, 1)], 2), "twice");
        assert!(!check(&[part(1, Item::Fare, 0)], 0), "nothing");
        assert!(!check(&[part(1, Item::Fare, 500), part(1, Item::Tax(1), -100)], 400), "less than nothing");
    }
}
