//! The pages of search: the first page, the list of offers, one offer, and the airport finder.

mod airports;
mod card;
mod flights;
mod home;
mod offer;
mod plate;

pub use self::{airports::airports, flights::flights, home::home, offer::offer};
