//! Every function of ours: as whom it runs and who may call it, against `functions.txt`. Those that run as somebody else
//! are doors in the wall.

use std::collections::BTreeSet;

use sqlx::Connection;

use crate::helpers::cluster::{Database, TEMPLATE};

const WRITTEN: &str = include_str!("functions.txt");

/// Functions of extensions are not ours.
const FUNCTIONS: &str = "
select format('%s %s %s', replace(p.oid::regprocedure::text, ', ', ','),
              case when p.prosecdef then p.proowner::regrole::text else 'caller' end,
              case when p.prorettype = 'trigger'::regtype then 'trigger'
                   else coalesce(nullif(concat_ws(',', variadic array(
                       select replace(r.rolname::text, 'jetbridge_', '') from pg_roles r
                        where r.rolname ~ '^jetbridge_' and has_function_privilege(r.oid, p.oid, 'execute')
                          and has_schema_privilege(r.oid, p.pronamespace, 'usage') order by 1)), ''), 'none') end)
  from pg_proc p
 where p.pronamespace::regnamespace::text !~ '^(pg_|information_schema)'
   and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e') order by 1";

#[tokio::test]
async fn every_function_runs_as_and_for_whom_is_written() {
    let found: BTreeSet<String> = asked(FUNCTIONS).await.into_iter().collect();
    let written: BTreeSet<String> = WRITTEN
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    let missing: Vec<_> = found.difference(&written).collect();
    let gone: Vec<_> = written.difference(&found).collect();
    assert!(
        missing.is_empty() && gone.is_empty(),
        "tests/it/isolation/functions.txt should say {missing:#?} and not {gone:#?}"
    );
}

#[tokio::test]
async fn a_function_that_runs_as_another_names_its_schemas_and_is_no_superusers() {
    let loose = asked(
        "select p.oid::regprocedure::text from pg_proc p join pg_roles r on r.oid = p.proowner
          where p.prosecdef and p.pronamespace::regnamespace::text !~ '^(pg_|information_schema)'
            and (r.rolsuper or r.rolbypassrls or r.rolname !~ '^jetbridge_'
                 or not exists (select from unnest(p.proconfig) as setting where setting like 'search_path=pg_catalog,%, pg_temp'))",
    )
    .await;
    assert_eq!(loose, Vec::<String>::new());
}

/// What a session makes for itself is searched first: without temporary tables there is nothing to slip under a definer.
/// Asked of the database that was migrated: a copy of it does not inherit who may do what with the whole.
#[tokio::test]
async fn nobody_makes_temporary_tables() {
    let able = asked(&format!(
        "select r.rolname::text from pg_roles r, pg_database d
          where r.rolname ~ '^jetbridge_' and d.datname = '{TEMPLATE}'
            and has_database_privilege(r.oid, d.oid, 'temporary')"
    ))
    .await;
    assert_eq!(able, Vec::<String>::new());
}

async fn asked(query: &str) -> Vec<String> {
    let database = Database::fresh().await;
    let mut sql = database.superuser().await;
    let answer = sqlx::query_scalar(query).fetch_all(&mut sql).await.unwrap();
    sql.close().await.unwrap();
    database.drop().await;
    answer
}
