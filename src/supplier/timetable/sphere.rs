//! Great circles in whole numbers: the same kilometre on every machine, so the same timetable and the same price.

/// Unit vector, scaled by 2^24.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point {
    x: i64,
    y: i64,
    z: i64,
}

const UNIT_BITS: u32 = 24;
const ANGLE_BITS: u32 = 30;
/// Radians per millionth of a degree, times 2^30, times 10^9.
const RADIANS: i64 = 18_740_330_124;
/// Millionths of a degree at the centre for half a kilometre on the ground (mean radius 6,371 km), times 100.
const HALF_KM: i64 = 449_661;
const STEP_KM: usize = 20;
const LONGEST_KM: usize = 20_020;

/// Chord length, scaled like a [`Point`], for every twentieth kilometre.
pub(super) struct Ruler {
    chords: Vec<i64>,
}

impl Point {
    pub(super) fn new(lat_micro: i32, lon_micro: i32) -> Self {
        let (lat, lon) = (i64::from(lat_micro), i64::from(lon_micro));
        let scale = |product: i64| product >> (2 * ANGLE_BITS - UNIT_BITS);
        Self {
            x: scale(cos(lat) * cos(lon)),
            y: scale(cos(lat) * sin(lon)),
            z: sin(lat) >> (ANGLE_BITS - UNIT_BITS),
        }
    }

    /// Square of the straight line through the Earth: enough to compare distances.
    pub(super) fn chord_squared(self, other: Self) -> i64 {
        let (x, y, z) = (self.x - other.x, self.y - other.y, self.z - other.z);
        x * x + y * y + z * z
    }
}

impl Ruler {
    pub(super) fn new() -> Self {
        let chord = |km: usize| {
            let half = i64::try_from(km).unwrap_or(0) * HALF_KM / 100;
            sin(half) >> (ANGLE_BITS - UNIT_BITS - 1)
        };
        Self { chords: (0..=LONGEST_KM).step_by(STEP_KM).map(chord).collect() }
    }

    pub(super) fn km(&self, a: Point, b: Point) -> u16 {
        let chord = a.chord_squared(b).isqrt();
        let above = self.chords.partition_point(|known| *known <= chord);
        let Some(&next) = self.chords.get(above) else {
            return u16::try_from(LONGEST_KM).unwrap_or(u16::MAX);
        };
        let Some(&last) = above.checked_sub(1).and_then(|below| self.chords.get(below)) else { return 0 };
        let step = i64::try_from(STEP_KM).unwrap_or(1);
        let part = (chord - last) * step / (next - last);
        u16::try_from((i64::try_from(above).unwrap_or(1) - 1) * step + part).unwrap_or(u16::MAX)
    }

    pub(super) fn chord_squared(&self, km: u16) -> i64 {
        let at = (usize::from(km) / STEP_KM).min(self.chords.len() - 1);
        self.chords[at] * self.chords[at]
    }
}

/// Sine times 2^30 of an angle in millionths of a degree, -270° to 270°. Its series is cut where the rest is below 2^-30.
fn sin(micro: i64) -> i64 {
    let micro = match micro {
        90_000_001.. => 180_000_000 - micro,
        ..=-90_000_001 => -180_000_000 - micro,
        _ => micro,
    };
    let angle = (i128::from(micro) * i128::from(RADIANS) / 1_000_000_000) as i64;
    let square = (angle * angle) >> ANGLE_BITS;
    let one = 1_i64 << ANGLE_BITS;
    let mut series = one;
    for step in [156, 110, 72, 42, 20, 6] {
        series = one - ((square * series) >> ANGLE_BITS) / step;
    }
    (angle * series) >> ANGLE_BITS
}

fn cos(micro: i64) -> i64 {
    sin(90_000_000 - micro.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_globe() {
        let ruler = Ruler::new();
        let lisbon = Point::new(38_770_043, -9_128_165);
        let cases = [
            ("New York", Point::new(40_642_335, -73_788_170), 5_399),
            ("Porto", Point::new(41_248_100, -8_681_400), 278),
            ("Sydney", Point::new(-33_946_100, 151_177_200), 18_181),
            ("Lisbon", lisbon, 0),
        ];
        for (name, point, km) in cases {
            let found = i32::from(ruler.km(lisbon, point));
            assert!((found - km).abs() <= 10 + km / 300, "{name}: {found} km, not {km}");
            assert_eq!(ruler.km(lisbon, point), ruler.km(point, lisbon));
        }
        let (auckland, malaga) = (Point::new(-37_008_100, 174_791_700), Point::new(36_674_900, -4_499_100));
        assert!(ruler.km(auckland, malaga) > 19_700);
    }
}
