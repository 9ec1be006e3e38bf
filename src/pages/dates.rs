//! Dates and times in the language of a page.

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, SubsecRound, Utc};
use minijinja::{Value, context};

use super::messages::Messages;
use crate::db::UtcMicros;

/// Returns a day in words.
pub(super) fn day(messages: &Messages, date: NaiveDate) -> String {
    let month = messages.months().nth(date.month0() as usize).unwrap_or_default();
    let text = messages.text("date", "day");
    let text = text.replace("{day}", &date.day().to_string());
    text.replace("{month}", month).replace("{year}", &date.year().to_string())
}

/// Returns a time as templates expect it: `{iso, text}`, in UTC.
pub(super) fn time(messages: &Messages, at: UtcMicros) -> Value {
    let at: DateTime<Utc> = at.naive().and_utc().trunc_subsecs(0);
    let text = messages.text("date", "time").replace("{date}", &day(messages, at.date_naive()));
    let text = text.replace("{time}", &at.format("%H:%M").to_string());
    context! { iso => at.to_rfc3339_opts(SecondsFormat::Secs, true), text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Language;
    use crate::pages::messages::AllMessages;

    #[test]
    fn a_day_is_written_as_people_write_it() {
        let messages = AllMessages::load(None).expect("texts");
        let date = NaiveDate::from_ymd_opt(1990, 3, 1).expect("a day");
        for (language, month) in
            [(Language::En, "March"), (Language::De, "März"), (Language::Fr, "mars"), (Language::Es, "marzo")]
        {
            let day = day(messages.of(language), date);
            assert!(day.contains(month) && day.contains("1990") && !day.contains('{'), "{day}");
        }
    }
}
