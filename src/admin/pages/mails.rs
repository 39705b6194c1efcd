//! `/admin/mails`: the mail log, one mail with what it said, and sending it again.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Redirect, Response},
};
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::{RowView, in_words, joined, moment, place, said::Done, state_badge, turn};
use crate::{
    admin::{
        BookingRecord, MailRow, Turn,
        mails::{self, Filter, Letter, Line, MailRecord, STATES},
    },
    clock::Clock,
    config::Config,
    db::Db,
    error::{AppError, FieldErrors},
    ids::MailId,
    mailer,
    outbox::MailKind,
    web::{
        chrome::Chrome,
        components::{Field, Fragment, choice, words},
        form::{Path, Query},
        powers::{May, Power, SeeBookings, SendMailAgain},
    },
};

/// What we once wrote is drawn, and can do nothing at all: its links are not for staff.
const LETTER_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; \
     form-action 'none'; frame-ancestors 'self'; base-uri 'none'";

#[derive(Deserialize, Default)]
#[serde(default)]
pub struct MailsQuery {
    state: String,
    kind: String,
    booking: String,
    older: String,
    newer: String,
}

#[derive(Template)]
#[template(path = "admin/mails.html")]
struct MailsPage {
    chrome: Chrome,
    errors: FieldErrors,
    states: Fragment,
    kinds: Fragment,
    booking: String,
    lines: Vec<LineView>,
    pager: Fragment,
}

struct LineView {
    id: MailId,
    what: String,
    to: String,
    reference: Option<String>,
    state: Fragment,
    owed: String,
    tries: String,
    error: String,
}

pub async fn mails(
    State(db): State<Db>,
    staff: May<SeeBookings>,
    chrome: Chrome,
    Query(query): Query<MailsQuery>,
) -> Result<Response, AppError> {
    let (status, (lines, pages), errors) = match Filter::read(&query.state, &query.kind, &query.booking) {
        Ok(filter) => {
            let from = place(&query.older, &query.newer);
            (StatusCode::OK, mails::list(&db, staff.user, &filter, from).await?, FieldErrors::default())
        }
        Err(errors) => (StatusCode::UNPROCESSABLE_ENTITY, (Vec::new(), Turn::default()), errors),
    };
    let filter = [("state", query.state.as_str()), ("kind", &query.kind), ("booking", &query.booking)];
    let page = MailsPage {
        chrome,
        states: choice_of("state", "State", &STATES, &query.state, &errors),
        kinds: choice_of("kind", "Mail", &MailKind::ALL.map(MailKind::code), &query.kind, &errors),
        pager: turn("/admin/mails", &filter, lines.len(), pages),
        lines: lines.into_iter().map(LineView::from).collect(),
        booking: query.booking.chars().filter(|c| !c.is_control()).collect(),
        errors,
    };
    Ok((status, Html(page.render()?)).into_response())
}

fn choice_of(name: &str, label: &str, codes: &[&str], chosen: &str, errors: &FieldErrors) -> Fragment {
    let words: Vec<(&str, String)> = codes.iter().map(|code| (*code, in_words(code))).collect();
    let mut options = vec![("", "Any")];
    options.extend(words.iter().map(|(code, words)| (*code, words.as_str())));
    choice(name, label, &options, chosen, errors)
}

impl From<Line> for LineView {
    fn from(line: Line) -> Self {
        Self {
            id: MailId(line.place.id),
            what: match line.is_repetition {
                true => format!("{}, again", in_words(&line.kind)),
                false => in_words(&line.kind),
            },
            state: state_badge(&line.state),
            owed: moment(line.place.created_at),
            tries: tries(&line),
            to: line.to,
            reference: line.reference,
            error: line.last_error.unwrap_or_default(),
        }
    }
}

