//! The database: whether it answers, who we are there, whether rows are kept apart, and what is in it.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::{Patient, Report, settings, store};
use crate::{
    config::Config,
    db::{self, Db, Migrations, Server},
    launch::{Database, LaunchError},
    vault::{Vault, VaultError},
};

const PATIENCE: Duration = Duration::from_secs(8);
/// A private PostgreSQL may have to be started first.
const PATIENCE_OF_A_DEMO: Duration = Duration::from_secs(30);
/// PostgreSQL 15.
const OLDEST: i32 = 150_000;
/// Connections that PostgreSQL keeps for superusers, and one or two for a person with psql.
const RESERVED: u32 = 5;

pub(super) async fn examine(patient: &Patient) -> Report {
    let mut report = Report::default();
    let config = &patient.config;
    if !patient.understands(&["DATABASE_URL", "DATABASE_MAX_CONNECTIONS", "PG_BIN_DIR"]) {
        return report;
    }
    if patient.is_demo() && config.database.url.is_none() && !config.data_dir.join("postgres").exists() {
        report.ok("database", "a private PostgreSQL, made by the first start");
        return report;
    }
    let patience = if patient.is_demo() { PATIENCE_OF_A_DEMO } else { PATIENCE };
    let fix = "see that PostgreSQL runs and can be reached from here, and that DATABASE_URL names host, port, database, \
               user and password";
    let database = match tokio::time::timeout(patience, open(config)).await {
        Ok(Ok(database)) => database,
        Ok(Err(error)) => {
            report.broken("database", without_secret(patient, &told(&error)), fix);
            return report;
        }
        Err(_) => {
            report.broken("database", format!("no answer within {} s", patience.as_secs()), fix);
            return report;
        }
    };
    match tokio::time::timeout(PATIENCE, look(patient, &database.db, &mut report)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => report.broken("database", without_secret(patient, &told(&error)), fix),
        Err(_) => report.broken("database", "answers too slowly to be looked at", fix),
    }
    database.close().await;
    report
}

async fn open(config: &Config) -> Result<Database, LaunchError> {
    if let Some(url) = &config.database.url {
        db::reach(&url.expose_secret().parse()?).await?;
    }
    Database::open(config).await
}

async fn look(patient: &Patient, db: &Db, report: &mut Report) -> Result<(), sqlx::Error> {
    let server = db.server().await?;
    let ours = patient.clock.now();
    the_server(patient, &server, report);
    report.clocks("clock (database)", "the database", ours, server.now);
    let migrations = db.migrations().await?;
    the_login(db, &server, migrations.is_none(), report).await?;
    let is_complete = the_migrations(migrations, report);
    let naked = db.unguarded_tables().await?;
    if naked.is_empty() {
        report.ok("row-level security", "enabled and forced on every table");
    } else {
        let found = format!("not enabled and forced on {}", naked.join(", "));
        let fix = "for each: alter table … enable row level security; alter table … force row level security; and find \
                   out who changed it";
        report.broken("row-level security", found, fix);
    }
    if is_complete {
        the_keys(patient, db, report).await?;
        the_owner(db, report).await?;
    }
    Ok(())
}

fn the_server(patient: &Patient, server: &Server, report: &mut Report) {
    let name = format!("PostgreSQL {}.{}", server.version / 10_000, server.version % 10_000);
    if server.version < OLDEST {
        report.broken("database", format!("{name} is too old"), "use PostgreSQL 15 or newer");
    } else {
        report.ok("database", format!("{name} answers"));
    }
    let most = patient.config.database.max_connections;
    let there = u32::try_from(server.max_connections).unwrap_or_default();
    if most + 1 + RESERVED > there {
        let found = format!("one process may take {} of the {there} connections", most + 1);
        let fix = "lower DATABASE_MAX_CONNECTIONS, or raise max_connections there";
        report.warn("database connections", found, fix);
    } else {
        report.ok("database connections", format!("{} of {there} for one process", most + 1));
    }
}

