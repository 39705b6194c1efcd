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
/// From all networks of one site (see [`Subject::site`]).
const MOST_FROM_SITE: usize = 2_048;
/// File descriptors that are not for visitors: the database, the gateways, logs.
const RESERVED: usize = 256;

/// How many connections each network has, and each site.
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
    counted: Option<Counted>,
}

struct Counted {
    counts: Counts,
    network: Subject,
    site: Option<Subject>,
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

    /// `None`: there are too many from this address already, or from its site.
    pub fn enter(&self, from: IpAddr, room: Room) -> Option<Place> {
        let Some(by_network) = &self.by_network else { return Some(Place { _room: room, counted: None }) };
        let network = Subject::network(from);
        let site = network.site();
        let mut counts = lock(by_network);
        let has_room = |of: &Subject, most: usize| counts.get(of).is_none_or(|count| *count < most);
        if !has_room(&network, MOST_FROM_ONE)
            || site.as_ref().is_some_and(|site| !has_room(site, MOST_FROM_SITE))
        {
            return None;
        }
        for of in [Some(&network), site.as_ref()].into_iter().flatten() {
            *counts.entry(of.clone()).or_default() += 1;
        }
        drop(counts);
        Some(Place { _room: room, counted: Some(Counted { counts: Arc::clone(by_network), network, site }) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(counted) = self.counted.take() else { return };
        let mut counts = lock(&counted.counts);
        for of in [Some(counted.network), counted.site].into_iter().flatten() {
            if let Some(count) = counts.get_mut(&of) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&of);
                }
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
    async fn whoever_has_a_whole_48_gets_the_share_of_a_site_and_leaves_room_for_others() {
        let crowd = Crowd::new(0);
        let enter = async |from: String| crowd.enter(from.parse().unwrap(), crowd.room().await);
        let mut inside = Vec::new();
        for number in 0..MOST_FROM_SITE.min(most_connections() - 1) {
            inside.push(enter(format!("2001:db8:1:{number:x}::1")).await.unwrap());
        }
        assert!(inside.len() < MOST_FROM_SITE || enter("2001:db8:1:ffff::1".to_owned()).await.is_none());
        assert!(enter("2001:db8:2::1".to_owned()).await.is_some());
        drop(inside);
        assert!(lock(crowd.by_network.as_ref().unwrap()).is_empty());
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
