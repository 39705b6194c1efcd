//! The one route table: every address of the site, by who opens it.

use axum::{
    Router,
    extract::DefaultBodyLimit,
    routing::{MethodRouter, delete, get, post, put},
};

use super::App;
use crate::{
    accounts, admin, bookings, checkout, demo, emails,
    error::AppError,
    hooks, openapi, papers, privacy, search, vitals,
    web::{assets, frame, probes, well_known},
};

/// All but those of the API, which has layers of its own.
pub fn routes() -> Router<App> {
    Router::new()
        .merge(shop())
        .merge(accounts())
        .merge(staff())
        .merge(demo())
        .merge(machinery())
        .fallback(nothing_here)
}

/// Search, booking, paying, and what comes after it.
fn shop() -> Router<App> {
    Router::new()
        .route("/", get(search::pages::home))
        .route("/airports", get(search::pages::airports))
        .route("/searches/forget", post(search::pages::forget))
        .route("/flights", get(search::pages::flights))
        .route("/flights/calendar", get(search::pages::calendar))
        .route("/flights/matrix", get(search::pages::matrix))
        .route("/offers/{id}", get(search::pages::offer))
        .route("/bookings", get(bookings::pages::list::list).post(bookings::pages::start::start))
        .route("/bookings/claim", post(bookings::pages::claim::claim))
        .route("/bookings/{reference}", get(checkout::pages::booking::booking))
        .route(
            "/bookings/{reference}/passengers",
            get(bookings::pages::passengers::passengers).post(checkout::pages::passengers::save),
        )
        .route("/bookings/{reference}/review", get(checkout::pages::review::review))
        .route(
            "/bookings/{reference}/pay",
            get(checkout::pages::review::pay_again).post(checkout::pages::review::pay),
        )
        .route("/bookings/{reference}/return", get(checkout::pages::after::returned))
        .route("/bookings/{reference}/itinerary", get(papers::pages::itinerary))
        .route("/bookings/{reference}/itinerary.pdf", get(papers::pages::itinerary_pdf))
        .route("/bookings/{reference}/receipt.pdf", get(papers::pages::receipt_pdf))
        .route("/bookings/{reference}/calendar.ics", get(papers::pages::calendar))
        .route("/bookings/{reference}/cancelled", get(checkout::pages::after::cancelled))
        .route(
            "/bookings/{reference}/cancel",
            get(checkout::pages::cancel::cancel).post(checkout::pages::cancel::confirm),
        )
        .route("/bookings/{reference}/drop", post(checkout::pages::after::drop_booking))
        .route("/find", get(bookings::pages::find::find).post(bookings::pages::find::ask))
        .route("/booking-link/{token}", get(bookings::pages::find::open))
}

/// Who somebody is, and what is kept of them.
fn accounts() -> Router<App> {
    Router::new()
        .route("/signup", get(accounts::pages::signup::signup).post(accounts::pages::signup::sign_up))
        .route("/login", get(accounts::pages::login::login).post(accounts::pages::login::log_in))
        .route("/logout", post(accounts::pages::login::log_out))
        .route("/logout/everywhere", post(accounts::pages::login::log_out_everywhere))
        .route("/signup/sent", get(accounts::pages::signup::sent))
        .route("/verify/{token}", get(accounts::pages::verify::verify).post(accounts::pages::verify::prove))
        .route("/reset", get(accounts::pages::reset::reset).post(accounts::pages::reset::ask))
        .route("/reset/sent", get(accounts::pages::reset::sent))
        .route(
            "/reset/{token}",
            get(accounts::pages::reset::new_password).post(accounts::pages::reset::set_password),
        )
        .route("/email/{token}", get(accounts::pages::email::confirm).post(accounts::pages::email::take))
        .route("/account", get(accounts::pages::account::account))
        .route("/login/code", get(accounts::pages::code::code).post(accounts::pages::code::check_code))
        .route(
            "/reauthenticate",
            get(accounts::pages::reauthenticate::reauthenticate).post(accounts::pages::reauthenticate::prove),
        )
        .route("/account/second-factor", get(accounts::pages::second_factor::second_factor))
        .route(
            "/account/second-factor/setup",
            get(accounts::pages::second_factor::setup).post(accounts::pages::second_factor::set_up),
        )
        .route(
            "/account/second-factor/codes",
            get(accounts::pages::recovery_codes::recovery_codes).post(accounts::pages::recovery_codes::renew),
        )
        .route("/account/second-factor/codes/kept", post(accounts::pages::recovery_codes::have_kept))
        .route("/account/second-factor/remove", post(accounts::pages::second_factor::remove))
        .route("/account/verification", post(accounts::pages::account::verify_again))
        .route(
            "/account/profile",
            get(accounts::pages::profile::profile).post(accounts::pages::profile::save),
        )
        .route(
            "/account/travellers",
            get(accounts::pages::travellers::travellers).post(accounts::pages::travellers::add),
        )
        .route(
            "/account/travellers/{id}",
            get(accounts::pages::travellers::traveller).post(accounts::pages::travellers::change),
        )
        .route("/account/travellers/{id}/remove", post(accounts::pages::travellers::remove))
        .route(
            "/account/password",
            get(accounts::pages::password::password).post(accounts::pages::password::change),
        )
        .route("/account/email", get(accounts::pages::email::email).post(accounts::pages::email::change))
        .route("/account/email/again", post(accounts::pages::email::send_again))
        .route("/account/email/withdraw", post(accounts::pages::email::withdraw))
        .route(
            "/account/devices",
            get(accounts::pages::devices::devices).post(accounts::pages::devices::end_others),
        )
        .route("/account/devices/{id}/end", post(accounts::pages::devices::end))
        .route("/account/programs/{id}/end", post(accounts::pages::devices::end_program))
        .route("/account/export", get(privacy::pages::export).post(privacy::pages::take_along))
        .route("/account/delete", get(privacy::pages::delete).post(privacy::pages::leave))
        .route("/account/deleted", get(privacy::pages::deleted))
}

