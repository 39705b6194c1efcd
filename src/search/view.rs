//! How a list is looked at: its order, what is left out, which page. Read from an address, with a message for what does not
//! fit, and written into one; the same view is always the same address.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    error::FieldErrors,
    itinerary::PlaceCode,
    search::{
        filter::{Filters, Window},
        form::{LEGS, SearchForm},
        order::Order,
        sent::Sent,
    },
};

/// Every field of a view. Those of [`LISTS`] may have several values.
pub const FIELDS: [&str; 15] = [
    "sort", "stops", "airline", "alliance", "via", "dep", "arr", "start", "end", "hours", "max", "bag",
    "refund", "change", "page",
];
const LISTS: [&str; 7] = ["airline", "alliance", "via", "dep", "arr", "start", "end"];
/// Of the values of a list.
const MOST_VALUES: usize = 60;
const LONGEST_VALUE: usize = 30;
const LAST_PAGE: usize = 10_000;

/// A view as typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct ViewForm(BTreeMap<&'static str, String>);

impl From<BTreeMap<String, String>> for ViewForm {
    fn from(mut values: BTreeMap<String, String>) -> Self {
        Self(FIELDS.into_iter().map(|name| (name, values.remove(name).unwrap_or_default())).collect())
    }
}

impl From<ViewForm> for BTreeMap<String, String> {
    fn from(form: ViewForm) -> Self {
        FIELDS.into_iter().map(|name| (name.to_owned(), form.get(name).to_owned())).collect()
    }
}

impl ViewForm {
    pub fn read(sent: &Sent, errors: &mut FieldErrors) -> Self {
        let value = |name| if LISTS.contains(&name) { sent.list(name) } else { sent.one(errors, name) };
        let mut value = value;
        Self(FIELDS.into_iter().map(|name| (name, value(name))).collect())
    }

    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |value| value.trim())
    }

    /// What was typed into a field, no longer than a field is.
    pub fn shown(&self, name: &str) -> String {
        self.get(name).chars().take(LONGEST_VALUE).collect()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    pub order: Order,
    pub filters: Filters,
    pub page: usize,
}

impl View {
    /// What does not fit counts as not sent, and has a message.
    pub fn read(form: &ViewForm, errors: &mut FieldErrors) -> Self {
        let order = match form.get("sort") {
            "" => Some(Order::default()),
            code => Order::read(code),
        };
        if order.is_none() {
            let known = Order::ALL.map(Order::code).join(", ");
            errors.add("sort", unfit(form, "sort", &format!("One of {known}")));
        }
        let filters = filters(form, errors);
        let page = number(errors, form, "page", 1..=LAST_PAGE, "A number from 1");
        Self { order: order.unwrap_or_default(), filters, page: page.unwrap_or(1) }
    }

    /// What is said of a flight that the journey does not have counts as not sent, and has a message.
    pub fn of_slices(mut self, slices: usize, errors: &mut FieldErrors) -> Self {
        let flights = if slices == 1 { "one flight".to_owned() } else { format!("{slices} flights") };
        let mut told = |name, is_wrong: bool| {
            if is_wrong {
                errors.add(name, format!("This journey has {flights}"));
            }
        };
        let filters = &mut self.filters;
        for (name, windows) in [("dep", &mut filters.departs), ("arr", &mut filters.arrives)] {
            told(name, windows.iter().any(|(slice, _)| *slice >= slices));
            windows.retain(|(slice, _)| *slice < slices);
        }
        for (name, airports) in [("start", &mut filters.starts), ("end", &mut filters.ends)] {
            told(name, airports.iter().any(|(slice, _)| *slice >= slices));
            airports.retain(|(slice, _)| *slice < slices);
        }
        self
    }

    pub fn at_page(&self, page: usize) -> Self {
        Self { page, ..self.clone() }
    }

    pub fn in_order(&self, order: Order) -> Self {
        Self { order, page: 1, ..self.clone() }
    }

    pub fn unfiltered(&self) -> Self {
        Self { filters: Filters::default(), page: 1, ..self.clone() }
    }

    /// As typed, but for one field.
    pub fn without(&self, typed: &ViewForm, name: &str) -> Self {
        let mut typed = typed.clone();
        typed.0.retain(|known, _| *known != name);
        let view = Self::read(&typed, &mut FieldErrors::default());
        Self { page: 1, ..view }
    }

