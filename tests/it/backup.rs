//! Backup and restore as DEPLOYMENT.md tells them, rehearsed: its own SQL and its own commands, from one PostgreSQL to another
//! that has never heard of Jetbridge, and the site goes on there.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use jetbridge::{
    db::Db,
    embedded::{Cluster, ClusterSettings, Profile},
};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use crate::helpers::{
    app::{ALICE, BOB, PASSWORD, TestApp},
    site::{KEY, Site, browser},
};

const BACKUP_ROLE: &str = "rehearsed_backup";

/// What stands in DEPLOYMENT.md under this mark.
fn told(mark: &str) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("DEPLOYMENT.md")).unwrap();
    let after = text.split(&format!("<!-- rehearsed: {mark} -->")).nth(1).unwrap_or_else(|| panic!("{mark}"));
    let block = after.split("```").nth(1).unwrap();
    block.split_once('\n').unwrap().1.to_owned()
}

/// The options of the one line that begins with this program.
fn options_of(program: &str) -> Vec<String> {
    let commands = told("backup-commands");
    let line = commands.lines().find(|line| line.starts_with(program)).unwrap();
    let options = line.split(' ').skip(1).filter(|word| word.starts_with("--"));
    // Files and addresses are this test's own.
    options
        .filter(|word| !word.starts_with("--file") && !word.starts_with("--dbname"))
        .map(str::to_owned)
        .collect()
}

async fn run(at: &PgConnectOptions, statements: &str) {
    let mut sql = PgConnection::connect_with(at).await.unwrap();
    sqlx::raw_sql(statements).execute(&mut sql).await.unwrap_or_else(|error| panic!("{statements}: {error}"));
    sql.close().await.unwrap();
}

/// The same version as the servers: an older one refuses to read them.
fn pg_program(name: &str) -> PathBuf {
    let told = std::env::var_os("PG_BIN_DIR").map(PathBuf::from);
    let mut dirs: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.flatten().map(|version| version.path().join("bin")).collect())
        .unwrap_or_default();
    dirs.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let all = told.into_iter().chain(dirs.into_iter().rev()).chain(std::env::split_paths(&path));
    all.map(|dir| dir.join(name)).find(|program| program.is_file()).unwrap_or_else(|| panic!("no {name}"))
}

/// As superuser, whom the sockets of these clusters let in; `--role` makes it whoever it is to be.
fn pg(name: &str, at: &PgConnectOptions, arguments: &[String]) {
    let mut command = Command::new(pg_program(name));
    command.arg("--host").arg(at.get_socket().unwrap()).arg("--port").arg(at.get_port().to_string());
    command.args(["--username", at.get_username(), "--dbname", at.get_database().unwrap()]).args(arguments);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
}

/// Everything that makes the database what it is: each row, and who may do what with it.
async fn likeness(at: &PgConnectOptions) -> Vec<String> {
    let mut sql = PgConnection::connect_with(at).await.unwrap();
    let ours = "n.nspname !~ '^(pg_|information_schema)'";
    let tables: Vec<String> = sqlx::query_scalar(&format!(
        "select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where c.relkind = 'r' and {ours} order by 1"
    ))
    .fetch_all(&mut sql)
    .await
    .unwrap();
    assert!(tables.len() > 30, "{tables:?}");
    let mut all = Vec::new();
    for table in tables {
        let rows: String = sqlx::query_scalar(&format!(
            "select format('{table} %s %s', count(*), md5(string_agg(t::text, '|' order by t::text))) from {table} t"
        ))
        .fetch_one(&mut sql)
        .await
        .unwrap();
        all.push(rows);
    }
    let sorted = |list: &str| format!("array(select unnest({list})::text order by 1)");
    for query in [
        format!(
            "select format('%s %s %s force=%s owner=%s %s %s', c.relkind, c.oid::regclass, c.relrowsecurity, c.relforcerowsecurity,
                           c.relowner::regrole, {}, obj_description(c.oid))
               from pg_class c join pg_namespace n on n.oid = c.relnamespace where {ours}",
            sorted("c.relacl")
        ),
        format!(
            "select format('%s.%s %s %s %s', a.attrelid::regclass, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, {})
               from pg_attribute a join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
              where a.attnum > 0 and not a.attisdropped and c.relkind = 'r' and {ours}",
            sorted("a.attacl")
        ),
        "select pg_policies::text from pg_policies".to_owned(),
        format!(
            "select format('%s owner=%s definer=%s %s %s %s', p.oid::regprocedure, p.proowner::regrole, p.prosecdef, p.proconfig, {}, md5(p.prosrc))
               from pg_proc p join pg_namespace n on n.oid = p.pronamespace where {ours}",
            sorted("p.proacl")
        ),
        "select format('%s %s', tgenabled, pg_get_triggerdef(oid)) from pg_trigger where not tgisinternal".to_owned(),
        // Written again, "between" has fewer brackets.
        format!("select translate(format('%s %s', c.conrelid::regclass, pg_get_constraintdef(c.oid)), '()', '') from pg_constraint c join pg_namespace n on n.oid = c.connamespace where {ours}"),
        "select indexdef from pg_indexes where schemaname !~ '^pg_'".to_owned(),
        "select format('%s.%s %s', schemaname, sequencename, last_value) from pg_sequences".to_owned(),
        format!("select format('%s owner=%s %s', n.nspname, n.nspowner::regrole, {}) from pg_namespace n where {ours}", sorted("n.nspacl")),
    ] {
        let mut found: Vec<String> = sqlx::query_scalar(&query).fetch_all(&mut sql).await.unwrap();
        assert!(!found.is_empty(), "{query}");
        found.sort();
        all.append(&mut found);
    }
    sql.close().await.unwrap();
    all
}

