//! One set of migrations, two databases, one `src/schema.rs`: the diesel CLI migrates a fresh database of each kind
//! back and forth, and what it prints must be the schema that the code is compiled against.

#[path = "support/cluster.rs"]
mod cluster;

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use cluster::{Cluster, newest_server};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::sql_types::Text;
use tempfile::TempDir;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn sqlite_migrates_back_and_forth_and_prints_the_schema_of_the_code() -> Outcome {
    migrates_back_and_forth(&Scratch::sqlite()?)
}

#[test]
fn postgresql_migrates_back_and_forth_and_prints_the_schema_of_the_code() -> Outcome {
    migrates_back_and_forth(&Scratch::postgres()?)
}

#[test]
fn both_databases_end_with_the_same_tables_and_indexes() -> Outcome {
    let (sqlite, postgres) = (Scratch::sqlite()?, Scratch::postgres()?);
    for scratch in [&sqlite, &postgres] {
        diesel_cli(scratch, &["migration", "run"])?;
    }
    let objects = sqlite.objects()?;
    assert!(objects.contains("customers") && objects.contains("customers_slug_key"), "{objects:?}");
    assert_eq!(objects, postgres.objects()?);
    Ok(())
}

#[test]
fn the_binary_and_the_diesel_cli_know_the_same_migrations() -> Outcome {
    for scratch in [Scratch::sqlite()?, Scratch::postgres()?] {
        diesel_cli(&scratch, &["migration", "run"])?;
        assert_eq!(clientele(&scratch, &["migrate", "run"])?, "nothing to apply\n");
        for _ in migrations()? {
            clientele(&scratch, &["migrate", "revert"])?;
        }
        assert_eq!(scratch.objects()?, BTreeSet::new());
        clientele(&scratch, &["migrate", "run"])?;
        assert_all_applied(&diesel_cli(&scratch, &["migration", "list"])?)?;
    }
    Ok(())
}

/// Its own index for a key would make each look-up two, and the file a fifth larger.
#[test]
fn on_sqlite_a_row_stands_under_its_key() -> Outcome {
    let scratch = Scratch::sqlite()?;
    diesel_cli(&scratch, &["migration", "run"])?;
    let mut connection = SqliteConnection::establish(scratch.url.strip_prefix("sqlite://").unwrap_or(&scratch.url))?;
    let indexes: Vec<Named> = diesel::sql_query(
        "SELECT name FROM sqlite_master WHERE name LIKE 'sqlite_autoindex_%' AND tbl_name NOT LIKE '\\_\\_diesel%' ESCAPE '\\'",
    )
    .load(&mut connection)?;
    assert!(indexes.is_empty(), "{:?}", indexes.iter().map(|index| &index.name).collect::<Vec<_>>());
    Ok(())
}

/// Of two ways in which the tests' server cannot be set up, and one in which it cannot be started.
#[test]
fn a_postgresql_that_cannot_be_set_up_says_why() -> Outcome {
    use std::os::unix::fs::PermissionsExt;

    let programs = newest_server()?;
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    let reason = || Cluster::with_programs(folder.path().to_owned()).err().unwrap_or_default();
    assert!(reason().contains("initdb: not found"), "{}", reason());
    // A program by itself does not find those that belong to it.
    std::fs::copy(programs.join("initdb"), folder.path().join("initdb"))?;
    assert!(reason().contains("\"postgres\" is needed by"), "{}", reason());
    std::fs::remove_file(folder.path().join("initdb"))?;
    std::os::unix::fs::symlink(programs.join("initdb"), folder.path().join("initdb"))?;
    assert!(reason().contains("pg_ctl: No such file"), "{}", reason());
    Ok(())
}

fn migrates_back_and_forth(scratch: &Scratch) -> Outcome {
    diesel_cli(scratch, &["migration", "run"])?;
    assert_prints_the_schema_of_the_code(scratch)?;
    diesel_cli(scratch, &["migration", "redo", "--all"])?;
    assert_prints_the_schema_of_the_code(scratch)?;
    assert_all_applied(&diesel_cli(scratch, &["migration", "list"])?)?;
    diesel_cli(scratch, &["migration", "revert", "--all"])?;
    assert_eq!(scratch.objects()?, BTreeSet::new(), "left by `migration revert --all`");
    Ok(())
}

fn assert_all_applied(list: &str) -> Outcome {
    for name in migrations()? {
        assert!(list.lines().any(|line| line.trim() == format!("[X] {name}")), "{name} in {list}");
    }
    Ok(())
}

