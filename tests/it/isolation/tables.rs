//! Every table × every principal × select, insert, update of each column, delete: against `tables.txt`.

use std::{collections::BTreeSet, fmt::Write};

use sqlx::{Connection, PgConnection, Row};

use super::{
    attempts::{self, Attempt, Outcome, Principal, Rows, principals, try_all},
    world::World,
};
use crate::helpers::cluster::Database;

const WRITTEN: &str = include_str!("tables.txt");
/// Nobody of their role can do more: for them every column is told.
const OWNERS: [&str; 2] = ["carol", "system"];
const HEADING: &str = "  who        select  insert  update  delete";

/// A table, which of its rows stand for alice, and what is written about them.
pub struct Block {
    pub table: String,
    pub hers: String,
    pub lines: Vec<String>,
}

pub fn written() -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for line in WRITTEN.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')) {
        if line.starts_with(' ') {
            blocks.last_mut().expect("a table before its lines").lines.push(line.to_owned());
        } else {
            let (table, hers) = line.split_once(" where ").unwrap_or_else(|| panic!("no 'where': {line}"));
            blocks.push(Block { table: table.to_owned(), hers: hers.to_owned(), lines: Vec::new() });
        }
    }
    blocks
}

struct Column {
    name: String,
    /// Its value in alice's row, as SQL.
    value: String,
    /// Not one that PostgreSQL alone fills.
    is_ours: bool,
    /// Roles that may name it in an insert.
    insert: Vec<String>,
    select: Vec<String>,
}

/// A table as the attempts need to know it.
pub struct Subject {
    rows: Rows,
    columns: Vec<Column>,
}

impl Subject {
    pub async fn find(sql: &mut PgConnection, world: &World, block: &Block) -> Self {
        let (table, hers) = (&block.table, world.named(&block.hers));
        let at: String = sqlx::query_scalar(&format!(
            "select coalesce(array_agg(ctid), '{{}}')::text from {table} where {hers}"
        ))
        .fetch_one(&mut *sql)
        .await
        .unwrap_or_else(|error| panic!("{table} where {hers}: {error}"));
        assert_ne!(at, "{}", "no row of {table} is alice's ({hers}): make one in isolation/world.rs");
        let found = sqlx::query(
            "select a.attname::text, format_type(a.atttypid, a.atttypmod),
                    array(select r.rolname::text from pg_roles r where r.rolname ~ '^jetbridge_'
                             and has_column_privilege(r.oid, a.attrelid, a.attnum, 'insert')),
                    array(select r.rolname::text from pg_roles r where r.rolname ~ '^jetbridge_'
                             and has_column_privilege(r.oid, a.attrelid, a.attnum, 'select')),
                    a.attidentity <> 'a' and a.attgenerated = ''
               from pg_attribute a where a.attrelid = $1::text::regclass and a.attnum > 0 and not a.attisdropped
              order by a.attnum",
        )
        .bind(table)
        .fetch_all(&mut *sql)
        .await
        .expect("columns");
        let casts: Vec<String> =
            found.iter().map(|row| format!("quote_nullable({}::text)", row.get::<String, _>(0))).collect();
        let values = format!("select array[{}] from {table} where {hers} limit 1", casts.join(", "));
        let values: Vec<String> = sqlx::query_scalar(&values).fetch_one(&mut *sql).await.expect("values");
        let columns = found
            .iter()
            .zip(values)
            .map(|(row, value)| Column {
                name: row.get(0),
                value: format!("{value}::{}", row.get::<String, _>(1)),
                insert: row.get(2),
                select: row.get(3),
                is_ours: row.get(4),
            })
            .collect();
        Self { rows: Rows { table: table.clone(), at }, columns }
    }

    /// Columns that a statement may write at all.
    fn ours(&self) -> Vec<&Column> {
        self.columns.iter().filter(|column| column.is_ours).collect()
    }

    fn insert(&self, columns: &[&Column]) -> String {
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let values: Vec<&str> = columns.iter().map(|column| column.value.as_str()).collect();
        format!("insert into {} ({}) values ({})", self.rows.table, names.join(", "), values.join(", "))
    }