async fn the_login(db: &Db, server: &Server, is_empty: bool, report: &mut Report) -> Result<(), sqlx::Error> {
    let unfit = db.unfit_roles().await?;
    if is_empty && unfit.iter().any(|role| !role.exists) {
        if server.may_create_roles && server.has_citext {
            report.ok(
                "database login",
                format!("{} may make the roles that the first migration makes", server.login),
            );
        } else if server.has_citext {
            let fix = format!(
                "alter role {} createrole; for the first migration, and take it back after",
                server.login
            );
            report.broken("database login", format!("{} may not make roles", server.login), fix);
        } else {
            let fix = "install PostgreSQL's contrib package there";
            report.broken("database login", "the extension citext cannot be had", fix);
        }
        return Ok(());
    }
    for role in &unfit {
        let (found, fix) = if !role.exists {
            (
                format!("{} does not exist", role.name),
                "run jetbridge migrate as a login with createrole".to_owned(),
            )
        } else if role.bypasses_rls {
            let fix = format!("alter role {} nosuperuser nobypassrls", role.name);
            (format!("{} bypasses row-level security: nothing keeps travellers apart", role.name), fix)
        } else {
            let fix = format!("as superuser: grant {} to {}", role.name, server.login);
            (format!("{} may not become {}", server.login, role.name), fix)
        };
        report.broken("database login", found, fix);
    }
    if unfit.is_empty() && server.bypasses_rls {
        let found =
            format!("{} is above row-level security; each transaction gives that up first", server.login);
        report.warn("database login", found, "make a login of its own (DEPLOYMENT.md, The database's login)");
    } else if unfit.is_empty() {
        report.ok("database login", format!("{} becomes all four roles and is above none", server.login));
    }
    Ok(())
}

/// Whether all of ours have run, so that what they made can be asked for.
fn the_migrations(migrations: Option<Migrations>, report: &mut Report) -> bool {
    let check = "migrations";
    let Some(found) = migrations else {
        let fix = "jetbridge migrate, or start: serve does it first";
        report.warn(check, "none has run: the database is empty", fix);
        return false;
    };
    let list = |versions: &[i64]| versions.iter().map(|v| format!("{v:04}")).collect::<Vec<_>>().join(", ");
    let Migrations { pending, failed, altered, unknown } = &found;
    if !failed.is_empty() {
        let fix = "restore the backup of before, or mend what it left half done, and remove its row from _sqlx_migrations";
        report.broken(check, format!("{} began and did not end", list(failed)), fix);
    }
    if !altered.is_empty() {
        let fix = "run the version of Jetbridge that made this database, or one built from its unchanged migrations";
        report.broken(check, format!("{} ran here in another wording", list(altered)), fix);
    }
    if !unknown.is_empty() {
        let fix = "after a roll back this is expected; otherwise start the newer version";
        report.warn(check, format!("{} came with a newer version", list(unknown)), fix);
    }
    if !pending.is_empty() {
        let fix = "jetbridge migrate, or start: serve does it first";
        report.warn(check, format!("{} have not run", list(pending)), fix);
    }
    if found == Migrations::default() {
        report.ok(check, "all have run");
    }
    pending.is_empty() && failed.is_empty()
}

async fn the_keys(patient: &Patient, db: &Db, report: &mut Report) -> Result<(), sqlx::Error> {
    if !patient.understands(&["ENCRYPTION_KEYS"]) {
        return Ok(());
    }
    let Some(vault) = settings::keys(&patient.config).and_then(|keys| Vault::new(&keys).ok()) else {
        report.ok("encryption keys", "made by the first start");
        return Ok(());
    };
    let mut opened = 0;
    let mut shut = 0;
    for (what, sample) in store::samples(db).await? {
        let Err(error) = vault.open(&sample.purpose, &sample.sealed) else {
            opened += sample.rows;
            continue;
        };
        shut += 1;
        let (found, fix) = match error {
            VaultError::UnknownKey => (
                format!("{} {what} are sealed with key {}, which is not here", sample.rows, sample.key),
                format!("put key {} back at the end of ENCRYPTION_KEYS", sample.key),
            ),
            VaultError::Broken => (
                format!("key {} does not open what a key of this name has sealed ({what})", sample.key),
                "its bytes are another key's: put the right ones back, they are with the backups".to_owned(),
            ),
        };
        report.broken("encryption keys", found, fix);
    }
    if shut == 0 {
        report.ok("encryption keys", format!("{} seals; {opened} sealed rows can be opened", vault.newest()));
    }
    Ok(())
}

async fn the_owner(db: &Db, report: &mut Report) -> Result<(), sqlx::Error> {
    match store::owners(db).await? {
        0 => report.warn(
            "staff",
            "nobody is owner: nobody can make others staff",
            "jetbridge create-staff --email you@example.com --role owner",
        ),
        owners => report.ok("staff", format!("owners: {owners}")),
    }
    Ok(())
}

fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let line = source.to_string();
        if !text.ends_with(&line) {
            text = format!("{text}: {line}");
        }
        next = source.source();
    }
    text
}

/// A driver may repeat what it was given.
fn without_secret(patient: &Patient, text: &str) -> String {
    let Some(url) = &patient.config.database.url else { return text.to_owned() };
    let password = url::Url::parse(url.expose_secret()).ok();
    let password = password.as_ref().and_then(url::Url::password).filter(|password| !password.is_empty());
    let text = text.replace(url.expose_secret(), "DATABASE_URL");
    password.map_or(text.clone(), |password| text.replace(password, "…"))
}
