//! Feature: checkout.

pub mod lifecycle;