#[tokio::test]
async fn a_backup_comes_back_on_another_server_with_every_row_and_every_lock_and_the_site_goes_on() {
    let app = TestApp::start_with(&[("ENCRYPTION_KEYS", KEY)]).await;
    let (alice, bob, _carol) = (app.alice().await, app.bob().await, app.carol().await);
    let alices = app.confirmed(&alice).await;
    let bobs = app.draft(&bob).await;
    let old = app.superuser_options();
    // Roles are the whole server's, and other tests of this server count those of ours.
    run(&old, &told("backup-role").replace("jetbridge_backup", BACKUP_ROLE)).await;
    let dump = std::env::temp_dir().join(format!("jetbridge-backup-{}.dump", std::process::id()));
    let mut arguments = options_of("pg_dump");
    arguments.extend([format!("--role={BACKUP_ROLE}"), format!("--file={}", dump.display())]);
    pg("pg_dump", &old, &arguments);

    let settings = ClusterSettings {
        dir: std::env::temp_dir().join(format!("jetbridge-restored-{}", std::process::id())),
        bin_dir: std::env::var_os("PG_BIN_DIR").map(Into::into),
        profile: Profile::Throwaway,
    };
    let server = Cluster::start(&settings).await.unwrap();
    // As the paper has it, but for the login and its database, which a cluster of ours has already.
    let roles = told("restore-roles");
    let roles = roles
        .lines()
        .filter(|line| !line.contains("create role jetbridge login") && !line.contains("create database"));
    run(&server.superuser_options("postgres"), &roles.collect::<Vec<_>>().join("\n")).await;
    server.create_database("jetbridge", None).await.unwrap();
    let new = server.superuser_options("jetbridge");
    let mut arguments = options_of("pg_restore");
    arguments.push(dump.display().to_string());
    pg("pg_restore", &new, &arguments);
    fs::remove_file(&dump).unwrap();

    let (before, after) = (likeness(&old).await, likeness(&new).await);
    let lost: Vec<&String> = before.iter().filter(|line| !after.contains(line)).collect();
    let added: Vec<&String> = after.iter().filter(|line| !before.contains(line)).collect();
    assert!(lost.is_empty() && added.is_empty(), "lost {lost:#?}\nadded {added:#?}");

    let db = Db::connect(server.options("jetbridge"), 2).await.unwrap();
    assert!(db.is_migrated().await.unwrap());
    let rights = db.login_rights().await.unwrap();
    assert!(rights.can_switch && !rights.bypasses_rls);
    db.close().await;
    let site = Site::on(server.options("jetbridge")).await;
    site.holds().await;
    let process = site.start().await;
    for (email, own, foreign) in [(ALICE, &alices, &bobs), (BOB, &bobs, &alices)] {
        let visitor = browser(&process.url());
        // From elsewhere: the test before was another time of day, and its limits would count.
        visitor.set_header("x-forwarded-for", "203.0.113.9");
        visitor.post_form("/login", &[("email", email), ("password", PASSWORD)]).await.redirect();
        visitor.get(&format!("/bookings/{own}")).await.expect(200).says(own);
        visitor.get(&format!("/bookings/{foreign}")).await.expect(404);
    }
    process.end().await;
    server.stop();
    app.finish().await;
}
