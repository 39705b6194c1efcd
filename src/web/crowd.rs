//! How many may be connected at once, all together and from one address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::limits::Subject;

/// Connections at once. Each takes some 10 kB while it waits, so this many take some 80 MB.
const MOST: usize = 8_192;
/// From one address. A browser opens six; an office or a hotel behind one address has room for dozens of them.
const MOST_FROM_ONE: usize = 512;
/// File descriptors that are not for visitors: the database, the gateways, logs.
const RESERVED: usize = 256;

/// How many connections each network has.
type Counts = Arc<Mutex<HashMap<Subject, usize>>>;

#[derive(Clone)]
pub struct Crowd {
    room: Arc<Semaphore>,
    /// `None`: all come through proxies, which look alike.
    by_network: Option<Counts>,
}

/// Room for one connection, from whomever.
pub struct Room {
    _permit: Option<OwnedSemaphorePermit>,
}

/// One connection's place, free again when dropped.
pub struct Place {
    _room: Room,
    counted: Option<(Counts, Subject)>,
}

impl Crowd {
    pub fn new(trusted_proxy_hops: usize) -> Self {
        Self {
            room: Arc::new(Semaphore::new(most_connections())),
            by_network: (trusted_proxy_hops == 0).then(Arc::default),
        }
    }

    /// Waits until somebody may come in.
    pub async fn room(&self) -> Room {
        // It is never closed, so there is always a permit in the end.
        Room { _permit: Arc::clone(&self.room).acquire_owned().await.ok() }
    }

    /// `None`: there are too many from this address already.
    pub fn enter(&self, from: IpAddr, room: Room) -> Option<Place> {
        let Some(by_network) = &self.by_network else { return Some(Place { _room: room, counted: None }) };
        let network = Subject::network(from);
        let mut counts = lock(by_network);
        let count = counts.entry(network.clone()).or_default();
        if *count >= MOST_FROM_ONE {
            return None;
        }
        *count += 1;
        Some(Place { _room: room, counted: Some((Arc::clone(by_network), network)) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some((by_network, network)) = self.counted.take() else { return };
        let mut counts = lock(&by_network);
        if let Some(count) = counts.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&network);
            }
        }
    }
}

fn lock(counts: &Mutex<HashMap<Subject, usize>>) -> MutexGuard<'_, HashMap<Subject, usize>> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the operating system lets us have: a connection that finds no file descriptor would take one from the database.
fn most_connections() -> usize {
    let wanted = (MOST + RESERVED) as u64;
    let allowed = getrlimit(Resource::RLIMIT_NOFILE).map_or(1_024, |(soft, hard)| {
        let raised = hard.min(wanted);
        let is_raised = soft < raised && setrlimit(Resource::RLIMIT_NOFILE, raised, hard).is_ok();
        if is_raised { raised } else { soft }
    });
    usize::try_from(allowed).unwrap_or(MOST).saturating_sub(RESERVED).clamp(64, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_address_gets_its_share_and_leaves_room_for_others() {
        let crowd = Crowd::new(0);
        let enter = async |from: &str| crowd.enter(from.parse().unwrap(), crowd.room().await);
        let mut inside = Vec::new();
        for _ in 0..MOST_FROM_ONE {
            inside.push(enter("2001:db8::1").await.unwrap());
        }
        assert!(enter("2001:db8::2").await.is_none(), "another address of the same /64");
        assert!(enter("192.0.2.1").await.is_some());
        inside.pop();
        assert!(enter("2001:db8::2").await.is_some());
        drop(inside);
        assert!(lock(crowd.by_network.as_ref().unwrap()).is_empty());
        assert_eq!(crowd.room.available_permits(), most_connections());
    }

    #[tokio::test]
    async fn behind_a_proxy_all_look_alike_and_only_the_total_counts() {
        let crowd = Crowd::new(1);
        let mut inside = Vec::new();
        for _ in 0..=MOST_FROM_ONE {
            inside.push(crowd.enter("10.0.0.1".parse().unwrap(), crowd.room().await).unwrap());
        }
        assert_eq!(inside.len(), MOST_FROM_ONE + 1);
    }
}
