//! The slice line, drawn to scale, and the same slice told segment by segment.

use jiff::{SignedDuration, civil};
use maud::{Markup, html};

use crate::{
    airports::Airports,
    itinerary::{Airport, Carrier, LocalTime, Segment, Slice},
    web::components::{Fragment, tile, words},
};

/// The time on the ground between two segments.
struct Wait<'a> {
    from: &'a Airport,
    to: &'a Airport,
    /// Shares of the whole slice, in percent.
    start: f64,
    width: f64,
    span: SignedDuration,
    /// The local date changes while waiting, or it is the small hours.
    night: bool,
}

/// Of the hours from midnight to six, so many spent waiting are a night, even where the date has changed before.
const A_NIGHT: SignedDuration = SignedDuration::from_hours(3);

fn is_night(landing: civil::DateTime, leaving: civil::DateTime) -> bool {
    let six = landing.date().to_datetime(civil::time(6, 0, 0, 0));
    landing.date() != leaving.date() || leaving.min(six).duration_since(landing) >= A_NIGHT
}

fn waits(slice: &Slice) -> Vec<Wait<'_>> {
    let whole = slice.duration().as_secs_f64();
    let share = |span: SignedDuration| if whole > 0.0 { span.as_secs_f64() / whole * 100.0 } else { 0.0 };
    slice
        .segments()
        .windows(2)
        .map(|pair| {
            let (landing, leaving) = (&pair[0].arrives, &pair[1].departs);
            let span = leaving.at.duration_since(landing.at);
            Wait {
                from: &pair[0].to,
                to: &pair[1].from,
                start: share(landing.at.duration_since(slice.first().departs.at)),
                width: share(span),
                span,
                night: is_night(landing.local, leaving.local),
            }
        })
        .collect()
}

/// Days between the local dates of leaving and arriving: "+1"; "−1" happens over the Pacific.
fn days_later(slice: &Slice) -> i32 {
    let (leaves, lands) = (slice.first().departs.local.date(), slice.last().arrives.local.date());
    i32::try_from(lands.duration_since(leaves).as_hours() / 24).unwrap_or_default()
}

pub fn slice_line(slice: &Slice) -> Fragment {
    let waits = waits(slice);
    let (first, last) = (slice.first(), slice.last());
    html! {
        div.slice {
            (end(&first.departs, &first.from, 0))
            svg.slice-line aria-hidden="true" {
                line x2="100%" y1="7" y2="7" {}
                circle cy="7" r="4" {}
                circle cx="100%" cy="7" r="4" {}
                @for wait in &waits {
                    rect.night[wait.night] x=(format!("{:.1}%", wait.start)) y="2"
                        width=(format!("{:.1}%", wait.width)) height="10" rx="5" {}
                }
            }
            (end(&last.arrives, &last.to, days_later(slice)))
            p.slice-via { (via(slice, &waits)) }
            p.slice-by { (by(slice)) }
        }
    }
    .into()
}

fn end(time: &LocalTime, airport: &Airport, days: i32) -> Markup {
    html! {
        p.slice-end {
            time datetime=(words::machine(time)) {
                (words::clock(time.local))
                @if days != 0 {
                    span.plus {
                        @if days > 0 { "+" } @else { "−" } (days.abs())
                        span.vh { @if days.abs() == 1 { " day" } @else { " days" } }
                    }
                }
            } " "
            span { b { (airport.code) } " " (airport.city) }
            @if days != 0 { " " span.when { (words::day(time.local.date())) } }
        }
    }
}

