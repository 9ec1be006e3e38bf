//! The type of all timestamps in the database.

use chrono::{NaiveDateTime, SecondsFormat, SubsecRound, TimeDelta, Utc};
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::Timestamp;

/// A point in time in UTC, in whole microseconds, which both databases store without loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, AsExpression, FromSqlRow)]
#[diesel(sql_type = Timestamp)]
pub struct UtcMicros(NaiveDateTime);

impl UtcMicros {
    /// Returns the current time.
    pub fn now() -> Self {
        Self::from(Utc::now().naive_utc())
    }

    /// Returns the time `span` later, or the same time on overflow.
    pub fn plus(self, span: TimeDelta) -> Self {
        Self(self.0.checked_add_signed(span).unwrap_or(self.0))
    }

    /// Returns the time `span` earlier, or the same time on overflow.
    pub fn minus(self, span: TimeDelta) -> Self {
        Self(self.0.checked_sub_signed(span).unwrap_or(self.0))
    }

    /// Formats the time as RFC 3339, in UTC and with milliseconds.
    pub fn to_rfc3339(self) -> String {
        self.0.and_utc().to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    /// Returns the time without a time zone.
    pub fn naive(self) -> NaiveDateTime {
        self.0
    }
}

impl From<NaiveDateTime> for UtcMicros {
    fn from(moment: NaiveDateTime) -> Self {
        Self(moment.trunc_subsecs(6))
    }
}

impl<DB: Backend> ToSql<Timestamp, DB> for UtcMicros
where
    NaiveDateTime: ToSql<Timestamp, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        self.0.to_sql(out)
    }
}

impl<DB: Backend> FromSql<Timestamp, DB> for UtcMicros
where
    NaiveDateTime: FromSql<Timestamp, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        NaiveDateTime::from_sql(bytes).map(Self)
    }
}