    fn where_hers(&self) -> String {
        format!("where ctid = any('{}')", self.rows.at)
    }

    pub async fn observe(&self, sql: &mut PgConnection, principal: &Principal) -> Vec<String> {
        let select = self.select(sql, principal).await;
        let insert = self.inserts(sql, principal).await;
        let (update, delete) = self.changes(sql, principal).await;
        let mut cells = [("select", select), ("insert", insert), ("update", update), ("delete", delete)];
        if !OWNERS.contains(&principal.name) {
            cells = cells.map(|(operation, cell)| (operation, cell.summed_up()));
        }
        let words: String = cells.iter().map(|(_, cell)| format!("{:<8}", cell.word())).collect();
        let mut lines = vec![format!("  {:<11}{words}", principal.name).trim_end().to_owned()];
        for (operation, cell) in &cells {
            lines.extend(cell.details(operation));
        }
        lines
    }

    async fn select(&self, sql: &mut PgConnection, principal: &Principal) -> Cell {
        let role = principal.role.to_owned();
        let read = |column: &str| Attempt::plain(format!("select {column} from {} limit 0", self.rows.table));
        let mut attempts: Vec<Attempt> = self.columns.iter().map(|column| read(&column.name)).collect();
        attempts.push(Attempt {
            statement: format!("select 1 from {} {}", self.rows.table, self.where_hers()),
            triggers: true,
            lend: true,
        });
        let mut outcomes = try_all(sql, principal, &self.rows, &attempts).await;
        let visible = outcomes.pop() == Some(Outcome::Done);
        let verdicts = self.columns.iter().zip(outcomes).map(|(column, outcome)| {
            let may = outcome != Outcome::NoRight;
            let schema_is_shut = !may && column.select.contains(&role);
            assert!(
                may == column.select.contains(&role) || schema_is_shut,
                "{}.{}",
                self.rows.table,
                column.name
            );
            match (may, visible) {
                (false, _) => Verdict::No,
                (true, false) => Verdict::None,
                (true, true) => Verdict::Yes,
            }
        });
        Cell::of(&self.columns.iter().collect::<Vec<_>>(), verdicts.collect())
    }

    async fn inserts(&self, sql: &mut PgConnection, principal: &Principal) -> Cell {
        let role = principal.role.to_owned();
        let all = self.ours();
        let granted: Vec<&Column> =
            all.iter().copied().filter(|column| column.insert.contains(&role)).collect();
        let attempt = |columns: &[&Column], triggers| Attempt {
            statement: self.insert(columns),
            triggers,
            lend: false,
        };
        let mut attempts = vec![attempt(&all, false), attempt(&all, true)];
        let is_partial = !granted.is_empty() && granted.len() < all.len();
        if is_partial {
            attempts.extend([attempt(&granted, false), attempt(&granted, true)]);
        }
        let outcomes = try_all(sql, principal, &self.rows, &attempts).await;
        if !is_partial {
            return Cell::whole(insert_verdict(outcomes[0], outcomes[1]));
        }
        assert_eq!(outcomes[0], Outcome::NoRight, "{} takes the whole row", self.rows.table);
        let verdict = insert_verdict(outcomes[2], outcomes[3]);
        let each = all.iter().map(|column| if column.insert.contains(&role) { verdict } else { Verdict::No });
        Cell::of(&all, each.collect())
    }

