//! Where lines, stops and labels stand.

use super::*;
use crate::web::components::slice::samples::*;

fn everywhere() -> Vec<Point> {
    (-60..=75)
        .flat_map(|lat| (-180..180).map(move |lon| Point { lat: f64::from(lat), lon: f64::from(lon) }))
        .collect()
}

#[test]
fn a_great_circle_starts_and_ends_where_it_should_and_bends_to_the_pole() {
    let (lisbon, york) = (Point::of(&lisbon()), Point::of(&new_york()));
    let arc = great_circle(lisbon, york);
    assert_eq!(arc.len(), 21);
    assert!((arc[20].lat - york.lat).abs() < 1e-6 && (arc[20].lon - york.lon).abs() < 1e-6);
    assert!(arc[10].lat > 44.0);
}

#[test]
fn a_route_over_the_pacific_does_not_cross_the_whole_map() {
    let tokyo = Point { lat: 35.76, lon: 140.39 };
    let arc = great_circle(tokyo, Point { lat: 37.62, lon: -122.38 });
    assert!(arc.windows(2).all(|pair| (pair[1].lon - pair[0].lon).abs() < 20.0));
    assert!(arc[20].lon > 180.0);
    let view = View::around(&arc, 640.0);
    assert!(arc.iter().all(|point| view.holds(view.place(*point))));
}

#[test]
fn a_route_is_as_long_as_its_segments() {
    assert!((5_390..5_430).contains(&kilometres(&[direct()])));
    assert!((6_240..6_310).contains(&kilometres(&[overnight()])));
}

#[test]
fn opposite_and_equal_points_draw_finite_lines() {
    let here = Point { lat: 10.0, lon: 20.0 };
    for to in [here, Point { lat: -10.0, lon: -160.0 }] {
        assert!(great_circle(here, to).iter().all(|point| point.lat.is_finite() && point.lon.is_finite()));
    }
}

#[test]
fn no_map_has_more_dots_than_a_page_can_carry_and_none_is_flat_or_endless() {
    let routes = [
        (Point { lat: 38.8, lon: -9.1 }, Point { lat: 41.2, lon: -8.7 }),
        (Point { lat: 38.8, lon: -9.1 }, Point { lat: -34.0, lon: 18.6 }),
        (Point { lat: 64.0, lon: -22.6 }, Point { lat: -54.8, lon: -68.3 }),
        (Point { lat: 0.0, lon: 0.0 }, Point { lat: 0.5, lon: 179.5 }),
    ];
    for (from, to) in routes {
        let arc = great_circle(from, to);
        let view = View::around(&arc, 640.0);
        assert!((260.0..=400.0).contains(&view.height), "{view:?}");
        assert!(arc.iter().all(|point| view.holds(view.place(*point))), "{view:?}");
        assert!(Dots::new(&view, &everywhere(), 10.6).cells.len() <= MOST_DOTS);
    }
}

#[test]
fn a_return_from_elsewhere_has_its_own_stop() {
    let newark = airport("EWR", "Newark", "America/New_York", 40.69, -74.17);
    let back = segment(&newark, &lisbon(), "2027-03-26T23:30:00Z", "2027-03-27T05:55:00Z");
    let html = route_map(&[direct(), Slice::try_from(vec![back]).unwrap()]).to_string();
    assert_eq!(html.matches("<circle").count(), 3);
    assert!(html.contains(">EWR<") && html.contains(">JFK<"));
}

/// Code, place of its stop, place of the label, height of the map.
type Label = (String, (f64, f64), (f64, f64), f64);

fn labelled(route: &[&str]) -> Vec<Label> {
    let airport = |code: &str| Airports::world().airport(code.parse().unwrap()).unwrap();
    let legs: Vec<_> = (0..)
        .zip(route.windows(2))
        .map(|(day, pair)| {
            let [departs, arrives] =
                ["01", "23"].map(|hour| format!("2027-03-{:02}T{hour}:00:00Z", day + 10));
            segment(airport(pair[0]), airport(pair[1]), &departs, &arrives)
        })
        .collect();
    let html = route_map(&[Slice::try_from(legs).unwrap()]).to_string();
    let number = |part: &str, name: &str| -> f64 {
        let from = part.find(&format!(" {name}=\"")).unwrap() + name.len() + 3;
        part[from..].split('"').next().unwrap().parse().unwrap()
    };
    let height: f64 =
        html.split("viewBox=\"0 0 640 ").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    let stops = html.split("<circle").skip(1).map(|part| (number(part, "cx"), number(part, "cy")));
    let texts = html.split("<text").skip(1).map(|part| {
        let code = part.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned();
        (code, (number(part, "x"), number(part, "y")))
    });
    stops.zip(texts).map(|(stop, (code, label))| (code, stop, label, height)).collect()
}

#[test]
fn every_label_stands_at_its_own_stop_apart_from_the_others_and_whole_whichever_way_one_flies() {
    let routes: [&[&str]; 14] = [
        &["LIS", "JFK"],
        &["JFK", "LIS"],
        &["NRT", "SFO"],
        &["SFO", "NRT"],
        &["SYD", "LAX"],
        &["AKL", "SCL"],
        &["LIS", "OPO"],
        &["OPO", "LIS"],
        &["AMS", "RTM"],
        &["LIS", "CPT"],
        &["KEF", "USH"],
        &["LIS", "MAD", "JFK"],
        &["LHR", "SIN", "SYD"],
        &["SYD", "AKL", "PPT", "LAX"],
    ];
    for route in routes {
        let labels = labelled(route);
        let codes: Vec<&str> = labels.iter().map(|(code, ..)| code.as_str()).collect();
        assert_eq!(codes, route, "in the order of the way");
        for (nth, (code, stop, label, height)) in labels.iter().enumerate() {
            let away = |other: &(f64, f64)| (label.0 - other.0).hypot(label.1 - other.1);
            assert!(away(stop) < 60.0, "{route:?}: {code} is far from its stop");
            let (x, y) = *label;
            assert!(
                (29.0..=611.0).contains(&x) && (14.0..=height - 14.0).contains(&y),
                "{route:?}: {code} is cut"
            );
            for (other, _, place, _) in &labels[nth + 1..] {
                let apart = (place.0 - x).abs() >= 59.0 || (place.1 - y).abs() >= 25.0;
                assert!(apart, "{route:?}: {code} is written over {other}");
            }
            let nearest = labels.iter().min_by(|a, b| away(&a.1).total_cmp(&away(&b.1))).unwrap();
            assert!(route.len() > 3 || nearest.0 == *code, "{route:?}: {code} is nearer to {}", nearest.0);
        }
    }
}

#[test]
fn east_is_to_the_right_also_over_the_date_line() {
    for (west, east) in [("JFK", "LIS"), ("NRT", "SFO"), ("SYD", "LAX")] {
        let at = |labels: &[Label], code: &str| {
            labels.iter().find(|(known, ..)| known == code).map(|(_, stop, ..)| stop.0).unwrap()
        };
        for route in [[west, east], [east, west]] {
            let labels = labelled(&route);
            assert!(at(&labels, west) < at(&labels, east), "{route:?}");
        }
    }
}

#[test]
fn a_route_names_its_stops_for_those_who_do_not_see_it() {
    let html = route_map(&[overnight()]).to_string();
    assert!(html.contains("aria-label=\"Map: Lisbon, then Madrid, then New York\""), "{html}");
    assert_eq!(html.matches("<circle").count(), 3);
}
