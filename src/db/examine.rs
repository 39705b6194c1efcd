//! What `jetbridge doctor` asks of the database as the login itself, before any role is taken: nothing is changed by it.

use jiff::Timestamp;
use jiff_sqlx::Timestamp as SqlTimestamp;
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use super::{Db, MIGRATOR};

/// The schemas whose tables must be guarded. The session store is read outside any principal (migration 0002 says why).
const GUARDED: [&str; 3] = ["public", "auth", "timetable"];

#[derive(Clone, Debug)]
pub struct Server {
    /// As PostgreSQL numbers itself: 150004 is 15.4.
    pub version: i32,
    pub login: String,
    /// Superuser or BYPASSRLS: only the role switch keeps rows apart.
    pub bypasses_rls: bool,
    pub may_create_roles: bool,
    pub has_citext: bool,
    pub max_connections: i32,
    /// By its own clock.
    pub now: Timestamp,
}

/// A role that a principal becomes, as far as it is not what it has to be.
#[derive(Clone, Debug)]
pub struct UnfitRole {
    pub name: String,
    pub exists: bool,
    pub is_ours: bool,
    pub bypasses_rls: bool,
}

/// The migrations of this program beside those that the database remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Migrations {
    /// Ours, not run yet.
    pub pending: Vec<i64>,
    /// Begun and not ended.
    pub failed: Vec<i64>,
    /// Run in another wording than ours.
    pub altered: Vec<i64>,
    /// Run by a newer version of this program.
    pub unknown: Vec<i64>,
}

/// One connection, and what is wrong with it if there is none: the pool would go on trying, and say only that time is over.
pub async fn reach(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    PgConnection::connect_with(options).await?.close().await
}

impl Db {
    pub async fn server(&self) -> Result<Server, sqlx::Error> {
        let row = sqlx::query!(
            r#"select current_setting('server_version_num')::int as "version!",
                      r.rolname::text as "login!",
                      (r.rolsuper or r.rolbypassrls) as "bypasses_rls!",
                      (r.rolsuper or r.rolcreaterole) as "may_create_roles!",
                      exists (select from pg_available_extensions where name = 'citext') as "has_citext!",
                      current_setting('max_connections')::int as "max_connections!",
                      clock_timestamp() as "now!: SqlTimestamp"
                 from pg_roles r where r.rolname = current_user"#
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Server {
            version: row.version,
            login: row.login,
            bypasses_rls: row.bypasses_rls,
            may_create_roles: row.may_create_roles,
            has_citext: row.has_citext,
            max_connections: row.max_connections,
            now: row.now.to_jiff(),
        })
    }

    pub async fn unfit_roles(&self) -> Result<Vec<UnfitRole>, sqlx::Error> {
        sqlx::query_as!(
            UnfitRole,
            r#"select wanted.name as "name!", r.oid is not null as "exists!",
                      coalesce(pg_has_role(current_user, r.oid, 'member'), false) as "is_ours!",
                      coalesce(r.rolsuper or r.rolbypassrls, false) as "bypasses_rls!"
                 from unnest(array['jetbridge_guest', 'jetbridge_traveller', 'jetbridge_staff', 'jetbridge_system'])
                      as wanted(name)
                 left join pg_roles r on r.rolname = wanted.name
                where r.oid is null or not pg_has_role(current_user, r.oid, 'member') or r.rolsuper or r.rolbypassrls
                order by 1"#
        )
        .fetch_all(&self.pool)
        .await
    }

    /// Tables whose rows nothing keeps apart.
    pub async fn unguarded_tables(&self) -> Result<Vec<String>, sqlx::Error> {
        let schemas = GUARDED.map(str::to_owned);
        sqlx::query_scalar!(
            r#"select format('%s.%s', n.nspname, c.relname) as "name!"
                 from pg_class c join pg_namespace n on n.oid = c.relnamespace
                where c.relkind in ('r', 'p') and n.nspname = any($1) and c.relname <> '_sqlx_migrations'
                  and not (c.relrowsecurity and c.relforcerowsecurity)
                order by 1"#,
            &schemas[..],
        )
        .fetch_all(&self.pool)
        .await
    }

    /// `None`: nothing has ever run here.
    pub async fn migrations(&self) -> Result<Option<Migrations>, sqlx::Error> {
        let table: Option<String> =
            sqlx::query_scalar("select to_regclass('_sqlx_migrations')::text").fetch_one(&self.pool).await?;
        if table.is_none() {
            return Ok(None);
        }
        let run: Vec<(i64, bool, Vec<u8>)> =
            sqlx::query_as("select version, success, checksum from _sqlx_migrations order by version")
                .fetch_all(&self.pool)
                .await?;
        Ok(Some(compare(&run)))
    }
}

fn compare(run: &[(i64, bool, Vec<u8>)]) -> Migrations {
    let mut found = Migrations::default();
    for migration in MIGRATOR.iter() {
        match run.iter().find(|(version, ..)| *version == migration.version) {
            None => found.pending.push(migration.version),
            Some((version, false, _)) => found.failed.push(*version),
            Some((version, true, checksum)) if *checksum != *migration.checksum => {
                found.altered.push(*version);
            }
            Some(_) => {}
        }
    }
    let is_ours = |version: i64| MIGRATOR.iter().any(|migration| migration.version == version);
    found.unknown = run.iter().map(|(version, ..)| *version).filter(|version| !is_ours(*version)).collect();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_are_told_apart_by_what_the_database_remembers() {
        let mut run: Vec<(i64, bool, Vec<u8>)> =
            MIGRATOR.iter().map(|ours| (ours.version, true, ours.checksum.to_vec())).collect();
        assert_eq!(compare(&run), Migrations::default());
        let last = run.pop().unwrap().0;
        run[0].2 = vec![1];
        run[1].1 = false;
        run.push((99_999, true, vec![]));
        let found = Migrations {
            pending: vec![last],
            failed: vec![run[1].0],
            altered: vec![run[0].0],
            unknown: vec![99_999],
        };
        assert_eq!(compare(&run), found);
    }
}
