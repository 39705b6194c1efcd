//! What every test stands on.

pub mod browser;
pub mod cluster;
pub mod invariants;
mod markup;
pub mod page;
pub mod statements;
