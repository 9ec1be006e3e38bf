//! Sends mails to an SMTP server, one connection each.

use std::error::Error as _;
use std::io::ErrorKind;
use std::time::Duration;

use lettre::address::Envelope;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;

use super::send_error::SendError;
use crate::settings::{self, Secret, Security, SmtpServer, trimmed};

/// How long to wait for a connection, and for each reply but the last.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait for the reply to a whole mail, which the server may scan first. Shorter than the 10 minutes of RFC 5321
/// §4.5.3.2.6, so that one mail does not hold up the others for too long, and than the lease of a row.
const DATA_TIMEOUT: Duration = Duration::from_secs(60);

/// How connections fail.
const CONNECTION: [ErrorKind; 8] = [
    ErrorKind::BrokenPipe,
    ErrorKind::ConnectionAborted,
    ErrorKind::ConnectionRefused,
    ErrorKind::ConnectionReset,
    ErrorKind::HostUnreachable,
    ErrorKind::NetworkUnreachable,
    ErrorKind::TimedOut,
    ErrorKind::UnexpectedEof,
];

/// An SMTP server.
pub(super) struct Smtp {
    server: SmtpServer,
    credentials: Option<Credentials>,
    /// `None` without TLS.
    tls: Option<TlsParameters>,
    hello: ClientId,
}

impl Smtp {
    /// Reads the settings, the password's file and the system's certificates.
    ///
    /// # Errors
    /// One line that names the key.
    pub(super) fn new(mail: &settings::Mail) -> Result<Self, String> {
        let server = mail.url.server().map_err(|reason| format!("mail.url {reason}"))?;
        let password = password(mail, &server)?;
        let credentials = match (&server.user, password) {
            (None, Some(_)) => return Err("mail.password needs a user in mail.url".into()),
            (Some(_), None) => {
                return Err("mail.url has a user: set CLIENTELE__MAIL__PASSWORD or mail.password_file".into());
            }
            (user, password) => {
                user.clone().zip(password).map(|(user, secret)| Credentials::new(user, secret.expose().into()))
            }
        };
        let tls = match server.security {
            Security::None => None,
            Security::Tls | Security::StartTls => {
                let parameters = TlsParameters::new(server.host.clone());
                Some(
                    parameters
                        .map_err(|error| format!("mail.url: no certificates to check the server's with: {error}"))?,
                )
            }
        };
        Ok(Self { server, credentials, tls, hello: ClientId::default() })
    }

    /// Returns host and port.
    pub(super) fn name(&self) -> String {
        format!("{}:{}", self.server.host, self.server.port)
    }

    /// Sends a mail to its recipient, and says QUIT.
    ///
    /// # Errors
    /// A reply that refuses the connection, the user or the sender is about this service; one that refuses the recipient or
    /// the text is about the mail.
    pub(super) fn send(&self, envelope: &Envelope, message: &[u8]) -> Result<(), SendError> {
        let mut connection = self.connect().map_err(|error| SendError::Unreachable(reason(&error)))?;
        let sent = transfer(&mut connection, envelope, message);
        if !matches!(sent, Err(SendError::Interrupted(_))) {
            connection.abort();
        }
        sent
    }

    fn connect(&self) -> Result<SmtpConnection, Error> {
        let from_the_start = self.tls.as_ref().filter(|_| self.server.security == Security::Tls);
        let address = (self.server.host.as_str(), self.server.port);
        let mut connection = SmtpConnection::connect(address, Some(TIMEOUT), &self.hello, from_the_start, None)?;
        if let (Security::StartTls, Some(tls)) = (self.server.security, &self.tls) {
            connection.starttls(tls, &self.hello)?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(DEFAULT_MECHANISMS, credentials)?;
        }
        Ok(connection)
    }
}

fn transfer(connection: &mut SmtpConnection, envelope: &Envelope, message: &[u8]) -> Result<(), SendError> {
    let of_sender = |error: Error| SendError::Unreachable(format!("sender: {}", reason(&error)));
    connection.command(Mail::new(envelope.from().cloned(), Vec::new())).map_err(of_sender)?;
    for recipient in envelope.to() {
        connection.command(Rcpt::new(recipient.clone(), Vec::new())).map_err(of_mail)?;
    }
    connection.command(Data).map_err(of_mail)?;
    connection.set_timeout(Some(DATA_TIMEOUT)).map_err(|error| SendError::Interrupted(error.to_string()))?;
    connection.message(message).map(drop).map_err(of_mail)
}

fn of_mail(error: Error) -> SendError {
    let reason = reason(&error);
    match error {
        _ if error.is_permanent() => SendError::Refused(reason),
        // RFC 5321 §3.8: the server is about to close the connection.
        _ if error.status().is_some_and(|code| u16::from(code) == 421) => SendError::Interrupted(reason),
        _ if error.is_transient() => SendError::Later(reason),
        _ => SendError::Interrupted(reason),
    }
}

/// Describes an error without the server's text.
fn reason(error: &Error) -> String {
    if let Some(code) = error.status() {
        return format!("the server replied {}", u16::from(code));
    }
    let mut source = error.source();
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return match io.kind() {
                // How the read from a socket ends after its time-out.
                ErrorKind::WouldBlock => ErrorKind::TimedOut.to_string(),
                // What rustls says of a certificate.
                ErrorKind::InvalidData => format!("TLS: {io}"),
                kind if CONNECTION.contains(&kind) => kind.to_string(),
                _ => "the server's name could not be looked up".into(),
            };
        }
        source = cause.source();
    }
    let class = match error {
        _ if error.is_tls() => "TLS failed",
        _ if error.is_client() => "the server does not offer STARTTLS, or no known authentication",
        _ if error.is_response() => "the connection was closed",
        _ => "the connection failed",
    };
    class.to_owned()
}

/// Returns the password, wherever it is.
fn password(mail: &settings::Mail, server: &SmtpServer) -> Result<Option<Secret>, String> {
    let from_file = if mail.password_file.as_os_str().is_empty() {
        Secret::default()
    } else {
        let at =
            |error: &dyn std::fmt::Display| format!("mail.password_file {}: {error}", mail.password_file.display());
        let bytes = std::fs::read(&mail.password_file).map_err(|error| at(&error))?;
        String::from_utf8(trimmed(&bytes).to_vec()).map_err(|_| at(&"not UTF-8"))?.into()
    };
    let given = [&server.password, &mail.password, &from_file].into_iter().filter(|secret| !secret.is_empty());
    let mut given = given.cloned();
    match (given.next(), given.next()) {
        (_, Some(_)) => Err("mail.url, mail.password and mail.password_file: set one password only".into()),
        (password, None) => Ok(password),
    }
}
