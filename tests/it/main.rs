//! All tests that see Jetbridge from outside: one binary, so that it links once and shares one PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod account_life;
mod account_pages;
mod accounts;
mod api_auth;
mod architecture;
mod asvs;
mod audit;
mod booking_pages;
mod bookings;
mod cast;
mod cost;
mod demo;
mod documents;
mod errors;
mod flood;
mod guests;
mod helpers;
mod hostile;
mod invariants;
mod log_privacy;
mod isolation;
mod limits;
mod machines;
mod mails;
mod money;
mod observatory;
mod openapi;
mod oracle;
mod papers;
mod privacy;
mod process;
mod refunds;
mod refusals;
mod schema;
mod second_factor;
mod search;
mod security;
mod sessions;
mod staff;
mod staff_refunds;
mod staff_roles;
mod timetable;
mod tokens;
mod webhook;
