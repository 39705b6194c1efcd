//! The filters of a list as a form: what there is to choose from, and how much of the whole list each choice would show.

use std::collections::BTreeMap;

use crate::{
    airports::Airports,
    error::FieldErrors,
    itinerary::{Offer, PlaceCode, SearchQuery, Slice},
    search::{
        choices::{Choices, Pick},
        filter::{Filters, Window, begins_at, changes, ends_at},
        form::SearchForm,
        order::Order,
        view::{View, ViewForm},
    },
    web::components::words,
};

pub struct FilterPanel {
    /// The search itself, as hidden fields.
    pub kept: Vec<(&'static str, String)>,
    pub groups: Vec<Group>,
    pub numbers: Vec<Number>,
    /// "none set", "2 set".
    pub set: String,
    /// Where nothing is left out; nothing where that is so already.
    pub clear: Option<String>,
    pub is_wrong: bool,
}

/// Choices under one heading.
pub struct Group {
    pub legend: String,
    pub kind: &'static str,
    pub choices: Vec<Choice>,
    /// Names of its fields that do not fit, and why.
    pub errors: Vec<(&'static str, String)>,
}

pub struct Choice {
    pub name: &'static str,
    /// Where a message leads that is about this field.
    pub id: Option<&'static str>,
    pub value: String,
    pub words: String,
    pub chosen: bool,
    /// The message's own id.
    pub described: Option<String>,
}

pub struct Number {
    pub name: &'static str,
    pub label: String,
    pub hint: String,
    pub value: String,
    pub error: Option<String>,
}

/// "Direct only (9)"; where there are too many to count, without a number.
fn counted(words: &str, count: Option<usize>) -> String {
    count.map_or_else(|| words.to_owned(), |count| format!("{words} ({count})"))
}

/// Of this slice only this; of the others whatever was chosen.
fn only<T>(chosen: &mut Vec<(usize, T)>, nth: usize, value: T) {
    chosen.retain(|(slice, _)| *slice != nth);
    chosen.push((nth, value));
}

/// What a panel is drawn from.
pub struct Panelled<'a> {
    pub form: &'a SearchForm,
    pub typed: &'a ViewForm,
    pub view: &'a View,
    pub errors: &'a FieldErrors,
    pub query: &'a SearchQuery,
    pub choices: &'a Choices<'a>,
    pub airports: &'static Airports,
}

impl Panelled<'_> {
    pub fn panel(&self) -> FilterPanel {
        let mut groups = vec![self.order(), self.stops()];
        for nth in 0..self.query.slices.len() {
            groups.extend([self.leaving(nth), self.landing(nth)]);
            groups.extend([self.starts(nth), self.ends(nth)]);
        }
        groups.extend([self.airlines(), self.alliances(), self.via(), self.included()]);
        groups.retain(|group| group.choices.len() > 1 || !group.errors.is_empty());
        let set = self.view.unfiltered().fields().len();
        let set = self.view.at_page(1).fields().len() - set;
        FilterPanel {
            kept: self.form.fields().into_iter().map(|(name, value)| (name, value.to_owned())).collect(),
            groups,
            numbers: self.numbers(),
            set: if set == 0 { "none set".to_owned() } else { format!("{set} set") },
            clear: (set > 0 || !self.errors.is_empty()).then(|| self.view.unfiltered().address(self.form)),
            is_wrong: !self.errors.is_empty(),
        }
    }

    /// How much would be shown with this choice alone in its group, and the other groups as they are.
    fn count(&self, change: impl FnOnce(&mut Filters)) -> Option<usize> {
        let mut filters = self.view.filters.clone();
        change(&mut filters);
        self.choices.count(&filters)
    }

    fn offers(&self) -> impl Iterator<Item = (usize, &Offer)> {
        self.choices.axes().enumerate().flat_map(|(nth, axis)| axis.iter().map(move |offer| (nth, offer)))
    }

    /// The slices of this number.
    fn slices(&self, nth: usize) -> impl Iterator<Item = &Slice> {
        self.offers().filter_map(move |(first, offer)| offer.slices.get(nth.checked_sub(first)?))
    }

