//! A gate before a commit: whoever writes the row stands still there, in the real program, for as long as the test likes.

use sqlx::{Connection, PgConnection};

use super::site::{self, Seen};

/// The tests' own number of an advisory lock.
const LOCK: i64 = 4_711;

/// The superuser's hand on the gate. It opens with his connection.
pub struct Gate(PgConnection);

impl Gate {
    /// A table, `insert` or `update`, and what tells the change from others of the table, in words of a trigger.
    pub async fn before(database: &impl Seen, gates: &[(&str, &str, String)]) -> Self {
        let mut sql = PgConnection::connect_with(&database.as_superuser()).await.expect("a connection");
        let mut setting = format!(
            "create function stand_still() returns trigger language plpgsql security definer as $$
             begin perform pg_advisory_xact_lock_shared({LOCK}); return new; end $$;
             select pg_advisory_lock({LOCK});"
        );
        for (number, (table, deed, when)) in gates.iter().enumerate() {
            setting.push_str(&format!(
                "create trigger stand_still_{number} before {deed} on {table} for each row
                     when ({when}) execute function stand_still();"
            ));
        }
        sqlx::raw_sql(&setting).execute(&mut sql).await.expect("a gate");
        Self(sql)
    }

    pub async fn open(mut self) {
        let open = format!("select pg_advisory_unlock({LOCK}); drop function stand_still() cascade;");
        sqlx::raw_sql(&open).execute(&mut self.0).await.expect("it opens");
        self.0.close().await.expect("it closes");
    }
}

/// Until so many stand there, in this database.
pub async fn waiting(database: &impl Seen, many: i64) {
    let here = "database = (select oid from pg_database where datname = current_database())";
    let waiting = format!(
        "(select from pg_locks where locktype = 'advisory' and not granted and {here} limit {many}) as waiting"
    );
    site::until(database, &waiting, many).await;
}
