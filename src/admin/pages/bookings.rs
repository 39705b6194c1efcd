//! The list of bookings.

use askama::Template;
use axum::{
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

use super::{amount, day, in_words, moment, place, state_badge, turn};
use crate::{
    accounts::SecondFactors,
    admin::{self, Filter, Line, List},
    bookings::lifecycle::BookingState,
    db::Db,
    error::{AppError, FieldErrors},
    web::{
        chrome::Chrome,
        components::{Field, Fragment, Tone, badge, choice},
        form::Query,
        powers::{May, Power, SeeBookings},
    },
};

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct ListQuery {
    q: String,
    state: String,
    older: String,
    newer: String,
}

#[derive(Template)]
#[template(path = "admin/bookings.html")]
struct BookingsPage {
    chrome: Chrome,
    errors: FieldErrors,
    query: String,
    states: Fragment,
    lines: Vec<LineView>,
    pager: Fragment,
    /// May move money, but has no second factor to do it with.
    lacks_second_factor: bool,
}

struct LineView {
    reference: String,
    made: String,
    state: Fragment,
    payment: Fragment,
    supplier: String,
    itinerary: String,
    leaves: String,
    passenger: String,
    total: String,
}

/// Staff who type the shortest address want their list.
pub async fn index() -> Redirect {
    Redirect::to("/admin/bookings")
}

pub async fn bookings(
    State(db): State<Db>,
    State(factors): State<SecondFactors>,
    staff: May<SeeBookings>,
    chrome: Chrome,
    Query(query): Query<ListQuery>,
) -> Result<Response, AppError> {
    let (status, list, errors) = match Filter::read(&query.state, &query.q) {
        Ok(filter) => {
            let list = admin::list(&db, staff.user, &filter, place(&query.older, &query.newer)).await?;
            (StatusCode::OK, list, FieldErrors::default())
        }
        Err(errors) => (StatusCode::UNPROCESSABLE_ENTITY, List::default(), errors),
    };
    let lacks_second_factor = staff.may(Power::RefundMoney)
        && staff.second_factor_at.is_none()
        && factors.of(staff.user).await?.is_none();
    let page = BookingsPage {
        chrome,
        lacks_second_factor,
        states: state_choice(&query.state, &errors),
        pager: turn(
            "/admin/bookings",
            &[("q", &query.q), ("state", &query.state)],
            list.lines.len(),
            list.turn,
        ),
        lines: list.lines.into_iter().map(LineView::from).collect(),
        query: query.q.chars().filter(|c| !c.is_control()).collect(),
        errors,
    };
    Ok((status, Html(page.render()?)).into_response())
}

fn state_choice(chosen: &str, errors: &FieldErrors) -> Fragment {
    let words: Vec<(&str, String)> =
        BookingState::ALL.iter().map(|state| (state.code(), in_words(state.code()))).collect();
    let mut options = vec![("", "Any")];
    options.extend(words.iter().map(|(code, words)| (*code, words.as_str())));
    choice("state", "State", &options, chosen, errors)
}

impl From<Line> for LineView {
    fn from(line: Line) -> Self {
        Self {
            made: moment(line.place.created_at),
            state: state_badge(&line.state),
            payment: line.payment.as_deref().map_or_else(|| badge(Tone::Off, "None"), state_badge),
            supplier: line.pnr.unwrap_or_else(|| in_words(&line.supplier_state).to_lowercase()),
            itinerary: format!("{}–{}", line.origin, line.destination),
            leaves: day(line.departs_at),
            passenger: line.passenger.unwrap_or_else(|| "not given".to_owned()),
            total: amount(line.amount_minor, &line.currency),
            reference: line.reference,
        }
    }
}
