//! The pages of search: the first page, the list of offers, the month, the pairs of dates, one offer, and the airport finder.

mod airports;
mod calendar;
mod card;
mod filters;
mod flights;
mod home;
mod matrix;
mod nothing;
mod offer;
mod plate;
mod recent;
mod silent;
mod strip;

pub use self::{
    airports::airports, calendar::calendar, flights::flights, home::home, matrix::matrix, offer::offer,
    recent::forget,
};
