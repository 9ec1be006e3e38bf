//! `clientele mail test`

use clap::Subcommand;

use super::customer::parse_email;
use super::{Failure, print};
use crate::customers::Email;
use crate::http::Language;
use crate::ids::EntryId;
use crate::mail::{Kind, Letter, Mailer, Values};
use crate::prepare::StartError;
use crate::settings::Settings;

#[derive(Subcommand)]
pub(super) enum Mail {
    /// Send a test mail now, as the settings say, and print where it went
    Test {
        /// Whom to send it to
        #[arg(value_name = "ADDRESS", value_parser = parse_email)]
        to: Email,
        /// The language of the mail: en, de, fr or es
        #[arg(long, value_name = "LANGUAGE", default_value = "en", value_parser = parse_language)]
        language: Language,
    },
}

fn parse_language(tag: &str) -> Result<Language, String> {
    Language::from_tag(tag).ok_or_else(|| "the languages are en, de, fr and es".into())
}

impl Mail {
    pub(super) fn run(self, settings: &Settings) -> Result<(), Failure> {
        let Self::Test { to, language } = self;
        let mailer = Mailer::load(settings).map_err(StartError::Configuration)?;
        let mailer = mailer.ok_or_else(|| Failure::Failed("mail.transport is \"none\": no mail is sent".into()))?;
        let letter = Letter {
            id: EntryId::generate(),
            unique: "test".into(),
            customer: None,
            kind: Kind::Test,
            language,
            to: to.typed().to_owned(),
            values: Values::default(),
        };
        let destination = mailer.destination();
        match mailer.send(&letter) {
            Ok(()) => print(format_args!("sent to {destination}")),
            Err(error) => Err(Failure::Failed(format!("not sent to {destination}: {}", error.reason()))),
        }
    }
}