fn via(slice: &Slice, waits: &[Wait<'_>]) -> String {
    let length = words::duration(slice.duration());
    if waits.is_empty() {
        return format!("{length}, direct");
    }
    let told: Vec<String> = waits.iter().map(wait_in_words).collect();
    format!("{length}, {}: {}", words::stops(slice), told.join(", "))
}

fn wait_in_words(wait: &Wait<'_>) -> String {
    let span = words::duration(wait.span);
    let night = if wait.night { " overnight" } else { "" };
    if wait.from.code == wait.to.code {
        format!("{span}{night} in {} {}", wait.from.city, wait.from.code)
    } else {
        format!("{span}{night} from {} to {}, a different airport", wait.from.code, wait.to.code)
    }
}

/// "11 h 40, 1 stop: 1 h 50 in Reykjavík KEF", for where nothing can be drawn.
pub fn way_in_words(slice: &Slice) -> String {
    via(slice, &waits(slice))
}

/// What is easily missed and spoils a journey: a night on the way, a change of airports.
pub fn warnings(slices: &[Slice]) -> Vec<String> {
    let mut told = Vec::new();
    for wait in slices.iter().flat_map(waits) {
        if wait.night {
            told.push(format!("A night on the way, in {}. A hotel is not included.", wait.to.city));
        }
        if wait.from.code != wait.to.code {
            let (from, to) = (wait.from.code, wait.to.code);
            told.push(format!("You change airports on your own, from {from} to {to}."));
        }
    }
    told.extend(other_airports(slices));
    told
}

/// Where one flight of a journey lands at another airport of a city than the next one leaves from: easily missed, and dear if
/// it is.
pub fn other_airports(slices: &[Slice]) -> Vec<String> {
    let other = |pair: &[Slice]| {
        let (lands, leaves) = (&pair[0].last().to, &pair[1].first().from);
        let same_city = (&lands.city, &lands.country) == (&leaves.city, &leaves.country);
        (lands.code != leaves.code && same_city)
            .then(|| format!("In {} you land at {} and go on from {}.", lands.city, lands.code, leaves.code))
    };
    slices.windows(2).filter_map(other).collect()
}

/// Where the first night on the way is.
pub fn night_in(slices: &[Slice]) -> Option<&str> {
    slices.iter().flat_map(waits).find(|wait| wait.night).map(|wait| wait.to.city.as_str())
}

/// Segments of one airline stand together: "Norrland NO 442 and NO 601".
fn by(slice: &Slice) -> Markup {
    let groups: Vec<&[Segment]> = slice
        .segments()
        .chunk_by(|a, b| a.carrier.code == b.carrier.code && a.operated_by == b.operated_by)
        .collect();
    html! {
        @for (place, group) in groups.iter().enumerate() {
            @if place > 0 { " \u{2002}" }
            span {
                (tile(&group[0].carrier)) (group[0].carrier.name) " "
                @for (place, segment) in group.iter().enumerate() {
                    @if place > 0 { " and " } (segment.flight())
                }
                @if let Some(other) = &group[0].operated_by { ", operated by " (other.name) }
            }
        }
    }
}

/// All slices of an offer, one under the other; where there are several, each with its date.
pub fn itinerary(slices: &[Slice]) -> Fragment {
    let date = |slice: &Slice| words::day(slice.first().departs.local.date());
    html! {
        div.offer-way {
            @for (place, slice) in slices.iter().enumerate() {
                @if slices.len() > 1 { p.small.muted { (direction(place, slices)) ", " (date(slice)) } }
                (slice_line(slice))
            }
        }
    }
    .into()
}

/// The same, each with its date above it: for tickets and reviews, which stand far from the search.
pub fn itinerary_by_day(slices: &[Slice]) -> Fragment {
    html! {
        div.offer-way {
            @for (place, slice) in slices.iter().enumerate() {
                div {
                    h3.small.muted { (direction(place, slices)) ", " (words::day_and_year(slice.first().departs.local.date())) }
                    (slice_line(slice))
                }
            }
        }
    }
    .into()
}

/// "Out" and "Back"; of a journey of several flights "Flight 2".
pub fn direction(place: usize, slices: &[Slice]) -> String {
    match (place, slices.len()) {
        (_, 1) => "Out".to_owned(),
        (0, 2) if is_return(slices) => "Out".to_owned(),
        (1, 2) if is_return(slices) => "Back".to_owned(),
        (place, _) => format!("Flight {}", place + 1),
    }
}

/// From the city of arrival back to the city of departure, whichever of their airports.
pub fn is_return(slices: &[Slice]) -> bool {
    let same = |a: &Airport, b: &Airport| {
        (&a.city, &a.country) == (&b.city, &b.country) || Airports::world().serve_one_city(a.code, b.code)
    };
    match slices {
        [out, back] => same(&out.last().to, &back.first().from) && same(&out.first().from, &back.last().to),
        _ => false,
    }
}

/// "Lisbon to New York", also there and back; of several flights every place: "Lisbon, New York, Los Angeles".
pub fn journey(slices: &[Slice]) -> String {
    let Some(first) = slices.first() else { return String::new() };
    if slices.len() == 1 || is_return(slices) {
        return format!("{} to {}", first.first().from.city, first.last().to.city);
    }
    let mut cities = vec![first.first().from.city.as_str()];
    for slice in slices {
        for city in [&slice.first().from.city, &slice.last().to.city] {
            if cities.last() != Some(&city.as_str()) {
                cities.push(city);
            }
        }
    }
    cities.join(", ")
}

/// Stop by stop, top to bottom.
pub fn legs(slice: &Slice) -> Fragment {
    let waits = waits(slice);
    let mut day = slice.first().departs.local.date();
    let mut stop = |time: &LocalTime, airport: &Airport| -> Markup {
        let changed = time.local.date() != day;
        day = time.local.date();
        html! {
            li {
                time datetime=(words::machine(time)) {
                    (words::clock(time.local))
                    @if changed { " " small { (words::day(time.local.date())) } }
                }
                div { b { (airport.code) } " " (airport.city) ", " (airport.name) }
            }
        }
    };
    html! {
        ol.legs {
            @for (place, segment) in slice.segments().iter().enumerate() {
                (stop(&segment.departs, &segment.from))
                li.leg { div { (leg(segment)) } }
                (stop(&segment.arrives, &segment.to))
                @if let Some(wait) = waits.get(place) { li.wait { div { (wait_told(wait)) } } }
            }
        }
    }
    .into()
}

fn leg(segment: &Segment) -> Markup {
    let operated = |carrier: &Carrier| format!(", operated by {}", carrier.name);
    html! {
        (tile(&segment.carrier)) (segment.carrier.name) " " (segment.flight())
        (segment.operated_by.as_ref().map(operated).unwrap_or_default())
        ", " (segment.aircraft) ". " (words::duration(segment.duration())) ". " (segment.cabin.name()) "."
    }
}

fn wait_told(wait: &Wait<'_>) -> Markup {
    html! {
        b { (words::duration(wait.span)) " in " (wait.from.city) "." }
        @if wait.from.code != wait.to.code {
            " You change from " (wait.from.name) " " (wait.from.code) " to " (wait.to.name) " " (wait.to.code) "."
        }
        @if wait.night { " The night is in between. A hotel is not included." }
    }
}

#[cfg(test)]
pub mod samples {
    //! A few slices that every component test may use.

    use jiff::{Timestamp, tz::TimeZone};

    use super::*;
    use crate::itinerary::Cabin;

    pub fn airport(code: &str, city: &str, zone: &str, lat: f64, lon: f64) -> Airport {
        Airport {
            code: code.parse().unwrap(),
            name: format!("{city} Airport"),
            city: city.to_owned(),
            country: "PT".to_owned(),
            zone: zone.to_owned(),
            lat_micro: (lat * 1e6) as i32,
            lon_micro: (lon * 1e6) as i32,
        }
    }

    pub fn lisbon() -> Airport {
        airport("LIS", "Lisbon", "Europe/Lisbon", 38.77, -9.13)
    }

    pub fn madrid() -> Airport {
        airport("MAD", "Madrid", "Europe/Madrid", 40.47, -3.56)
    }

    pub fn new_york() -> Airport {
        airport("JFK", "New York", "America/New_York", 40.64, -73.78)
    }

    pub fn segment(from: &Airport, to: &Airport, departs: &str, arrives: &str) -> Segment {
        let local = |at: &str, airport: &Airport| {
            let at: Timestamp = at.parse().unwrap();
            LocalTime::new(at, &TimeZone::get(&airport.zone).unwrap())
        };
        Segment {
            carrier: Carrier { code: "HX".to_owned(), name: "Halcyon Air".to_owned() },
            number: 118,
            operated_by: None,
            from: from.clone(),
            to: to.clone(),
            departs: local(departs, from),
            arrives: local(arrives, to),
            aircraft: "Airbus A330-900".to_owned(),
            cabin: Cabin::Economy,
            fare_basis: "YLIGHT".to_owned(),
        }
    }

    pub fn direct() -> Slice {
        let leg = segment(&lisbon(), &new_york(), "2027-03-12T10:35:00Z", "2027-03-12T18:45:00Z");
        Slice::try_from(vec![leg]).unwrap()
    }

    /// 19:40 Lisbon, 13 h 20 overnight in Madrid, 23 h 15 in all.
    pub fn overnight() -> Slice {
        let first = segment(&lisbon(), &madrid(), "2027-03-12T19:40:00Z", "2027-03-12T21:05:00Z");
        let second = segment(&madrid(), &new_york(), "2027-03-13T10:25:00Z", "2027-03-13T18:55:00Z");
        Slice::try_from(vec![first, second]).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::{samples::*, *};

    #[test]
    fn a_direct_slice_is_a_line_between_two_local_times() {
        let html = slice_line(&direct()).to_string();
        assert!(html.contains(r#"<time datetime="2027-03-12T10:35+00:00">10:35</time>"#), "{html}");
        assert!(html.contains(r#"<time datetime="2027-03-12T13:45-05:00">13:45</time>"#));
        assert!(html.contains("8\u{a0}h\u{a0}10, direct"));
        assert!(!html.contains("<rect") && !html.contains("plus"));
    }

    #[test]
    fn a_stop_is_a_capsule_as_long_as_the_wait_and_filled_by_night() {
        let slice = overnight();
        let waits = waits(&slice);
        assert_eq!(format!("{:.1} {:.1}", waits[0].start, waits[0].width), "6.1 57.3");
        let html = slice_line(&slice).to_string();
        assert!(html.contains(r#"<rect class="night" x="6.1%" y="2" width="57.3%""#), "{html}");
        assert!(html.contains("1 stop: 13\u{a0}h\u{a0}20 overnight in Madrid MAD"));
        assert!(html.contains(r#"+1<span class="vh"> day</span>"#));
        assert!(html.contains(r#"<span class="when">Sat 13 Mar</span>"#));
    }

    #[test]
    fn a_night_and_a_change_of_airports_are_warned_of() {
        assert_eq!(warnings(&[direct()]), Vec::<String>::new());
        assert_eq!(
            warnings(&[direct(), overnight()]),
            ["A night on the way, in Madrid. A hotel is not included."]
        );
        let mut segments = overnight().segments().to_vec();
        segments[1].from = airport("TOJ", "Madrid", "Europe/Madrid", 40.49, -3.45);
        let moved = Slice::try_from(segments).unwrap();
        assert_eq!(warnings(&[moved])[1], "You change airports on your own, from MAD to TOJ.");
    }

    #[test]
    fn hours_after_midnight_are_a_night_as_well() {
        let wait =
            |landing: &str, leaving: &str| is_night(landing.parse().unwrap(), leaving.parse().unwrap());
        // Nine hours in Toronto from midnight: nobody's date has changed while waiting.
        assert!(wait("2027-01-16T00:00", "2027-01-16T09:20"));
        assert!(wait("2027-01-15T23:50", "2027-01-16T05:00"));
        assert!(!wait("2027-01-16T04:30", "2027-01-16T09:20"));
        assert!(!wait("2027-01-16T13:00", "2027-01-16T19:20"));
    }

    #[test]
    fn a_journey_that_does_not_lead_back_is_no_return() {
        let away = [direct(), overnight()];
        assert_eq!([direction(0, &away), direction(1, &away)], ["Flight 1", "Flight 2"]);
        assert_eq!(journey(&away), "Lisbon, New York, Lisbon, New York");
        let home = segment(&new_york(), &lisbon(), "2027-03-20T10:35:00Z", "2027-03-20T18:45:00Z");
        let back = [direct(), Slice::try_from(vec![home]).unwrap()];
        assert_eq!([direction(0, &back), direction(1, &back)], ["Out", "Back"]);
        assert_eq!(journey(&back), "Lisbon to New York");
        assert!(itinerary(&back).to_string().contains("Back, Sat 20 Mar"));
    }

    #[test]
    fn going_on_from_another_airport_of_the_city_is_warned_of() {
        let newark = airport("EWR", "New York", "America/New_York", 40.69, -74.17);
        let home = segment(&newark, &lisbon(), "2027-03-20T10:35:00Z", "2027-03-20T18:45:00Z");
        let home = Slice::try_from(vec![home]).unwrap();
        assert_eq!(warnings(&[direct(), home]), ["In New York you land at JFK and go on from EWR."]);
        assert_eq!(
            warnings(&[direct(), direct()]),
            Vec::<String>::new(),
            "to go on from elsewhere was asked for"
        );
    }

    #[test]
    fn landing_before_leaving_by_the_calendar_is_minus_one_day() {
        let tokyo = airport("NRT", "Tokyo", "Asia/Tokyo", 35.76, 140.39);
        let honolulu = airport("HNL", "Honolulu", "Pacific/Honolulu", 21.32, -157.92);
        let leg = segment(&tokyo, &honolulu, "2027-03-12T12:00:00Z", "2027-03-12T19:00:00Z");
        assert_eq!(days_later(&Slice::try_from(vec![leg]).unwrap()), 0);
        let leg = segment(&tokyo, &honolulu, "2027-03-12T15:30:00Z", "2027-03-12T22:30:00Z");
        assert_eq!(days_later(&Slice::try_from(vec![leg]).unwrap()), -1);
    }

    #[test]
    fn who_flies_is_named_where_it_is_not_who_sells() {
        let mut segments = overnight().segments().to_vec();
        segments[1].operated_by = Some(Carrier { code: "NO".to_owned(), name: "Norrland <&>".to_owned() });
        let slice = Slice::try_from(segments).unwrap();
        for html in [slice_line(&slice).to_string(), legs(&slice).to_string()] {
            assert!(html.contains("operated by Norrland &lt;&amp;&gt;"), "{html}");
        }
    }
}
