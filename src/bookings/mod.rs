//! Feature: bookings.