    /// What is not as usual, in the order of [`FIELDS`].
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        let mut add = |name, value: String| {
            if !value.is_empty() {
                fields.push((name, value));
            }
        };
        let filters = &self.filters;
        let codes = |codes: &[PlaceCode]| codes.iter().map(PlaceCode::as_str).collect::<Vec<_>>().join(",");
        let windows = |windows: &[(usize, Window)]| {
            let one = |(slice, window): &(usize, Window)| format!("{}-{}", slice + 1, window.code());
            windows.iter().map(one).collect::<Vec<_>>().join(",")
        };
        let airports = |airports: &[(usize, PlaceCode)]| {
            let one = |(slice, code): &(usize, PlaceCode)| format!("{}-{code}", slice + 1);
            airports.iter().map(one).collect::<Vec<_>>().join(",")
        };
        let number = |number: Option<usize>| number.map(|n| n.to_string()).unwrap_or_default();
        let yes = |is_set: bool| if is_set { "1".to_owned() } else { String::new() };
        if self.order != Order::default() {
            add("sort", self.order.code().to_owned());
        }
        add("stops", number(filters.stops));
        add("airline", filters.airlines.join(","));
        add("alliance", filters.alliances.join(","));
        add("via", codes(&filters.via));
        add("dep", windows(&filters.departs));
        add("arr", windows(&filters.arrives));
        add("start", airports(&filters.starts));
        add("end", airports(&filters.ends));
        add("hours", number(filters.hours));
        add("max", number(filters.max));
        add("bag", yes(filters.bag));
        add("refund", yes(filters.refund));
        add("change", yes(filters.change));
        add("page", number((self.page > 1).then_some(self.page)));
        fields
    }

    /// "from=LIS&…&sort=cheapest&page=2".
    pub fn query(&self, form: &SearchForm) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(form.fields()).extend_pairs(self.fields());
        // Commas may stand in a query as they are (RFC 3986, 3.4), and read better so.
        query.finish().replace("%2C", ",")
    }

    pub fn address(&self, form: &SearchForm) -> String {
        format!("/flights?{}", self.query(form))
    }
}

fn filters(form: &ViewForm, errors: &mut FieldErrors) -> Filters {
    let stops = number(errors, form, "stops", 0..=1, "0 for direct flights, 1 for at most one stop");
    let is_airline = |code: &str| code.len() == 2 && code.bytes().all(|b| b.is_ascii_alphanumeric());
    let is_name = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_alphabetic() || c == ' ');
    let airline = |code: &str| is_airline(code).then(|| code.to_ascii_uppercase());
    let window = |text: &str| of_slice(text, Window::read);
    let airport = |text: &str| of_slice(text, |code| code.parse::<PlaceCode>().ok());
    Filters {
        stops,
        airlines: list(errors, form, "airline", "Codes of two letters or digits, like HX", airline),
        alliances: list(errors, form, "alliance", "Names of alliances from the list", |name| {
            is_name(name).then(|| name.to_owned())
        }),
        via: list(errors, form, "via", "Airport codes of three letters, like KEF", |code| code.parse().ok()),
        departs: list(errors, form, "dep", "A flight and a time of day, like 1-morning", window),
        arrives: list(errors, form, "arr", "A flight and a time of day, like 1-morning", window),
        starts: list(errors, form, "start", "A flight and an airport, like 1-LGW", airport),
        ends: list(errors, form, "end", "A flight and an airport, like 1-LGW", airport),
        hours: number(errors, form, "hours", 1..=99, "Whole hours from 1 to 99"),
        max: number(errors, form, "max", 1..=9_999_999, "A whole amount, like 450"),
        bag: yes(errors, form, "bag"),
        refund: yes(errors, form, "refund"),
        change: yes(errors, form, "change"),
    }
}

/// What was typed stands in the message: most of these fields are choices, and none of them can keep it.
fn unfit(form: &ViewForm, name: &str, wanted: &str) -> String {
    format!("“{}” does not fit. {wanted}", form.shown(name))
}

