//! The test of the test: each policy is dropped and widened, row-level security is put out, each right is taken away and
//! each missing one is given, one at a time. If `tables.txt` would not notice, it proves less than it says.

use std::collections::BTreeMap;

use sqlx::{Connection, Executor, PgConnection, Row};

use super::{
    attempts::{self, Principal, principals},
    tables::{Block, Subject, written},
    world::World,
};

/// Changes that no cell can show, and why.
const EXCUSED: [(&str, &str); 3] = [
    (
        "drop policy attention_items_staff_resolves on public.attention_items",
        "three columns have to change at once, which tests/it/staff does",
    ),
    (
        "alter policy bookings_by_link on public.bookings with check (true)",
        "the columns that the check reads are not the link holder's to write",
    ),
    ("grant insert on public.audit_log to jetbridge_staff", "the only further column is PostgreSQL's own"),
];

/// Policies that let everything through for their role are only dropped: there is nothing to widen.
const POLICIES: &str = r"
select format('%s.%s', schemaname, tablename), role::text, m
  from pg_policies, unnest(roles) as role,
       unnest(array[
           format('drop policy %I on %I.%I', policyname, schemaname, tablename),
           case when qual <> 'true' then
               format('alter policy %I on %I.%I using (true)', policyname, schemaname, tablename)
               || case when with_check is null then '' else ' with check (true)' end end,
           case when with_check <> 'true' then
               format('alter policy %I on %I.%I with check (true)', policyname, schemaname, tablename) end]) as m
 where m is not null and role ~ '^jetbridge_'
union all
select format('%s.%s', schemaname, tablename), min(role::text),
       format('alter table %I.%I disable row level security', schemaname, tablename)
  from pg_policies, unnest(roles) as role
 where role ~ '^jetbridge_' and coalesce(qual, with_check) <> 'true' group by schemaname, tablename order by 1, 3";

const RIGHTS: &str = r"
with tables as (
    select c.oid, c.relacl, format('%I.%I', c.relnamespace::regnamespace, c.relname) as name
      from pg_class c where c.relkind = 'r' and c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
), roles as (
    select oid, rolname::text as name from pg_roles where rolname ~ '^jetbridge_'
)
select t.name, r.name, format('revoke %s on %s from %I', a.privilege_type, t.name, r.name)
  from tables t, aclexplode(t.relacl) a join roles r on r.oid = a.grantee
union all
select t.name, r.name, format('revoke %s (%I) on %s from %I', a.privilege_type, c.attname, t.name, r.name)
  from tables t join pg_attribute c on c.attrelid = t.oid, aclexplode(c.attacl) a join roles r on r.oid = a.grantee
union all
select t.name, r.name, format('grant %s on %s to %I', privilege, t.name, r.name)
  from tables t, roles r, unnest(array['select', 'insert', 'update', 'delete']) as privilege
 where has_schema_privilege(r.oid, split_part(t.name, '.', 1), 'usage') and not has_table_privilege(r.oid, t.oid, privilege)
 order by 1, 3";

/// One change for the worse: the table, the role that it is about, and the statement.
type Mutation = (String, String, String);

async fn mutations(sql: &mut PgConnection, query: &str) -> Vec<Mutation> {
    let rows = sqlx::query(query).fetch_all(sql).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
}

/// What the file says of this principal.
fn said_of<'a>(block: &'a Block, principal: &Principal) -> Vec<&'a String> {
    let is_head = |line: &String| !line.starts_with("    ");
    let own = |line: &String| line.split_whitespace().next() == Some(principal.name) && is_head(line);
    let start = block.lines.iter().position(own).expect("a line of everybody");
    let rest = block.lines[start + 1..].iter().take_while(|line| !is_head(line));
    std::iter::once(&block.lines[start]).chain(rest).collect()
}

/// Does any cell of the changed table differ from what is written?
async fn notices(sql: &mut PgConnection, world: &World, blocks: &[&Block], people: &[&Principal]) -> bool {
    for block in blocks {
        let subject = Subject::find(sql, world, block).await;
        for principal in people {
            let seen = subject.observe(sql, principal).await;
            if seen.iter().collect::<Vec<_>>() != said_of(block, principal) {
                return true;
            }
        }
    }
    false
}

async fn survivors(query: &str) -> (usize, Vec<String>) {
    let world = World::new().await;
    let mut sql = world.app.sql().await;
    attempts::prepare(&mut sql).await;
    let blocks = written();
    let mut by_table: BTreeMap<&str, Vec<&Block>> = BTreeMap::new();
    for block in &blocks {
        by_table.entry(&block.table).or_default().push(block);
    }
    let everybody = principals(&world);
    let all = mutations(&mut sql, query).await;
    let mut unnoticed = Vec::new();
    for (table, role, statement) in &all {
        // Whose role the change is about; the last of them first, as the others are often let in anyway.
        let people: Vec<&Principal> = everybody.iter().rev().filter(|who| who.role == *role).collect();
        let mut tx = sql.begin().await.unwrap();
        tx.execute(statement.as_str()).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
        if !notices(&mut tx, &world, &by_table[table.as_str()], &people).await {
            unnoticed.push(statement.clone());
        }
        tx.rollback().await.unwrap();
    }
    sql.close().await.unwrap();
    world.end().await;
    unnoticed.retain(|statement| !EXCUSED.iter().any(|(known, _)| known == statement));
    (all.len(), unnoticed)
}

#[tokio::test]
async fn no_policy_can_be_dropped_or_widened_unnoticed() {
    let (tried, unnoticed) = survivors(POLICIES).await;
    assert!(tried > 80, "only {tried} changes were tried");
    assert!(unnoticed.is_empty(), "tables.txt does not notice {unnoticed:#?}");
}

#[tokio::test]
async fn no_right_can_be_taken_or_given_unnoticed() {
    let (tried, unnoticed) = survivors(RIGHTS).await;
    assert!(tried > 300, "only {tried} changes were tried");
    assert!(unnoticed.is_empty(), "tables.txt does not notice {unnoticed:#?}");
}