/// The same rules for programs.
pub fn api() -> Router<App> {
    Router::new()
        .route("/api/auth/signup", post(accounts::api::sign_in::sign_up))
        .route("/api/auth/login", post(accounts::api::sign_in::log_in))
        .route("/api/auth/refresh", post(accounts::api::sign_in::refresh))
        .route("/api/auth/logout", post(accounts::api::sign_in::log_out))
        .route("/api/auth/logout-everywhere", post(accounts::api::sign_in::log_out_everywhere))
        .route("/api/auth/password-reset", post(accounts::api::account::ask_for_reset))
        .route("/api/auth/password-reset/confirm", post(accounts::api::account::reset))
        .route("/api/auth/verify", post(accounts::api::account::verify))
        .route("/api/auth/verify/request", post(accounts::api::account::ask_to_verify))
        .route("/api/auth/email", post(accounts::api::account::ask_to_change_email))
        .route("/api/auth/email/confirm", post(accounts::api::account::change_email))
        .route("/api/auth/password", post(accounts::api::account::change_password))
        .route(
            "/api/auth/me",
            get(accounts::api::people::me)
                .patch(accounts::api::people::change_me)
                .delete(privacy::api::leave),
        )
        .route("/api/auth/export", post(privacy::api::export))
        .route(
            "/api/auth/travellers",
            get(accounts::api::people::travellers).post(accounts::api::people::add_traveller),
        )
        .route(
            "/api/auth/travellers/{id}",
            put(accounts::api::people::change_traveller).delete(accounts::api::people::forget_traveller),
        )
        .route("/api/auth/devices", get(accounts::api::people::devices))
        .route("/api/auth/devices/{id}", delete(accounts::api::people::end_device))
        .route("/api/auth/programs", get(accounts::api::people::programs))
        .route("/api/auth/programs/{id}", delete(accounts::api::people::end_program))
        .route("/api/openapi.json", get(openapi::document))
        .route("/api/docs", get(openapi::pages::docs))
        .route("/api/airports", get(search::api::airports))
        .route("/api/flights", get(search::api::flights))
        .route("/api/flights/calendar", get(search::api::calendar::calendar))
        .route("/api/flights/matrix", get(search::api::matrix::matrix))
        .route("/api/offers/{id}", get(search::api::offer))
        .route("/api/bookings", get(bookings::api::list).post(checkout::api::create))
        .route(
            "/api/bookings/{reference}",
            get(checkout::api::show).patch(checkout::api::change).delete(checkout::api::cancel::cancel),
        )
        .route("/api/bookings/{reference}/cancel-quote", get(checkout::api::cancel::quote))
        .route("/api/bookings/{reference}/checkout", post(checkout::api::check_out))
        .route("/api/bookings/{reference}/refunds", get(checkout::api::refunds))
        .route("/api/admin/bookings", get(admin::api::list))
        .route("/api/admin/bookings/{reference}", get(admin::api::show))
        .route("/api/admin/bookings/{reference}/refund-quote", post(admin::api::refund::quote))
        .route("/api/admin/bookings/{reference}/refunds", post(admin::api::refund::refund))
        .route("/api/admin/bookings/{reference}/refunds/{refund}/payout", post(admin::api::payout::record))
}

