//! How many statements something asks of PostgreSQL. A statement borrows its transaction's connection once, and that is
//! counted: no listener has to read and shorten each statement's text for it. BEGIN and COMMIT are not counted.

use std::{cell::Cell, future::Future};

tokio::task_local! {
    static STATEMENTS: Cell<u32>;
}

/// Runs it, and says how many statements it took, wherever in it they were asked.
pub async fn counting<T>(work: impl Future<Output = T>) -> (T, u32) {
    STATEMENTS
        .scope(Cell::new(0), async {
            let done = work.await;
            (done, STATEMENTS.with(Cell::get))
        })
        .await
}

/// Outside of [`counting`] nobody wants to know.
pub(super) fn count(statements: u32) {
    let _ = STATEMENTS.try_with(|so_far| so_far.set(so_far.get().saturating_add(statements)));
}
