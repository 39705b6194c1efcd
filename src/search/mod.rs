//! Feature: search.
