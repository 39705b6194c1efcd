//! What was counted while one call was answered, so that its answer can tell what is left. It is noted beside the call, not
//! handed through every function on the way: a limit is counted deep inside a feature, and told at its edge.

use std::cell::RefCell;

use super::Limit;
use crate::error::Quota;

/// What is left of one limit, as far as this process knows without asking: others may spend of it at the same time, and it
/// grows while time goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    pub quota: Quota,
    pub tokens: u32,
    /// Until there is one more.
    pub next_in_seconds: u32,
}

impl Left {
    pub(super) fn of(limit: &Limit, tokens: u32) -> Self {
        let whole = limit.every.as_secs() + u64::from(limit.every.subsec_nanos() > 0);
        Self { quota: limit.quota(), tokens, next_in_seconds: u32::try_from(whole).unwrap_or(u32::MAX) }
    }
}

tokio::task_local! {
    static SPENT: RefCell<Vec<Left>>;
}

/// The answer, and what was counted for it in the order of counting.
pub async fn counted<T>(work: impl Future<Output = T>) -> (T, Vec<Left>) {
    let told = async {
        let answer = work.await;
        (answer, SPENT.with(RefCell::take))
    };
    SPENT.scope(RefCell::default(), told).await
}

/// Outside of a call nobody listens.
pub(super) fn note(left: Left) {
    let _ = SPENT.try_with(|all| all.borrow_mut().push(left));
}
