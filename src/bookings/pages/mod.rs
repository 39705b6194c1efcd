//! The traveller's pages up to the review: the list of bookings, a new draft, who travels, and
//! who may open what.

pub mod claim;
pub mod find;
pub mod holder;
pub mod list;
pub mod passengers;
pub mod start;
pub mod words;