/// How it went, or when it goes on.
fn tries(line: &Line) -> String {
    let tried = (line.tries > 0).then(|| {
        let tries = usize::try_from(line.tries).unwrap_or_default();
        words::plural(tries, "try", "tries")
    });
    let at = |words: &str, at: Option<Timestamp>| at.map(|at| format!("{words} {}", moment(at)));
    match line.state.as_str() {
        "sent" => at("sent", line.sent_at).unwrap_or_default(),
        "queued" => joined([tried, at("next", line.next_try)]),
        _ => joined([tried]),
    }
}

/// For the booking's own page.
pub(super) fn of_booking(booking: &BookingRecord) -> Vec<(RowView, Uuid)> {
    let view = |mail: &MailRow| {
        let row = RowView {
            what: in_words(&mail.kind),
            about: mail.to.clone(),
            state: state_badge(&mail.state),
            at: moment(mail.sent_at.unwrap_or(mail.created_at)),
            note: mail.last_error.clone().unwrap_or_default(),
        };
        (row, mail.id)
    };
    booking.mails.iter().map(view).collect()
}

#[derive(Template)]
#[template(path = "admin/mail.html")]
struct MailPage {
    chrome: Chrome,
    said: Option<Fragment>,
    id: MailId,
    title: String,
    state: Fragment,
    from: String,
    message_id: Option<String>,
    owed: String,
    tries: String,
    mail: MailRecord,
    may_read: bool,
    letter: Option<Letter>,
    /// The address that a repetition would go to.
    again_to: Option<String>,
    why_not_again: Option<&'static str>,
}

pub async fn mail(
    State(db): State<Db>,
    State(clock): State<Clock>,
    State(config): State<Arc<Config>>,
    staff: May<SeeBookings>,
    chrome: Chrome,
    Path(id): Path<MailId>,
    Query(query): Query<Done>,
) -> Result<Html<String>, AppError> {
    let mail = mails::mail(&db, staff.user, id).await?;
    let may_read = staff.may(Power::SendMailAgain);
    let letter = match may_read {
        true => mails::open_letter(&db, &clock, staff.user, id).await?,
        false => None,
    };
    let why_not_again = why_not_again(&mail);
    let page = MailPage {
        chrome,
        said: query.said(),
        id,
        title: in_words(&mail.line.kind),
        state: state_badge(&mail.line.state),
        from: config.mail.from.clone(),
        message_id: mailer::message_id(&config.mail.from, id),
        owed: moment(mail.line.place.created_at),
        tries: tries(&mail.line),
        again_to: mail.contact.clone().filter(|_| may_read && why_not_again.is_none()),
        why_not_again: why_not_again.filter(|_| may_read),
        mail,
        may_read,
        letter,
    };
    Ok(Html(page.render()?))
}

fn why_not_again(mail: &MailRecord) -> Option<&'static str> {
    match (mail.line.state.as_str(), &mail.contact) {
        _ if !mail.is_about_booking => Some(
            "This mail is between the site and one person. They can ask for a new link themselves, on the sign-in page.",
        ),
        (_, None) => Some("The booking has no contact address."),
        ("queued", _) => Some("It is still tried. Once it is sent or given up, it can be sent again."),
        _ => None,
    }
}

/// The letter as its reader saw it, for the frame in [`mail`], which wrote down who reads it.
pub async fn html(
    State(db): State<Db>,
    staff: May<SendMailAgain>,
    Path(id): Path<MailId>,
) -> Result<Response, AppError> {
    let html = mails::html(&db, staff.user, id).await?;
    // A link would open inside the frame; with this it asks for a tab, which the sandbox does not give.
    let mut response = Html(html.replacen("<head>", "<head><base target=\"_blank\">", 1)).into_response();
    let policy = HeaderValue::from_static(LETTER_POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(response)
}

pub async fn resend(
    State(db): State<Db>,
    State(clock): State<Clock>,
    staff: May<SendMailAgain>,
    Path(id): Path<MailId>,
) -> Result<Redirect, AppError> {
    let again = mails::send_again(&db, &clock, staff.user, id).await?;
    Ok(Redirect::to(&format!("/admin/mails/{again}?done=resent")))
}