    /// Update of each column and delete: first blunt, at every row and reading none, as somebody would whom only the
    /// policy for writing stops; then at alice's rows; then with triggers and foreign keys.
    async fn changes(&self, sql: &mut PgConnection, principal: &Principal) -> (Cell, Cell) {
        let (table, columns) = (&self.rows.table, self.ours());
        let blunt =
            columns.iter().map(|column| format!("update {table} set {} = {}", column.name, column.value));
        let aimed = columns.iter().map(|Column { name, .. }| format!("update {table} set {name} = {name}"));
        let mut statements: Vec<(String, String)> = blunt.zip(aimed).collect();
        statements.push((format!("delete from {table}"), format!("delete from {table}")));
        let attempts: Vec<Attempt> = statements
            .into_iter()
            .flat_map(|(blunt, aimed)| {
                let aimed = format!("{aimed} {}", self.where_hers());
                [
                    Attempt { statement: blunt, triggers: false, lend: false },
                    Attempt { statement: aimed.clone(), triggers: false, lend: true },
                    Attempt { statement: aimed, triggers: true, lend: true },
                ]
            })
            .collect();
        let outcomes = try_all(sql, principal, &self.rows, &attempts).await;
        let mut verdicts: Vec<Verdict> =
            outcomes.chunks(3).map(|three| change_verdict(three[0], three[1], three[2])).collect();
        let delete = verdicts.pop().expect("the delete");
        (Cell::of(&columns, verdicts), Cell::whole(delete))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Yes,
    None,
    No,
    Guard,
}

impl Verdict {
    const fn word(self) -> &'static str {
        match self {
            Self::Yes => "yes",
            Self::None => "none",
            Self::No => "no",
            Self::Guard => "guard",
        }
    }
}

fn insert_verdict(unguarded: Outcome, guarded: Outcome) -> Verdict {
    match (unguarded, guarded) {
        (Outcome::NoRight, _) => Verdict::No,
        (Outcome::NotHers, _) => Verdict::None,
        (_, Outcome::Done | Outcome::Twin) => Verdict::Yes,
        _ => Verdict::Guard,
    }
}

fn change_verdict(blunt: Outcome, aimed: Outcome, guarded: Outcome) -> Verdict {
    match (blunt, aimed, guarded) {
        (Outcome::NoRight, ..) => Verdict::No,
        (Outcome::NotHers | Outcome::Twin | Outcome::Refused, Outcome::NotHers, _) => Verdict::None,
        (.., Outcome::Done) => Verdict::Yes,
        _ => Verdict::Guard,
    }
}

/// One operation of one principal: the same for the whole row, or told column by column.
struct Cell(Vec<(Verdict, Vec<String>)>);

impl Cell {
    fn whole(verdict: Verdict) -> Self {
        Self(vec![(verdict, Vec::new())])
    }

    fn of(columns: &[&Column], verdicts: Vec<Verdict>) -> Self {
        let mut groups: Vec<(Verdict, Vec<String>)> = Vec::new();
        for (column, verdict) in columns.iter().zip(verdicts) {
            match groups.iter_mut().find(|(known, _)| *known == verdict) {
                Some((_, names)) => names.push(column.name.clone()),
                None => groups.push((verdict, vec![column.name.clone()])),
            }
        }
        Self(groups)
    }

    fn word(&self) -> &'static str {
        match self.0.as_slice() {
            [(verdict, _)] => verdict.word(),
            _ => "some",
        }
    }

    /// For those who can do nothing with the row: which columns their role may name is told where somebody can.
    fn summed_up(self) -> Self {
        let is_nothing = self.0.iter().all(|(verdict, _)| matches!(verdict, Verdict::No | Verdict::None));
        if is_nothing && self.0.len() > 1 { Self::whole(Verdict::None) } else { self }
    }

    /// Of an operation that is not the same for all columns: those that are not simply refused.
    fn details(&self, operation: &str) -> Vec<String> {
        if self.0.len() < 2 {
            return Vec::new();
        }
        let told = self.0.iter().filter(|(verdict, _)| *verdict != Verdict::No);
        told.map(|(verdict, columns)| {
            format!("             {operation} {}: {}", verdict.word(), columns.join(", "))
        })
        .collect()
    }
}

/// What PostgreSQL does with a block's table, in the words of the file.
pub async fn observed(sql: &mut PgConnection, world: &World, block: &Block) -> Vec<String> {
    let subject = Subject::find(sql, world, block).await;
    let mut lines = vec![HEADING.to_owned()];
    for principal in principals(world) {
        lines.extend(subject.observe(sql, &principal).await);
    }
    lines
}

