//! Feature: bookings.

pub mod lifecycle;
