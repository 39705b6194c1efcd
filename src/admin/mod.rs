//! Feature: admin.