/// The file as it would have to be, comments and all.
fn rewritten(blocks: &[(String, Vec<String>)]) -> String {
    let mut text = String::new();
    let mut blocks = blocks.iter();
    for line in WRITTEN.lines().filter(|line| !line.starts_with(' ')) {
        let _ = writeln!(text, "{line}");
        if line.contains(" where ") && !line.starts_with('#') {
            for line in &blocks.next().expect("one for each heading").1 {
                let _ = writeln!(text, "{line}");
            }
        }
    }
    text
}

#[tokio::test]
async fn every_table_is_to_everybody_what_is_written() {
    let world = World::new().await;
    let mut sql = world.app.sql().await;
    attempts::prepare(&mut sql).await;
    let blocks = written();

    let tables: BTreeSet<String> = sqlx::query_scalar(
        "select format('%s.%s', c.relnamespace::regnamespace, c.relname) from pg_class c
          where c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'",
    )
    .fetch_all(&mut sql)
    .await
    .unwrap()
    .into_iter()
    .collect();
    let known: BTreeSet<String> = blocks.iter().map(|block| block.table.clone()).collect();
    let missing: Vec<_> = tables.difference(&known).collect();
    assert!(
        missing.is_empty(),
        "tests/it/isolation/tables.txt says nothing about {missing:#?}: add a line 'schema.table where …' that picks a \
         row of alice's (made in isolation/world.rs), and under it who may do what with that row"
    );
    let gone: Vec<_> = known.difference(&tables).collect();
    assert!(gone.is_empty(), "tests/it/isolation/tables.txt speaks of tables that are no more: {gone:#?}");

    let mut seen = Vec::new();
    let mut faults = String::new();
    for block in &blocks {
        let lines = observed(&mut sql, &world, block).await;
        if lines != block.lines {
            let _ = writeln!(faults, "{} where {}", block.table, block.hers);
            for line in block.lines.iter().filter(|line| !lines.contains(line)) {
                let _ = writeln!(faults, "- {line}");
            }
            for line in lines.iter().filter(|line| !block.lines.contains(line)) {
                let _ = writeln!(faults, "+ {line}");
            }
        }
        seen.push((block.table.clone(), lines));
    }
    if std::env::var_os("WRITE_ISOLATION").is_some() {
        std::fs::write("tests/it/isolation/tables.txt", rewritten(&seen)).unwrap();
    }
    assert!(
        faults.is_empty(),
        "what is written (-) is not what PostgreSQL does (+). If the database is right, run this test once with \
         WRITE_ISOLATION=1 in the environment, and read the difference as a reviewer would.\n{faults}"
    );
    sql.close().await.unwrap();
    world.end().await;
}

#[tokio::test]
async fn nobody_truncates_refers_to_or_hangs_triggers_on_a_table() {
    let database = Database::fresh().await;
    let mut sql = database.superuser().await;
    let rights: Vec<String> = sqlx::query_scalar(
        "select format('%s %s %s', r.rolname, p, c.oid::regclass) from pg_class c, pg_roles r,
                unnest(array['truncate', 'references', 'trigger']) as p
          where r.rolname ~ '^jetbridge_' and c.relkind in ('r', 'p', 'v', 'm')
            and c.relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
            and has_table_privilege(r.oid, c.oid, p)",
    )
    .fetch_all(&mut sql)
    .await
    .unwrap();
    assert_eq!(rights, Vec::<String>::new());
    attempts::prepare(&mut sql).await;
    for Block { table, .. } in written() {
        let rows = Rows { table: table.clone(), at: "{}".to_owned() };
        let truncate =
            Attempt { statement: format!("truncate {table} cascade"), triggers: false, lend: false };
        for role in ["jetbridge_guest", "jetbridge_traveller", "jetbridge_staff", "jetbridge_system"] {
            let principal = Principal { name: role, role, user: None, link: None };
            let outcome = try_all(&mut sql, &principal, &rows, std::slice::from_ref(&truncate)).await;
            assert_eq!(outcome, [Outcome::NoRight], "{role} truncates {table}");
        }
    }
    sql.close().await.unwrap();
    database.drop().await;
}
