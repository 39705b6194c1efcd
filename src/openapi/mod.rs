//! The API as a document for programs (OpenAPI 3.1) and as a page for people. Both come from what stands beside each handler;
//! what all operations have in common is added here, by rules. `tests/it/openapi.rs` holds every route to it, and the tests'
//! browser every answer.

mod answers;
mod examples;
mod outline;
pub mod pages;
mod parts;

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use utoipa::{
    OpenApi as _,
    openapi::{
        InfoBuilder, OpenApi, ServerBuilder,
        security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use self::{outline::Outline, pages::Drawn};
use crate::{
    accounts, admin, bookings, checkout, config::Config, error::AppError, privacy, search, web::session,
};

const ABOUT: &str =
    "Search flights, book them and keep your account, by the same rules as the pages of the site.";

/// In the order of the page. An operation that is missing here fails a test, as does one that is no route.
#[derive(utoipa::OpenApi)]
#[openapi(
    paths(
        search::api::airports,
        search::api::flights,
        search::api::calendar::calendar,
        search::api::matrix::matrix,
        search::api::offer,
        bookings::api::list,
        checkout::api::create,
        checkout::api::show,
        checkout::api::change,
        checkout::api::check_out,
        checkout::api::cancel::quote,
        checkout::api::cancel::cancel,
        checkout::api::refunds,
        accounts::api::sign_in::sign_up,
        accounts::api::account::verify,
        accounts::api::account::ask_to_verify,
        accounts::api::sign_in::log_in,
        accounts::api::sign_in::refresh,
        accounts::api::sign_in::log_out,
        accounts::api::sign_in::log_out_everywhere,
        accounts::api::account::ask_for_reset,
        accounts::api::account::reset,
        accounts::api::account::change_password,
        accounts::api::account::ask_to_change_email,
        accounts::api::account::change_email,
        accounts::api::people::me,
        accounts::api::people::change_me,
        privacy::api::export,
        privacy::api::leave,
        accounts::api::people::travellers,
        accounts::api::people::add_traveller,
        accounts::api::people::change_traveller,
        accounts::api::people::forget_traveller,
        accounts::api::people::devices,
        accounts::api::people::end_device,
        accounts::api::people::programs,
        accounts::api::people::end_program,
        admin::api::list,
        admin::api::show,
        admin::api::refund::quote,
        admin::api::refund::refund,
        admin::api::payout::record,
        checkout::webhook::stripe,
        document,
        pages::docs,
    ),
    tags(
        (name = "Search", description = "Places, flights and offers. Open to everybody."),
        (name = "Bookings", description = "From an offer to the ticket. Those of the account, and no others."),
        (name = "Account", description = "Signing up, in and out, and what somebody keeps with us."),
        (name = "Staff", description = "For members of the agency in the browser in which they are signed in. A token is never staff."),
        (name = "Stripe", description = "For Stripe alone."),
        (name = "Reference", description = "What you read now."),
    ),
)]
struct Annotated;

/// Made once, when the application starts.
#[derive(Clone)]
pub struct Document(Arc<Written>);

pub struct Written {
    api: OpenApi,
    json: Bytes,
    drawn: Drawn,
}

impl Document {
    pub fn new(config: &Config) -> Result<Self, AppError> {
        let api = describe(config);
        let json = serde_json::to_vec(&api)?;
        let drawn = Drawn::of(&Outline::of(&api));
        Ok(Self(Arc::new(Written { api, json: json.into(), drawn })))
    }

    pub fn api(&self) -> &OpenApi {
        &self.0.api
    }
}

fn describe(config: &Config) -> OpenApi {
    let mut api = Annotated::openapi();
    api.info = InfoBuilder::new()
        .title(format!("{} API", config.site.name))
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT))
        .build();
    api.servers = Some(vec![ServerBuilder::new().url(config.link("")).build()]);
    answers::complete(&mut api);
    examples::complete(&mut api);
    let schemes = &mut api.components.get_or_insert_default().security_schemes;
    for (name, scheme) in ways_to_sign_in(session::cookie_name(config.is_https())) {
        schemes.insert(name.to_owned(), scheme.into());
    }
    api
}

fn ways_to_sign_in(cookie: &str) -> [(&'static str, SecurityScheme); 3] {
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some(
            "An access token of POST /api/auth/login, with the scopes that the operation names.",
        ))
        .build();
    let cookie =
        ApiKeyValue::with_description(cookie, "The session of somebody who is signed in on the site.");
    let stripe =
        ApiKeyValue::with_description("Stripe-Signature", "Made by Stripe with the endpoint's secret.");
    [
        ("bearer", SecurityScheme::Http(bearer)),
        ("session", SecurityScheme::ApiKey(ApiKey::Cookie(cookie))),
        ("stripe", SecurityScheme::ApiKey(ApiKey::Header(stripe))),
    ]
}

/// This document
///
/// OpenAPI 3.1. It changes only with the version of the site; ask again with If-None-Match.
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    operation_id = "getDocument",
    tag = "Reference",
    responses(
        (status = 200, description = "The document.", body = serde_json::Value, content_type = "application/json"),
    ),
)]
pub async fn document(State(Document(written)): State<Document>) -> Response {
    let json = HeaderValue::from_static("application/json");
    let caching = HeaderValue::from_static("private, no-cache");
    ([(header::CONTENT_TYPE, json), (header::CACHE_CONTROL, caching)], written.json.clone()).into_response()
}
