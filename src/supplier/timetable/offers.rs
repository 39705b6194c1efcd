//! From ways to offers, and from an offer's id back to the offer.

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

use super::{
    LATEST_SALE_MINUTES,
    airlines::{AIRLINES, ALLIANCES, Kind},
    engine::{self, Leg},
    fleet::{self, aircraft},
    key::{OfferKey, SegmentKey},
    passports,
    price::{self, CURRENCY, Seat, euros},
    world::{Flight, World},
};
use crate::itinerary::{
    Cabin, Carrier, DocumentRule, LocalTime, Offer, OtherFare, PassengerKind, PassengerPrice, Segment, Slice,
    Tax,
};

/// How long a price stands.
pub(super) const LIFE: SignedDuration = SignedDuration::from_mins(30);
const EPOCH: civil::Date = civil::date(1970, 1, 1);

/// A segment of a key, found in the world.
#[derive(Clone, Copy)]
pub(super) struct Found {
    pub flight: Flight,
    pub from: u16,
    pub leg: Leg,
    pub cabin: Cabin,
    pub load: u8,
}

pub(super) fn day_of(date: civil::Date) -> i32 {
    i32::try_from(date.duration_since(EPOCH).as_hours() / 24).unwrap_or(0)
}

pub(super) fn minute_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

/// The cabin asked for where the aircraft has it, economy for the rest of the way.
pub(super) fn cabin_on(flight: &Flight, wanted: Cabin) -> Cabin {
    if aircraft(flight.aircraft).seats_in(wanted) > 0 { wanted } else { Cabin::Economy }
}

/// The key's flights, if the world has them and they follow one another.
pub(super) fn locate(world: &World, key: &OfferKey) -> Option<Vec<Vec<Found>>> {
    let find = |segment: &SegmentKey| {
        let at = world.by_number(segment.carrier, segment.number)?;
        let flight = world.flights[at as usize];
        let from = world.origin_of(at);
        let leg = engine::leg(world, at, &flight, from, segment.day)?;
        Some(Found { flight, from, leg, cabin: cabin_on(&flight, key.cabin), load: segment.load })
    };
    let slices: Option<Vec<Vec<Found>>> =
        key.slices.iter().map(|legs| legs.iter().map(find).collect::<Option<Vec<_>>>()).collect();
    let slices = slices?;
    let chained = slices
        .iter()
        .all(|legs| !legs.is_empty() && legs.windows(2).all(|pair| pair[0].flight.to == pair[1].from));
    let legs: Vec<&Found> = slices.iter().flatten().collect();
    let in_order = legs.windows(2).all(|pair| pair[0].leg.arrives < pair[1].leg.departs);
    (chained && in_order).then_some(slices)
}

pub(super) fn offer(world: &World, key: &OfferKey) -> Option<Offer> {
    let located = locate(world, key)?;
    let quoted_at = Timestamp::from_second(key.quoted_at).ok()?;
    let slices = located.iter().map(|legs| {
        let segments: Vec<Segment> = legs.iter().map(|found| segment(world, found, key.brand)).collect();
        Slice::try_from(segments).ok()
    });
    let slices: Vec<Slice> = slices.collect::<Option<_>>()?;
    let terms = located.iter().flatten().map(|found| price::terms(&found.flight, found.cabin, key.brand));
    let fare = terms.reduce(|all, next| price::narrower(all, &next))?;
    let prices = prices(world, key, &located);
    let grams = located.iter().flatten().map(|found| price::co2_grams(&found.flight, found.cabin)).sum();
    let mut offer = Offer {
        id: key.id(),
        slices,
        party: key.party,
        cabin: key.cabin,
        fare,
        prices,
        total: euros(0),
        quoted_at,
        expires_at: quoted_at.checked_add(LIFE).ok()?.min(last_call(&located)?),
        co2_grams: Some(grams),
        documents: DocumentRule::NotAsked,
        alliance: alliance(&located),
        other_fares: Vec::new(),
    };
    offer.total = offer.sum_of_prices(CURRENCY).ok()?;
    offer.documents = passports::rule(&offer);
    Some(offer)
}

/// When the first flight is sold for the last time.
fn last_call(located: &[Vec<Found>]) -> Option<Timestamp> {
    let first = located.first()?.first()?;
    Timestamp::from_second((first.leg.departs - LATEST_SALE_MINUTES) * 60).ok()
}

/// The same flights at each fare above the key's own.
pub(super) fn others(world: &World, key: &OfferKey) -> Vec<OtherFare> {
    let brands = price::brands(key.cabin).filter(|brand| *brand > key.brand);
    let offers = brands.filter_map(|brand| offer(world, &OfferKey { brand, ..key.clone() }));
    let other = |offer: Offer| OtherFare {
        fare_bases: offer.segments().map(|segment| segment.fare_basis.clone()).collect(),
        id: offer.id,
        fare: offer.fare,
        prices: offer.prices,
        total: offer.total,
    };
    offers.map(other).collect()
}