fn number(
    errors: &mut FieldErrors,
    form: &ViewForm,
    name: &'static str,
    range: std::ops::RangeInclusive<usize>,
    message: &str,
) -> Option<usize> {
    let typed = form.get(name);
    let digits = !typed.is_empty() && typed.len() <= 9 && typed.bytes().all(|b| b.is_ascii_digit());
    let number = if digits { typed.parse().ok().filter(|number| range.contains(number)) } else { None };
    if number.is_none() && !typed.is_empty() {
        errors.add(name, unfit(form, name, message));
    }
    number
}

/// "2-evening": the number of a slice, and what is said of it.
fn of_slice<T>(text: &str, read: impl Fn(&str) -> Option<T>) -> Option<(usize, T)> {
    let (slice, said) = text.split_once('-')?;
    let slice = slice.parse::<usize>().ok().filter(|slice| (1..=LEGS.len()).contains(slice))?;
    Some((slice - 1, read(said)?))
}

fn yes(errors: &mut FieldErrors, form: &ViewForm, name: &'static str) -> bool {
    match form.get(name) {
        "" => false,
        "1" => true,
        _ => {
            errors.add(name, unfit(form, name, "1, or nothing"));
            false
        }
    }
}

/// Sorted and each once, so that the order of clicking makes no other address.
fn list<T: Ord>(
    errors: &mut FieldErrors,
    form: &ViewForm,
    name: &'static str,
    message: &str,
    read: impl Fn(&str) -> Option<T>,
) -> Vec<T> {
    let typed = form.get(name);
    if typed.is_empty() {
        return Vec::new();
    }
    let values: Vec<&str> = typed.split(',').map(str::trim).take(MOST_VALUES + 1).collect();
    let known: Option<Vec<T>> =
        values.iter().map(|value| read(value).filter(|_| value.len() <= LONGEST_VALUE)).collect();
    let Some(mut known) = known.filter(|known| known.len() <= MOST_VALUES) else {
        errors.add(name, unfit(form, name, message));
        return Vec::new();
    };
    known.sort();
    known.dedup();
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> (View, Vec<String>) {
        let mut errors = FieldErrors::default();
        let form = ViewForm::read(&Sent::read(query), &mut errors);
        let view = View::read(&form, &mut errors);
        (view, errors.iter().map(|(name, _)| name.to_owned()).collect())
    }

    fn search() -> SearchForm {
        SearchForm { from: "São Paulo".into(), ..SearchForm::default() }.with_defaults()
    }

    #[test]
    fn the_same_view_is_the_same_address_however_it_was_clicked() {
        let (view, wrong) = read(
            "page=3&airline=no&airline=HX&airline=HX&via=KEF,dub&dep=2-evening&dep=1-morning&end=1-lgw&end=1-LHR&start=2-LCY&max=450&bag=1&sort=cheapest&stops=1",
        );
        assert_eq!(wrong, Vec::<String>::new());
        let address = view.address(&search());
        assert!(
            address.ends_with(
                "&sort=cheapest&stops=1&airline=HX,NO&via=DUB,KEF&dep=1-morning,2-evening&start=2-LCY&end=1-LGW,1-LHR&max=450&bag=1&page=3"
            ),
            "{address}"
        );
        assert!(address.contains("from=S%C3%A3o+Paulo"));
        assert_eq!(read(address.split_once('?').unwrap().1), (view, Vec::new()));
        let (usual, _) = read("sort=balance&page=1&stops=&airline=");
        assert!(usual.address(&search()).ends_with("cabin=economy"), "what is usual is not written");
    }

    #[test]
    fn each_field_that_does_not_fit_has_a_message_and_counts_as_not_sent() {
        let long = "9".repeat(4_000);
        for name in FIELDS {
            for value in ["-1", "%00", "%ff", "1;2", "💥", "' or 1=1", "2-noon", &long] {
                let (view, wrong) = read(&format!("{name}={value}"));
                assert_eq!(wrong, [name], "{name}={value:.20}");
                assert_eq!(view, read("").0, "{name}={value:.20}");
            }
        }
        assert_eq!(read("sort=cheapest&sort=shortest&max=1&max=2").1, ["sort", "max"]);
        assert_eq!(read(&format!("airline={}", "HX,".repeat(70))).1, ["airline"]);
        assert_eq!(read("dep=0-morning").1, ["dep"]);
        assert_eq!(read("arr=7-morning").1, ["arr"]);
        assert_eq!(read("start=LGW&end=7-LGW").1, ["start", "end"]);
    }
}
