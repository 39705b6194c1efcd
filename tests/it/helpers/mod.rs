//! What every test stands on.

#![allow(dead_code, reason = "the browser tests use a part of it")]

pub mod api;
pub mod app;
pub mod authenticator;
pub mod browser;
pub mod cluster;
pub mod contract;
pub mod duffel;
pub mod gate;
mod markup;
pub mod page;
pub mod post;
pub mod proxy;
pub mod receiver;
pub mod site;
pub mod statements;
pub mod story;
pub mod tally;
mod truthful;
