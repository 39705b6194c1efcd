//! Feature: accounts.
