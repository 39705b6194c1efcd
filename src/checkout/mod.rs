//! Feature: checkout.
