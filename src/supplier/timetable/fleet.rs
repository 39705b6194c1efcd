//! What flies: seats by cabin, speed, burn.

use crate::itinerary::Cabin;

pub(super) struct Aircraft {
    pub name: &'static str,
    /// Economy, premium economy, business, first.
    pub seats: [u16; 4],
    pub cruise_kmh: u32,
    /// Minutes on the ground, climbing and approaching.
    pub overhead: u32,
    /// Fuel per seat and kilometre, in hundredths of a gram.
    pub burn: u32,
}

pub(super) const FLOATPLANE: u8 = 0;
pub(super) const TURBOPROP: u8 = 1;
pub(super) const REGIONAL_JET: u8 = 2;
pub(super) const NARROW: u8 = 3;
pub(super) const NARROW_DENSE: u8 = 4;
pub(super) const WIDE: u8 = 5;
pub(super) const WIDE_LARGE: u8 = 6;

pub(super) const FLEET: &[Aircraft] = &[
    Aircraft {
        name: "De Havilland Twin Otter",
        seats: [15, 0, 0, 0],
        cruise_kmh: 270,
        overhead: 15,
        burn: 3_100,
    },
    Aircraft { name: "ATR 72-600", seats: [70, 0, 0, 0], cruise_kmh: 480, overhead: 20, burn: 1_900 },
    Aircraft { name: "Embraer E190", seats: [84, 0, 12, 0], cruise_kmh: 790, overhead: 28, burn: 2_600 },
    Aircraft { name: "Airbus A320neo", seats: [144, 0, 20, 0], cruise_kmh: 820, overhead: 30, burn: 2_000 },
    Aircraft { name: "Boeing 737-8", seats: [189, 0, 0, 0], cruise_kmh: 820, overhead: 30, burn: 1_900 },
    Aircraft { name: "Boeing 787-9", seats: [204, 28, 32, 0], cruise_kmh: 885, overhead: 32, burn: 2_100 },
    Aircraft {
        name: "Airbus A350-1000",
        seats: [236, 40, 46, 6],
        cruise_kmh: 890,
        overhead: 32,
        burn: 2_100,
    },
];

impl Aircraft {
    pub(super) fn seats_in(&self, cabin: Cabin) -> u16 {
        self.seats[cabin_index(cabin)]
    }
}

pub(super) fn aircraft(kind: u8) -> &'static Aircraft {
    &FLEET[usize::from(kind).min(FLEET.len() - 1)]
}

pub(super) fn cabin_index(cabin: Cabin) -> usize {
    match cabin {
        Cabin::Economy => 0,
        Cabin::PremiumEconomy => 1,
        Cabin::Business => 2,
        Cabin::First => 3,
    }
}
