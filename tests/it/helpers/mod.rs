//! What every test stands on.

#![allow(dead_code, reason = "the browser tests use a part of it")]

pub mod app;
pub mod browser;
pub mod cluster;
pub mod invariants;
mod markup;
pub mod page;
pub mod statements;
