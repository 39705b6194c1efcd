//! Offer ids that say everything: flights, days, cabin, brand, party, when and at what load the price was made. Nothing
//! needs to be remembered to price an id again, and a checksum turns away what we did not print.

use sha2::{Digest, Sha256};

use super::{airlines::AIRLINES, price};
use crate::itinerary::{Cabin, OfferId, Party, PassengerKind};

const LONGEST: usize = 320;
const VERSION: &str = "t1";
const MOST_SLICES: usize = 6;
const MOST_LEGS: usize = 3;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OfferKey {
    /// Unix seconds.
    pub quoted_at: i64,
    pub cabin: Cabin,
    pub brand: u8,
    pub party: Party,
    /// Per cent on top, by the demo's price switch.
    pub uplift: u8,
    pub slices: Vec<Vec<SegmentKey>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentKey {
    pub carrier: u8,
    pub number: u16,
    /// Days since 1970.
    pub day: i32,
    /// Eighths sold when quoted.
    pub load: u8,
}

impl OfferKey {
    pub(super) fn id(&self) -> OfferId {
        let count = |kind| self.party.count(kind);
        let slices: Vec<String> =
            self.slices.iter().map(|legs| legs.iter().map(segment).collect::<Vec<_>>().join("_")).collect();
        let body = format!(
            "{VERSION}.{:x}.{}{}.{}{}{}.{}.{}",
            self.quoted_at,
            super::fleet::cabin_index(self.cabin),
            self.brand,
            count(PassengerKind::Adult),
            count(PassengerKind::Child),
            count(PassengerKind::Infant),
            self.uplift,
            slices.join("~"),
        );
        OfferId(format!("{body}.{}", checksum(&body)))
    }

    /// `None` for whatever we did not print ourselves.
    pub(super) fn parse(id: &OfferId) -> Option<Self> {
        let text = id.0.as_str();
        if text.len() > LONGEST || !text.is_ascii() {
            return None;
        }
        let (body, check) = text.rsplit_once('.')?;
        if checksum(body) != check {
            return None;
        }
        let mut parts = body.split('.');
        let mut next = || parts.next();
        if next()? != VERSION {
            return None;
        }
        let quoted_at = i64::from_str_radix(next()?, 16).ok()?;
        let [cabin, brand] = digits(next()?)?;
        let [adults, children, infants] = digits(next()?)?;
        let uplift = next()?.parse().ok()?;
        let slices = next()?.split('~').map(|legs| legs.split('_').map(read_segment).collect());
        let slices: Vec<Vec<SegmentKey>> = slices.collect::<Option<_>>()?;
        let cabin = *Cabin::ALL.get(usize::from(cabin))?;
        let fits = slices.len() <= MOST_SLICES && slices.iter().all(|legs| legs.len() <= MOST_LEGS);
        if parts.next().is_some() || !fits || !price::brands(cabin).contains(&brand) {
            return None;
        }
        let party = Party::new(adults, children, infants).ok()?;
        Some(Self { quoted_at, cabin, brand, party, uplift, slices })
    }
}

fn segment(leg: &SegmentKey) -> String {
    format!("{}{}-{}-{}", AIRLINES[usize::from(leg.carrier)].code, leg.number, leg.day, leg.load)
}

fn read_segment(text: &str) -> Option<SegmentKey> {
    let mut parts = text.split('-');
    let (carrier, number) = parts.next()?.split_at_checked(2)?;
    let carrier = AIRLINES.iter().position(|airline| airline.code == carrier)?;
    let day = parts.next()?.parse().ok()?;
    let load = parts.next()?.parse().ok().filter(|load| *load < 8)?;
    let key = SegmentKey { carrier: u8::try_from(carrier).ok()?, number: number.parse().ok()?, day, load };
    parts.next().is_none().then_some(key)
}

fn digits<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits: [u8; N] = text.as_bytes().try_into().ok()?;
    digits.iter().all(u8::is_ascii_digit).then(|| digits.map(|digit| digit - b'0'))
}

/// Not a secret: the demo sells nothing. It keeps hand-made ids from pricing flights that were never offered so.
fn checksum(body: &str) -> String {
    let digest = Sha256::new().chain_update(b"jetbridge timetable offer ").chain_update(body).finalize();
    hex::encode(&digest[..5])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> OfferKey {
        let leg = SegmentKey { carrier: 3, number: 1_412, day: 20_790, load: 5 };
        OfferKey {
            quoted_at: 1_795_370_000,
            cabin: Cabin::Economy,
            brand: 0,
            party: Party::new(2, 1, 1).unwrap(),
            uplift: 0,
            slices: vec![vec![leg, SegmentKey { day: 20_791, ..leg }], vec![leg]],
        }
    }

    #[test]
    fn an_id_reads_back_as_itself_and_fits_a_url() {
        let mut key = sample();
        assert_eq!(OfferKey::parse(&key.id()), Some(key.clone()));
        key.slices = vec![vec![SegmentKey { carrier: 39, number: 9_999, day: 99_999, load: 7 }; 2]; 6];
        let id = key.id();
        assert_eq!(OfferKey::parse(&id), Some(key));
        assert!(id.0.len() <= LONGEST, "{}", id.0.len());
        assert!(id.0.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)), "{id}");
    }

    #[test]
    fn a_changed_id_is_no_id() {
        let id = sample().id().0;
        for at in 0..id.len() {
            for new in ["0", "9", "z", "-", "", "é"] {
                let mut changed = id.clone();
                changed.replace_range(at..=at, new);
                if changed != id {
                    assert_eq!(OfferKey::parse(&OfferId(changed.clone())), None, "{changed}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn hostile_text_never_panics_and_never_parses(text in ".{0,400}") {
            prop_assert_eq!(OfferKey::parse(&OfferId(text)), None);
        }

        #[test]
        fn hostile_bodies_with_a_right_checksum_never_panic(
            body in "(t1|t2)\\.[0-9a-f-]{0,20}\\.[0-9]{0,3}\\.[0-9]{0,4}\\.[0-9]{0,4}\\.[0-9A-Z~_-]{0,80}",
        ) {
            let _ = OfferKey::parse(&OfferId(format!("{body}.{}", checksum(&body))));
        }
    }
}
