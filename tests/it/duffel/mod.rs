//! The real supplier over HTTP, against a stand-in that follows Duffel's published shapes and every way it may fail.

mod buying;
mod names;
mod orders;
mod places;
mod searching;
mod steps;
mod told;

use jetbridge::{
    clock::Clock,
    config::{DuffelConfig, SupplierChoice},
    sandbox::stripe::Session,
};

use crate::helpers::{
    app::{START, TestApp},
    browser::Browser,
    duffel::{Duffel, SECRET, TOKEN},
    story::GOOD_CARD,
};

/// The app, and Duffel as the test sees it.
async fn start() -> (TestApp, Duffel) {
    let clock = Clock::manual(START.parse().unwrap());
    let duffel = Duffel::start(clock.clone()).await;
    let supplier = SupplierChoice::Duffel(DuffelConfig {
        token: TOKEN.into(),
        webhook_secrets: vec![SECRET.into()],
        api_url: Some(duffel.url.parse().unwrap()),
    });
    (TestApp::start_selling(clock, supplier).await, duffel)
}

/// Alice has searched, chosen the first offer, named the passenger and paid; nothing of what follows has run yet.
async fn paid(app: &TestApp) -> (Browser, String, Session) {
    let (alice, reference, session) = app.at_stripe("Duarte").await;
    app.stripe.pay(&session.id, GOOD_CARD).unwrap();
    (alice, reference, session)
}
