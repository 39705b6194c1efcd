//! The machines in code and the guard in PostgreSQL are two writings of one thing.

use std::collections::BTreeSet;

use jetbridge::{
    bookings::lifecycle::{
        BookingEvent, BookingState, Step, SupplierEvent, SupplierState, next_booking, next_supplier,
    },
    checkout::lifecycle::{
        AttemptEvent, AttemptState, DisputeEvent, DisputeState, RefundEvent, RefundState, next_attempt,
        next_dispute, next_refund,
    },
};

use super::helpers::app::TestApp;

fn moves<S: Copy, E: Copy, F>(
    machine: &str,
    states: &[S],
    events: &[E],
    code: impl Fn(S) -> &'static str,
    next: impl Fn(S, E) -> Step<S, F>,
) -> BTreeSet<String> {
    let mut moves = BTreeSet::new();
    for &state in states {
        for &event in events {
            if let Step::Move { to, .. } = next(state, event) {
                moves.insert(format!("{machine} {} {}", code(state), code(to)));
            }
        }
    }
    moves
}

#[tokio::test]
async fn the_database_allows_exactly_the_moves_that_the_machines_make() {
    let app = TestApp::start().await;
    let mut ours = moves("booking", BookingState::ALL, BookingEvent::ALL, BookingState::code, next_booking);
    ours.extend(moves(
        "supplier",
        SupplierState::ALL,
        SupplierEvent::ALL,
        SupplierState::code,
        next_supplier,
    ));
    ours.extend(moves("attempt", AttemptState::ALL, AttemptEvent::ALL, AttemptState::code, next_attempt));
    ours.extend(moves("refund", RefundState::ALL, RefundEvent::ALL, RefundState::code, next_refund));
    ours.extend(moves("dispute", DisputeState::ALL, DisputeEvent::ALL, DisputeState::code, next_dispute));
    let theirs =
        app.texts("select concat_ws(' ', machine, from_state, to_state) from booking_transitions").await;
    assert_eq!(theirs.into_iter().collect::<BTreeSet<_>>(), ours);
    app.finish().await;
}