/// The agency's own people.
fn staff() -> Router<App> {
    Router::new()
        .route("/admin", get(admin::pages::bookings::index))
        .route("/admin/bookings", get(admin::pages::bookings::bookings))
        .route("/admin/bookings/{reference}", get(admin::pages::booking::booking))
        .route(
            "/admin/bookings/{reference}/refund",
            get(admin::pages::refund::refund).post(admin::pages::refund::review),
        )
        .route("/admin/bookings/{reference}/refund/confirm", post(admin::pages::refund::confirm))
        .route(
            "/admin/bookings/{reference}/refunds/{refund}/payout",
            get(admin::pages::payout::payout).post(admin::pages::payout::record),
        )
        .route("/admin/bookings/{reference}/evidence", post(admin::pages::evidence::take))
        .route("/admin/attention", get(admin::pages::attention::attention))
        .route("/admin/attention/{id}", get(admin::pages::attention::item))
        .route("/admin/attention/{id}/resolve", post(admin::pages::attention::resolve))
        .route("/admin/attention/{id}/act", post(admin::pages::attention::act))
        .route("/admin/attention/{id}/accept", post(admin::pages::attention::accept))
        .route("/admin/attention/{id}/give-back", post(admin::pages::attention::give_back))
        .route("/admin/events", get(admin::pages::inbox::events))
        .route("/admin/events/{id}", get(admin::pages::inbox::event))
        .route("/admin/events/{id}/replay", post(admin::pages::inbox::replay))
        .route("/admin/mails", get(admin::pages::mails::mails))
        .route("/admin/mails/{id}", get(admin::pages::mails::mail))
        .route("/admin/mails/{id}/html", get(admin::pages::mails::html))
        .route("/admin/mails/{id}/resend", post(admin::pages::mails::resend))
        .route("/admin/staff", get(admin::pages::people::people).post(admin::pages::people::add))
        .route("/admin/staff/{id}", get(admin::pages::people::person))
        .route("/admin/staff/{id}/role", post(admin::pages::people::change_role))
        .route("/admin/staff/{id}/remove", post(admin::pages::people::remove))
        .route("/admin/hooks", get(hooks::pages::hooks).post(hooks::pages::add))
        .route("/admin/hooks/{id}", get(hooks::pages::log::endpoint))
        .route("/admin/hooks/{id}/pause", post(hooks::pages::pause))
        .route("/admin/hooks/{id}/resume", post(hooks::pages::resume))
        .route("/admin/hooks/{id}/test", post(hooks::pages::send_test))
        .route("/admin/hooks/{id}/secret", post(hooks::pages::show_secret))
        .route("/admin/hooks/{id}/rotate", post(hooks::pages::rotate))
        .route("/admin/hooks/{id}/replay", post(hooks::pages::replay_missed))
        .route("/admin/hooks/{id}/delete", post(hooks::pages::delete))
        .route("/admin/hooks/deliveries/{id}", get(hooks::pages::log::delivery))
        .route("/admin/hooks/deliveries/{id}/replay", post(hooks::pages::log::replay))
        .route("/admin/audit", get(admin::pages::trail::trail))
        .route(
            "/admin/bookings/{reference}/documents/reveal",
            get(admin::pages::documents::reveal_again).post(admin::pages::documents::reveal_documents),
        )
}

/// There only where nothing is real.
fn demo() -> Router<App> {
    Router::new()
        .route("/demo/mail", get(demo::mails))
        .route("/demo/mail/{id}", get(demo::mail))
        .route("/demo/mail/{id}/html", get(demo::preview))
        .route("/demo/hooks", get(demo::pages::hooks).post(demo::pages::catch))
        .route("/demo/console", get(demo::pages::console::console).post(demo::pages::console::put))
        .route("/demo/letters", get(emails::pages::letters))
        .route("/demo/letters/{name}", get(emails::pages::letter))
        .route("/demo/letters/{name}/html", get(emails::pages::document))
}

/// What no person opens: Stripe, Duffel, browsers, probes.
fn machinery() -> Router<App> {
    Router::new()
        .route("/webhooks/stripe", stripe_webhook())
        .route("/webhooks/duffel", duffel_webhook())
        .route("/api/payment/webhook", stripe_webhook())
        .route("/.well-known/change-password", get(well_known::change_password))
        .route("/.well-known/security.txt", get(well_known::security_txt))
        .route("/static/{file}", get(assets::serve))
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz))
        .route("/metrics", get(vitals::api::metrics))
}

/// Events may be longer than any form of ours.
fn stripe_webhook() -> MethodRouter<App> {
    post(checkout::webhook::stripe).layer(DefaultBodyLimit::max(frame::WEBHOOK_LIMIT))
}

fn duffel_webhook() -> MethodRouter<App> {
    post(bookings::webhook::duffel).layer(DefaultBodyLimit::max(frame::WEBHOOK_LIMIT))
}

async fn nothing_here() -> AppError {
    AppError::NotFound
}