/// Of which every airline of these flights is a member.
fn alliance(slices: &[Vec<Found>]) -> Option<String> {
    let mut members =
        slices.iter().flatten().map(|found| AIRLINES[usize::from(found.flight.carrier)].alliance);
    let first = members.next()?;
    let name = ALLIANCES.get(usize::from(first.checked_sub(1)?))?;
    members.all(|other| other == first).then(|| (*name).to_owned())
}

fn prices(world: &World, key: &OfferKey, slices: &[Vec<Found>]) -> Vec<PassengerPrice> {
    let quoted_day = i32::try_from(key.quoted_at.div_euclid(86_400)).unwrap_or(0);
    let mut prices = Vec::new();
    for kind in PassengerKind::ALL {
        let count = key.party.count(kind);
        if count == 0 {
            continue;
        }
        let mut fare = 0;
        let mut taxes: Vec<Tax> = Vec::new();
        for legs in slices {
            for (nth, found) in legs.iter().enumerate() {
                let seat = seat(found, quoted_day);
                fare += price::fare(
                    price::base_fare(world, &seat),
                    seat.cabin,
                    key.brand,
                    legs.len(),
                    key.uplift,
                    kind,
                );
                // A lap infant pays no charges for a seat.
                if kind != PassengerKind::Infant {
                    price::taxes(world, &seat, nth == 0).for_each(|tax| add(&mut taxes, tax));
                }
            }
        }
        prices.push(PassengerPrice { kind, count, fare: euros(fare), taxes, whole_party: false });
    }
    prices
}

fn add(taxes: &mut Vec<Tax>, tax: Tax) {
    match taxes.iter_mut().find(|known| known.code == tax.code) {
        Some(known) => known.amount = euros(known.amount.minor + tax.amount.minor),
        None => taxes.push(tax),
    }
}

fn seat(found: &Found, quoted_day: i32) -> Seat<'_> {
    Seat {
        flight: &found.flight,
        from: found.from,
        day: found.leg.day,
        cabin: found.cabin,
        load: found.load,
        lead: found.leg.day - quoted_day,
    }
}

/// What the price of a leg is made of, as if nobody had bought here yet.
#[derive(Clone, Copy)]
pub(super) struct LegPrice {
    /// Of one adult, before it is part of anything, in cents.
    pub base: i64,
    /// Of one seat, in cents.
    pub taxes: i64,
    pub cabin: Cabin,
}

pub(super) fn leg_price(world: &World, leg: &Leg, cabin: Cabin, quoted_day: i32, starts: bool) -> LegPrice {
    let flight = world.flights[leg.flight as usize];
    let cabin = cabin_on(&flight, cabin);
    let load = price::load(&flight, leg.day, cabin, 0);
    let found = Found { flight, from: leg.from, leg: *leg, cabin, load };
    let seat = seat(&found, quoted_day);
    let (base, taxes) = (price::base_fare(world, &seat), price::tax_cents(world, &seat, starts));
    LegPrice { base, taxes, cabin }
}

fn segment(world: &World, found: &Found, brand: u8) -> Segment {
    let (from, to) =
        (&world.airports.all()[usize::from(found.from)], &world.airports.all()[usize::from(found.flight.to)]);
    let airline = &AIRLINES[usize::from(found.flight.carrier)];
    let carrier = |at: usize| Carrier { code: AIRLINES[at].code.into(), name: AIRLINES[at].name.into() };
    let operated_by = (airline.kind == Kind::Network && found.flight.aircraft <= fleet::TURBOPROP)
        .then(|| feeder_of(world, found))
        .flatten()
        .map(carrier);
    let at = |minute: i64, zone: &str| {
        let instant = Timestamp::from_second(minute * 60).unwrap_or(Timestamp::UNIX_EPOCH);
        LocalTime::new(instant, &TimeZone::get(zone).unwrap_or(TimeZone::UTC))
    };
    let letter = ['Y', 'W', 'J', 'F'][fleet::cabin_index(found.cabin)];
    let family = ["LGT", "CLS", "FLX"][usize::from(brand.min(2))];
    Segment {
        carrier: carrier(usize::from(found.flight.carrier)),
        number: found.flight.number,
        operated_by,
        from: from.clone(),
        to: to.clone(),
        departs: at(found.leg.departs, &from.zone),
        arrives: at(found.leg.arrives, &to.zone),
        aircraft: aircraft(found.flight.aircraft).name.into(),
        cabin: found.cabin,
        fare_basis: format!("{letter}{}{family}", found.load),
    }
}

/// Network airlines let the region's feeder fly their propellers.
fn feeder_of(world: &World, found: &Found) -> Option<usize> {
    let region = world.nodes[usize::from(found.from)].region;
    AIRLINES.iter().position(|airline| airline.kind == Kind::Feeder && airline.regions.contains(&region))
}
