//! The settings that policies read: whatever stands in them, nobody sees what is not theirs.

use sqlx::Connection;

use super::{
    attempts::{self, Attempt, Outcome, Principal, Rows, try_all},
    tables,
    world::World,
};

/// What everybody may read, because it is nobody's.
const PUBLIC: [&str; 2] = ["public.flight_searches", "public.booking_transitions"];

const NOBODY: &str = "00000000-0000-7000-8000-00000000dead";

fn reader(role: &'static str, user: Option<&str>, link: Option<&str>) -> Principal {
    Principal { name: role, role, user: user.map(str::to_owned), link: link.map(str::to_owned) }
}

#[tokio::test]
async fn settings_that_name_nobody_show_nothing() {
    let world = World::new().await;
    let alice = world.id("alice");
    let (spaced, quoted) = (format!("{alice} x"), format!("{alice}' or '1'='1"));
    let users = ["", " ", "x", "0", "null", "' or true --", NOBODY, &spaced, &quoted];
    let links = ["", "x", "00", "%", "' or true --", NOBODY, &alice];
    let mut who = vec![];
    for role in ["jetbridge_guest", "jetbridge_traveller"] {
        // First, while nobody has ever set anything on this connection.
        who.insert(0, reader(role, None, None));
        who.extend(users.iter().flat_map(|user| links.map(|link| reader(role, Some(user), Some(link)))));
    }
    // A guest with somebody's id is still a guest.
    who.push(reader("jetbridge_guest", Some(&alice), Some("")));

    let tables: Vec<String> = tables::written().into_iter().map(|block| block.table).collect();
    let tables: Vec<&String> = tables.iter().filter(|table| !PUBLIC.contains(&table.as_str())).collect();
    let read: Vec<Attempt> =
        tables.iter().map(|table| Attempt::plain(format!("select 1 from {table}"))).collect();
    let all = Rows { table: "public.bookings".to_owned(), at: "{}".to_owned() };
    let mut sql = world.app.sql().await;
    attempts::prepare(&mut sql).await;
    for principal in &who {
        let outcomes = try_all(&mut sql, principal, &all, &read).await;
        for (table, outcome) in tables.iter().zip(outcomes) {
            assert_ne!(
                outcome,
                Outcome::Done,
                "{} sees {table} by {:?} and {:?}",
                principal.role,
                principal.user,
                principal.link
            );
        }
    }
    // The very same question does show something to whoever is named rightly, and what is no id is an error.
    let own = [Attempt::plain("select 1 from profiles".to_owned())];
    for (user, outcome) in [
        (alice.clone(), Outcome::Done),
        (alice.to_uppercase(), Outcome::Done),
        (NOBODY.to_owned(), Outcome::NotHers),
        (String::new(), Outcome::NotHers),
        ("x".to_owned(), Outcome::Refused),
        (quoted, Outcome::Refused),
    ] {
        let traveller = reader("jetbridge_traveller", Some(&user), None);
        assert_eq!(try_all(&mut sql, &traveller, &all, &own).await, [outcome], "{user:?}");
    }
    sql.close().await.unwrap();
    world.end().await;
}
