//! Tries one statement as one principal and undoes it, inside PostgreSQL, so that thousands of them are a matter of seconds.

use sqlx::{Executor, PgConnection};

use super::world::World;

/// Whoever calls is superuser: only he may say for one attempt that no trigger fires, lend the right to read, and look
/// afterwards which of the rows are no longer what they were.
const FUNCTION: &str = r"
create or replace function pg_temp.attempt(
    as_role text, person text, held text, triggers boolean, lend boolean, statement text, target regclass, ours tid[]
) returns text language plpgsql as $$
declare
    touched bigint;
    left_alone bigint;
begin
    begin
        if lend then
            execute format('grant usage on schema %s to %I', (select relnamespace::regnamespace from pg_class where oid = target), as_role);
            execute format('grant select on %s to %I', target, as_role);
        end if;
        perform set_config('session_replication_role', case when triggers then 'origin' else 'replica' end, true);
        if person is not null then
            perform set_config('app.user_id', person, true);
        end if;
        if held is not null then
            perform set_config('app.link', held, true);
        end if;
        perform set_config('role', as_role, true);
        execute statement;
        get diagnostics touched = row_count;
        perform set_config('role', 'none', true);
        if statement !~ '^(select|insert)' then
            execute format('select count(*) from %s where ctid = any($1)', target) into left_alone using ours;
            touched := cardinality(ours) - left_alone;
        end if;
        raise exception using errcode = 'JBOK0', message = touched::text;
    exception when others then
        return sqlstate || ' ' || sqlerrm;
    end;
end
$$;";

pub struct Principal {
    pub name: &'static str,
    pub role: &'static str,
    /// `None` leaves the setting as the connection has it.
    pub user: Option<String>,
    pub link: Option<String>,
}

pub fn principals(world: &World) -> Vec<Principal> {
    let principal = |name, role, user: Option<&str>| Principal {
        name,
        role,
        user: Some(user.map(|user| world.id(user)).unwrap_or_default()),
        link: Some(String::new()),
    };
    vec![
        principal("guest", "jetbridge_guest", None),
        Principal { link: Some(world.id("link")), ..principal("dora", "jetbridge_guest", None) },
        principal("nobody", "jetbridge_traveller", None),
        principal("alice", "jetbridge_traveller", Some("alice")),
        principal("bob", "jetbridge_traveller", Some("bob")),
        principal("carol", "jetbridge_staff", Some("carol")),
        principal("colleague", "jetbridge_staff", Some("colleague")),
        principal("system", "jetbridge_system", None),
    ]
}

/// What became of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Some of alice's rows were read, written or made.
    Done,
    /// It ran and touched nothing of hers, or a policy refused the new row.
    NotHers,
    /// The role has no such right.
    NoRight,
    /// A key that alice's row has already: everything before that had let the new row through.
    Twin,
    /// Anything else, which is a trigger or a constraint.
    Refused,
}

impl Outcome {
    fn read(answer: &str) -> Self {
        match answer.split_once(' ') {
            Some(("JBOK0", "0")) => Self::NotHers,
            Some(("JBOK0", _)) => Self::Done,
            Some(("42501", why)) if why.contains("row-level security") => Self::NotHers,
            Some(("42501", _)) => Self::NoRight,
            Some(("23505", _)) => Self::Twin,
            Some(("42601" | "42P01" | "42703" | "42704" | "42883", why)) => {
                panic!("not even a statement: {why}")
            }
            _ => Self::Refused,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Attempt {
    pub statement: String,
    /// Do triggers and foreign keys have a say?
    pub triggers: bool,
    /// Does the statement have to read what the principal may perhaps only write?
    pub lend: bool,
}

impl Attempt {
    /// Just so, as the application would send it.
    pub fn plain(statement: String) -> Self {
        Self { statement, triggers: true, lend: false }
    }
}

/// Alice's rows of a table.
pub struct Rows {
    pub table: String,
    /// Where they are, as an array of `ctid`.
    pub at: String,
}

pub async fn prepare(sql: &mut PgConnection) {
    sql.execute(FUNCTION).await.expect("the function of attempts");
}

pub async fn try_all(
    sql: &mut PgConnection,
    principal: &Principal,
    rows: &Rows,
    attempts: &[Attempt],
) -> Vec<Outcome> {
    let statements: Vec<&str> = attempts.iter().map(|attempt| attempt.statement.as_str()).collect();
    let triggers: Vec<bool> = attempts.iter().map(|attempt| attempt.triggers).collect();
    let lend: Vec<bool> = attempts.iter().map(|attempt| attempt.lend).collect();
    let answers: Vec<String> = sqlx::query_scalar(
        "select pg_temp.attempt($1, $2, $3, a.triggers, a.lend, a.statement, $4::text::regclass, $5::text::tid[])
           from unnest($6::text[], $7::boolean[], $8::boolean[]) with ordinality as a(statement, triggers, lend, n) order by a.n",
    )
    .bind(principal.role)
    .bind(&principal.user)
    .bind(&principal.link)
    .bind(&rows.table)
    .bind(&rows.at)
    .bind(statements)
    .bind(triggers)
    .bind(lend)
    .fetch_all(sql)
    .await
    .unwrap_or_else(|error| panic!("{} as {}: {error}", rows.table, principal.name));
    answers.iter().map(|answer| Outcome::read(answer)).collect()
}
