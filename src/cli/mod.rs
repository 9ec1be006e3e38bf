//! The command line, with one file per subcommand.
//!
//! Exit codes: 0 for success, 1 for a failure, 2 for wrong usage or configuration.

mod backup;
mod config;
mod customer;
mod export;
mod format;
mod import;
mod keys;
mod mail;
mod migrate;
mod openapi;
mod outbox;
mod seed;
mod serve;
mod signals;
mod token;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::db::{DbConnection, DbError};
use crate::logging;
use crate::prepare::StartError;
use crate::settings::{Settings, Target};

/// How long one statement of an operator's command may take.
const STATEMENT_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(3600);

/// A self-hosted customer-accounts service.
///
/// Serves HTTP unless a subcommand is given. Every setting has a default; `clientele config show` prints them all.
#[derive(Parser)]
#[command(
    name = "clientele",
    version,
    after_help = "Examples:
  clientele                                      serve on 127.0.0.1:8080 with SQLite in data/
  clientele customer create --email john@example.com --first-name John --last-name Doe
  clientele token issue --customer 123           print an access token for customer 123
  DATABASE_URL=postgres://… clientele migrate run"
)]
struct Arguments {
    /// A TOML file whose settings override the defaults
    #[arg(long, global = true, env = "CLIENTELE_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve HTTP until SIGTERM or SIGINT (the default)
    Serve,
    /// Apply, revert or list migrations
    #[command(subcommand)]
    Migrate(migrate::Migrate),
    /// Create, find, show, change, disable, erase, import or export customers
    #[command(subcommand)]
    Customer(customer::Customer),
    /// Copy the SQLite database, whole and checked, while it is in use
    Backup(backup::Backup),
    /// Send a test mail
    #[command(subcommand)]
    Mail(mail::Mail),
    /// List mails that wait or could not be delivered, or deliver those that wait at once
    #[command(subcommand)]
    Outbox(outbox::Outbox),
    /// Generate signing keys for EdDSA
    #[command(subcommand)]
    Keys(keys::Keys),
    /// Issue access tokens
    #[command(subcommand)]
    Token(token::Token),
    /// Create customers 1 to N, each with an address, for trials and load tests
    Seed(seed::Seed),
    /// Show or check the effective settings
    #[command(subcommand)]
    Config(config::Config),
    /// Print the OpenAPI document of the API
    Openapi,
}

/// Why a command failed.
enum Failure {
    /// Wrong usage or configuration: exit code 2.
    Usage(String),
    /// Any other failure: exit code 1.
    Failed(String),
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        match error {
            StartError::Configuration(_) => Self::Usage(error.to_string()),
            StartError::Failed(text) => Self::Failed(text),
        }
    }
}

impl From<DbError> for Failure {
    fn from(error: DbError) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Parses the arguments, runs the command and reports a failure in one line.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let code = match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(text)) => report(&text, 2),
        Err(Failure::Failed(text)) => report(&text, 1),
    };
    logging::flush();
    code
}

fn report(text: &str, code: u8) -> ExitCode {
    logging::print(&format!("clientele: {text}"));
    ExitCode::from(code)
}

fn run(arguments: Arguments) -> Result<(), Failure> {
    let settings = Settings::load(arguments.config.as_deref(), std::env::vars_os()).map_err(StartError::from)?;
    logging::install(&settings.log);
    match arguments.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(&settings),
        Command::Migrate(command) => command.run(&settings),
        Command::Customer(command) => command.run(&settings),
        Command::Backup(command) => command.run(&settings),
        Command::Mail(command) => command.run(&settings),
        Command::Outbox(command) => command.run(&settings),
        Command::Keys(command) => command.run(),
        Command::Token(command) => command.run(&settings),
        Command::Seed(command) => command.run(&settings),
        Command::Config(command) => command.run(&settings),
        Command::Openapi => openapi::run(),
    }
}

/// Prints one line. A closed pipe is an error, not a panic.
fn print(text: impl std::fmt::Display) -> Result<(), Failure> {
    use std::io::Write;
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

/// Connects for a command that adds data. Creates a missing SQLite database and applies pending migrations if
/// configured. Fails if migrations are still pending.
fn connect(settings: &Settings) -> Result<DbConnection, Failure> {
    let mut connection = open(settings, &settings.target().map_err(StartError::from)?)?;
    if settings.database.migrate_at_start {
        crate::db::migrate(&mut connection)?;
    }
    complete(connection)
}

/// Connects for a command that works on existing data. Creates nothing and applies no migration.
fn connect_existing(settings: &Settings) -> Result<DbConnection, Failure> {
    complete(connect_unmigrated(settings)?)
}

fn complete(mut connection: DbConnection) -> Result<DbConnection, Failure> {
    match crate::db::pending_migrations(&mut connection)?.first() {
        None => Ok(connection),
        Some(first) => Err(Failure::Failed(format!("migration {first} is pending: run `clientele migrate run`"))),
    }
}

/// Connects to an existing database, whatever migrations it has.
fn connect_unmigrated(settings: &Settings) -> Result<DbConnection, Failure> {
    let target = settings.target().map_err(StartError::from)?;
    if let Some(path) = target.missing_file() {
        return Err(Failure::Failed(format!("there is no database at {}", path.display())));
    }
    open(settings, &target)
}

/// Connects to the database. Creates a missing SQLite database.
fn open(settings: &Settings, target: &Target) -> Result<DbConnection, Failure> {
    let connection = target.connect_checked(settings.database.connect_timeout(), STATEMENT_TIMEOUT);
    connection.map_err(|reason| Failure::Failed(format!("{}: {reason}", target.system())))
}