    fn group(
        &self,
        legend: &str,
        kind: &'static str,
        choices: impl IntoIterator<Item = (&'static str, String, String, bool)>,
    ) -> Group {
        let mut seen: Vec<&'static str> = Vec::new();
        let choice = |(name, value, words, chosen): (&'static str, String, String, bool)| {
            let first = !seen.contains(&name);
            if first {
                seen.push(name);
            }
            let wrong = first && self.errors.get(name).is_some();
            Choice {
                name,
                id: first.then_some(name),
                value,
                words,
                chosen,
                described: wrong.then(|| format!("{name}-error")),
            }
        };
        let choices: Vec<Choice> = choices.into_iter().map(choice).collect();
        let errors =
            seen.iter().filter_map(|name| Some((*name, self.errors.get(name)?.to_owned()))).collect();
        Group { legend: legend.to_owned(), kind, choices, errors }
    }

    fn order(&self) -> Group {
        let choice = |order: Order| {
            ("sort", order.code().to_owned(), order.name().to_owned(), order == self.view.order)
        };
        self.group("Order", "radio", Order::ALL.map(choice))
    }

    fn stops(&self) -> Group {
        let choice = |stops: Option<usize>, words: &str| {
            let value = stops.map(|stops| stops.to_string()).unwrap_or_default();
            let count = self.count(|filters| filters.stops = stops);
            ("stops", value, counted(words, count), stops == self.view.filters.stops)
        };
        let choices = [choice(None, "Any"), choice(Some(0), "Direct only"), choice(Some(1), "Up to 1 stop")];
        let legend = if self.query.slices.len() > 1 { "Stops each way" } else { "Stops" };
        self.group(legend, "radio", choices)
    }

    fn city(&self, nth: usize, end: fn(&crate::itinerary::SliceQuery) -> PlaceCode) -> String {
        let place = self.query.slices.get(nth).and_then(|slice| self.airports.place(end(slice)));
        place.map_or(String::new(), |place| place.name().to_owned())
    }

    fn leaving(&self, nth: usize) -> Group {
        let legend = format!("Leaves {}{}", self.city(nth, |slice| slice.from), self.which(nth));
        let chosen = &self.view.filters.departs;
        self.windows("dep", &legend, nth, chosen, |filters| &mut filters.departs)
    }

    fn landing(&self, nth: usize) -> Group {
        let legend = format!("Lands in {}{}", self.city(nth, |slice| slice.to), self.which(nth));
        let chosen = &self.view.filters.arrives;
        self.windows("arr", &legend, nth, chosen, |filters| &mut filters.arrives)
    }

    /// Which of several flights is meant, where the cities alone may not tell.
    fn which(&self, nth: usize) -> String {
        match self.query.slices.len() {
            1 | 2 => String::new(),
            _ => format!(", flight {}", nth + 1),
        }
    }

    fn windows(
        &self,
        name: &'static str,
        legend: &str,
        nth: usize,
        chosen: &[(usize, Window)],
        field: fn(&mut Filters) -> &mut Vec<(usize, Window)>,
    ) -> Group {
        let leaves = |slice: &Slice| Window::of(slice.first().departs.local);
        let lands = |slice: &Slice| Window::of(slice.last().arrives.local);
        let there: Vec<Window> = match name {
            "dep" => self.slices(nth).map(leaves).collect(),
            _ => self.slices(nth).map(lands).collect(),
        };
        let choices: Vec<_> = Window::ALL
            .into_iter()
            .filter_map(|window| {
                let count = self.count(|filters| only(field(filters), nth, window));
                let is_chosen = chosen.contains(&(nth, window));
                let words = counted(window.hours(), count);
                let value = format!("{}-{}", nth + 1, window.code());
                (there.contains(&window) || is_chosen).then_some((name, value, words, is_chosen))
            })
            .collect();
        self.nth_group(legend, nth, choices)
    }

    /// Where the city has several airports, and the list more than one of them.
    fn starts(&self, nth: usize) -> Group {
        let legend =
            format!("{} airport of departure{}", self.city(nth, |slice| slice.from), self.which(nth));
        let chosen = &self.view.filters.starts;
        self.ports("start", &legend, nth, chosen, begins_at, |filters| &mut filters.starts)
    }

    fn ends(&self, nth: usize) -> Group {
        let legend = format!("{} airport of arrival{}", self.city(nth, |slice| slice.to), self.which(nth));
        let chosen = &self.view.filters.ends;
        self.ports("end", &legend, nth, chosen, ends_at, |filters| &mut filters.ends)
    }

    fn ports(
        &self,
        name: &'static str,
        legend: &str,
        nth: usize,
        chosen: &[(usize, PlaceCode)],
        of: fn(&Slice) -> PlaceCode,
        field: fn(&mut Filters) -> &mut Vec<(usize, PlaceCode)>,
    ) -> Group {
        let mut codes: Vec<PlaceCode> = self.slices(nth).map(of).collect();
        codes.extend(chosen.iter().filter(|(slice, _)| *slice == nth).map(|(_, code)| *code));
        codes.sort_unstable();
        codes.dedup();
        let choice = |code: PlaceCode| {
            let count = self.count(|filters| only(field(filters), nth, code));
            let airport = self.airports.airport(code).map_or("", |airport| airport.name.as_str());
            let words = counted(&format!("{airport} {code}"), count);
            (name, format!("{}-{code}", nth + 1), words, chosen.contains(&(nth, code)))
        };
        self.nth_group(legend, nth, codes.into_iter().map(choice))
    }

    /// The field's message stands once, with the first of its groups.
    fn nth_group(
        &self,
        legend: &str,
        nth: usize,
        choices: impl IntoIterator<Item = (&'static str, String, String, bool)>,
    ) -> Group {
        let mut group = self.group(legend, "checkbox", choices);
        if nth > 0 {
            group.errors.clear();
            for choice in &mut group.choices {
                (choice.id, choice.described) = (None, None);
            }
        }
        group
    }

    fn airlines(&self) -> Group {
        // Whoever sells only a part of each way would leave nothing.
        let mut names: BTreeMap<&str, &str> = BTreeMap::new();
        for (_, offer) in self.offers() {
            let mut carriers = offer.segments().map(|segment| &segment.carrier);
            if let Some(first) = carriers.next().filter(|first| carriers.all(|other| other == *first)) {
                names.insert(&first.code, &first.name);
            }
        }
        let alone = |code: &str| Filters { airlines: vec![code.to_owned()], ..Filters::default() };
        names.retain(|code, _| self.choices.count(&alone(code)) != Some(0));
        for code in &self.view.filters.airlines {
            names.entry(code).or_insert(code);
        }
        let mut airlines: Vec<(&str, &str, Option<usize>)> = names
            .into_iter()
            .map(|(code, name)| (code, name, self.count(|f| f.airlines = vec![code.to_owned()])))
            .collect();
        airlines.sort_by_key(|(_, name, count)| (std::cmp::Reverse(*count), *name));
        let choices: Vec<_> = airlines
            .into_iter()
            .map(|(code, name, count)| {
                let chosen = self.view.filters.airlines.iter().any(|known| known == code);
                ("airline", code.to_owned(), counted(name, count), chosen)
            })
            .collect();
        self.group("Airline, all the way", "checkbox", choices)
    }

    fn alliances(&self) -> Group {
        let mut names: Vec<&str> = self.offers().filter_map(|(_, offer)| offer.alliance.as_deref()).collect();
        names.sort_unstable();
        names.dedup();
        let alone = |name: &str| Filters { alliances: vec![name.to_owned()], ..Filters::default() };
        names.retain(|name| self.choices.count(&alone(name)) != Some(0));
        names.extend(self.view.filters.alliances.iter().map(String::as_str));
        names.sort_unstable();
        names.dedup();
        let choices: Vec<_> = names
            .into_iter()
            .map(|name| {
                let count = self.count(|filters| filters.alliances = vec![name.to_owned()]);
                let chosen = self.view.filters.alliances.iter().any(|known| known == name);
                ("alliance", name.to_owned(), counted(name, count), chosen)
            })
            .collect();
        self.group("Alliance", "checkbox", choices)
    }

    fn via(&self) -> Group {
        let slices = self.offers().flat_map(|(_, offer)| &offer.slices);
        let mut codes: Vec<PlaceCode> = slices.flat_map(changes).collect();
        codes.sort_unstable();
        codes.dedup();
        codes.retain(|code| {
            self.choices.count(&Filters { via: vec![*code], ..Filters::default() }) != Some(0)
        });
        codes.extend(&self.view.filters.via);
        codes.sort_unstable();
        codes.dedup();
        let mut codes: Vec<(PlaceCode, Option<usize>)> =
            codes.into_iter().map(|code| (code, self.count(|filters| filters.via = vec![code]))).collect();
        codes.sort_by_key(|(code, count)| (std::cmp::Reverse(*count), *code));
        let choices: Vec<_> = codes
            .into_iter()
            .map(|(code, count)| {
                let city = self.airports.airport(code).map_or("", |airport| airport.city.as_str());
                let chosen = self.view.filters.via.contains(&code);
                ("via", code.to_string(), counted(&format!("{city} {code}"), count), chosen)
            })
            .collect();
        self.group("Change planes only in", "checkbox", choices)
    }

    fn included(&self) -> Group {
        let now = &self.view.filters;
        let choice = |name, words: &str, chosen, count: Option<usize>| {
            (name, "1".to_owned(), counted(words, count), chosen)
        };
        let choices = [
            choice("bag", "Checked bag", now.bag, self.count(|filters| filters.bag = true)),
            choice(
                "refund",
                "Refund, in full or less a fee",
                now.refund,
                self.count(|filters| filters.refund = true),
            ),
            choice(
                "change",
                "Change, free or for a fee",
                now.change,
                self.count(|filters| filters.change = true),
            ),
        ];
        self.group("The lowest fare with", "checkbox", choices)
    }

    fn numbers(&self) -> Vec<Number> {
        let currency = format!(", {}", self.choices.currency());
        let first = |order| self.choices.picks(&Filters::default(), order).first.into_iter().next();
        let range = first(Order::Cheapest).map(|pick| format!("The lowest is {}", words::whole(pick.total)));
        let longest = |pick: &Pick| {
            let slices = self.choices.parts(&pick.ways).into_iter().flat_map(|part| &part.slices);
            slices.map(Slice::duration).max().unwrap_or_default()
        };
        let quickest = first(Order::Shortest).as_ref().map(longest);
        let hours = quickest.map(|longest| format!("The shortest takes {}", words::duration(longest)));
        let number = |name, label: String, hint: Option<String>| Number {
            name,
            label,
            hint: hint.unwrap_or_default(),
            value: self.typed.shown(name),
            error: self.errors.get(name).map(str::to_owned),
        };
        vec![
            number("max", format!("Highest total{currency}"), range),
            number("hours", "Longest way, in hours".to_owned(), hours),
        ]
    }
}
