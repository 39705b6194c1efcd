//! The promise: charged only when ticketed, and only what was accepted. Each story ends with all invariants holding.
//! U numbers are the ugly cases that the design names.

mod airline;
mod gone_again;
mod late;
mod lost_answers;
mod normal;
mod prices;

use jetbridge::sandbox::stripe::Endpoint;

use crate::helpers::app::TestApp;

fn endpoints(app: &TestApp) -> Vec<Endpoint> {
    app.stripe.calls().iter().map(|call| call.endpoint).collect()
}
