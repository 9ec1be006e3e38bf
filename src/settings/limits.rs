//! Checks the range of numbers, the syntax of log filters, and that listeners do not collide.

use std::net::{IpAddr, SocketAddr};

use toml::{Table, Value};

use super::SettingsError;

const DAY: i64 = 86_400;
/// The longest time span, in seconds: about a century. Dates much further away cannot be computed.
const CENTURY: i64 = 3_000_000_000;

/// The smallest and the largest value of every number.
const NUMBERS: &[(&str, i64, i64)] = &[
    ("server.workers", 0, 1024),
    ("server.max_connections", 1, 1_000_000),
    ("server.keep_alive_seconds", 0, DAY),
    ("server.head_timeout_seconds", 1, DAY),
    ("server.body_timeout_seconds", 1, DAY),
    ("server.shutdown_timeout_seconds", 0, DAY),
    ("database.threads", 0, 256),
    ("database.writers", 1, 64),
    ("database.queue", 1, 1_000_000),
    ("database.queue_timeout_seconds", 1, DAY),
    ("database.connect_timeout_seconds", 1, DAY),
    ("database.statement_timeout_seconds", 1, DAY),
    ("auth.access_token_seconds", 1, CENTURY),
    ("auth.session_idle_seconds", 1, CENTURY),
    ("auth.session_absolute_seconds", 1, CENTURY),
    ("auth.password_threads", 0, 256),
    ("auth.password_queue", 1, 100_000),
    ("auth.wrong_password_milliseconds", 0, 60_000),
    ("throttle.address_burst", 1, 1_000_000),
    ("throttle.address_per_minute", 1, 1_000_000),
    ("throttle.account_burst", 1, 1_000_000),
    ("throttle.account_per_minute", 1, 1_000_000),
    ("throttle.mail_burst", 1, 1_000_000),
    ("throttle.mail_per_hour", 1, 1_000_000),
    ("mail.retry_seconds", 1, 3600),
    ("history.days", 1, 36_500),
];

/// Checks every number. A number without a row in [`NUMBERS`] fails, so that no row is forgotten.
pub(super) fn check_numbers(merged: &Table) -> Result<(), SettingsError> {
    for (section, values) in merged {
        for (key, value) in values.as_table().into_iter().flatten() {
            let Value::Integer(number) = value else { continue };
            let key = format!("{section}.{key}");
            let row = NUMBERS.iter().find(|(known, ..)| *known == key);
            let (least, most) = row.map_or((i64::MAX, i64::MAX), |(_, least, most)| (*least, *most));
            if !(least..=most).contains(number) {
                return Err(SettingsError::new(format!("{key} takes {least} to {most}")));
            }
        }
    }
    Ok(())
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Checks a filter for env_logger: each part must be a level or `target=level`. env_logger itself would take a misspelt
/// level for the name of a target, and log nothing else.
pub(super) fn check_filter(source: &str, filter: &str) -> Result<(), SettingsError> {
    // The part after a slash is a text that log lines must contain.
    let directives = filter.split('/').next().unwrap_or_default();
    let is_level = |text: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(text.trim()));
    let fits = |part: &str| part.trim().is_empty() || is_level(part.rsplit('=').next().unwrap_or_default());
    if directives.split(',').all(fits) {
        return Ok(());
    }
    let levels = LEVELS.join(", ");
    Err(SettingsError::new(format!("{source} takes a level ({levels}), or target=level, separated by commas")))
}

/// Checks that the two listeners can be bound at the same time.
pub(super) fn check_listeners(server: SocketAddr, metrics: Option<SocketAddr>) -> Result<(), SettingsError> {
    let collides = |metrics: SocketAddr| {
        let (one, other) = (server.ip(), metrics.ip());
        let same_address = one == other || includes(one, other) || includes(other, one);
        server.port() == metrics.port() && server.port() != 0 && same_address
    };
    if metrics.is_some_and(collides) {
        return Err(SettingsError::new("metrics.bind and server.bind are the same address; use another port"));
    }
    Ok(())
}

/// Returns whether a listener on one address gets the connections to another too. `[::]` takes those of IPv4.
fn includes(one: IpAddr, other: IpAddr) -> bool {
    one.is_unspecified() && (one.is_ipv6() || other.is_ipv4())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_made_of_levels() {
        for filter in
            ["info", "", "WARN", "info,actix_server=warn, actix_http=off", "off,a::b=trace", "info/text=inof", "info,"]
        {
            assert!(check_filter("log.filter", filter).is_ok(), "{filter}");
        }
        for filter in
            ["warning", "inof", "info,clientele=", "clientele", "clientele=warning", "info;warn", "info debug"]
        {
            assert!(check_filter("log.filter", filter).is_err(), "{filter}");
        }
    }
}