/// The names of the folders in `migrations/`.
fn migrations() -> Outcome<BTreeSet<String>> {
    let entries = std::fs::read_dir(Path::new(ROOT).join("migrations"))?.collect::<Result<Vec<_>, _>>()?;
    let folders = entries.iter().filter(|entry| entry.path().is_dir());
    Ok(folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}

fn assert_prints_the_schema_of_the_code(scratch: &Scratch) -> Outcome {
    // For the one SQL type BIGINT diesel has two names, and prints one for SQLite and the other for PostgreSQL.
    // `diesel::sql_types::Int8` is an alias of `BigInt`, so the code is the same.
    let printed = diesel_cli(scratch, &["print-schema"])?.replace("Int8", "BigInt");
    let code = std::fs::read_to_string(Path::new(ROOT).join("src/schema.rs"))?;
    assert!(unformatted(&printed) == unformatted(&code), "src/schema.rs is not what this database has:\n{printed}");
    Ok(())
}

/// The text without what is rustfmt's business: line breaks, and the comma that comes and goes with them.
fn unformatted(schema: &str) -> String {
    let words: Vec<&str> = schema.split_whitespace().collect();
    words.join(" ").replace("( ", "(").replace(", )", ")").replace(",)", ")")
}

/// What the diesel CLI prints for a database; its failure otherwise.
fn diesel_cli(scratch: &Scratch, arguments: &[&str]) -> Outcome<String> {
    // Where `tests/run` puts the CLI when the machine has none.
    let installed = PathBuf::from(ROOT).join("target/tools/bin/diesel");
    let program = if installed.exists() { installed } else { PathBuf::from("diesel") };
    let mut command = Command::new(&program);
    command.args(arguments).current_dir(ROOT).env("DATABASE_URL", &scratch.url);
    let output = command.output().map_err(|error| format!("the diesel CLI, {}: {error}", program.display()))?;
    said(&format!("diesel {}", arguments.join(" ")), output)
}

fn clientele(scratch: &Scratch, arguments: &[&str]) -> Outcome<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clientele"));
    let output = command.args(arguments).env("DATABASE_URL", &scratch.url).output()?;
    said(&format!("clientele {}", arguments.join(" ")), output)
}

fn said(what: &str, output: Output) -> Outcome<String> {
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout)?);
    }
    Err(format!("{what}: {} {}", output.status, String::from_utf8_lossy(&output.stderr)).into())
}

/// A fresh database that goes when the test ends.
struct Scratch {
    url: String,
    place: Place,
}

enum Place {
    Sqlite { _folder: TempDir },
    Postgres { server: &'static Cluster, name: String },
}

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = Text)]
    name: String,
}

impl Scratch {
    fn sqlite() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let url = format!("sqlite://{}", folder.path().join("fresh.db").display());
        Ok(Self { url, place: Place::Sqlite { _folder: folder } })
    }

    fn postgres() -> Outcome<Self> {
        static SERVER: OnceLock<Result<Cluster, String>> = OnceLock::new();
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let server = SERVER.get_or_init(Cluster::start).as_ref().map_err(String::as_str)?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("clientele_schema_{}_{number}", std::process::id());
        PgConnection::establish(server.admin_url())?.batch_execute(&format!("CREATE DATABASE {name}"))?;
        Ok(Self { url: server.url(&name), place: Place::Postgres { server, name } })
    }

    /// The names of tables, indexes and whatever else a migration makes; without diesel's own table and without
    /// the index behind a primary key, which PostgreSQL names and SQLite does not need.
    fn objects(&self) -> Outcome<BTreeSet<String>> {
        let names: Vec<Named> = match &self.place {
            Place::Sqlite { .. } => diesel::sql_query("SELECT name FROM sqlite_master")
                .load(&mut SqliteConnection::establish(self.url.strip_prefix("sqlite://").unwrap_or(&self.url))?)?,
            Place::Postgres { .. } => diesel::sql_query(
                "SELECT relname::text AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace
                 UNION ALL SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
            )
            .load(&mut PgConnection::establish(&self.url)?)?,
        };
        let own = |name: &String| {
            !name.starts_with("__diesel") && !name.starts_with("sqlite_autoindex_") && !name.ends_with("_pkey")
        };
        Ok(names.into_iter().map(|named| named.name).filter(own).collect())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Place::Postgres { server, name } = &self.place {
            let dropped = PgConnection::establish(server.admin_url())
                .map(|mut admin| admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")));
            // On a throwaway server nothing is lost when this fails.
            drop(dropped);
        }
    }
}
