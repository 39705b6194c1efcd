//! Jetbridge, a flight-booking storefront. This list is the map of the code: a module uses those above it, never those
//! below (`tests/it/architecture.rs` keeps that true). What must flow upwards travels as a job through the outbox.

#![recursion_limit = "512"]

// Rank 0: vocabulary, pure.
pub mod airports;
pub mod clock;
pub mod ids;
pub mod itinerary;
pub mod money;
pub mod personal;

// Rank 1: kernel.
pub mod vault;
pub mod config;
pub mod db;
pub mod meters;
pub mod audit;
pub mod embedded;
pub mod error;
pub mod limits;
pub mod outbox;

// Rank 2: gateways, the only places with network IO.
pub mod outgoing;
pub mod courier;
pub mod mailer;
pub mod payments;
pub mod sandbox;
pub mod supplier;
pub mod traces;

// Rank 3: web kit, knows no feature.
pub mod web;

// Rank 4: features, each may use those above it.
pub mod accounts;
pub mod search;
pub mod bookings;
pub mod checkout;
pub mod papers;
pub mod privacy;
pub mod admin;
pub mod hooks;
pub mod demo;
pub mod vitals;

// Rank 5: drivers.
pub mod app;
pub mod emails;
pub mod launch;
pub mod doctor;
pub mod health;
pub mod smoke;
pub mod logging;
pub mod openapi;
pub mod worker;
