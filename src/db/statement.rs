//! Statements that take their rows as input: one row, or as many as a batch has, on either database.
//!
//! A query type of our own, because Diesel never keeps `sql_query`, `UPDATE` and upserts prepared, and preparing such a
//! statement anew costs more than running it. PostgreSQL takes each column as an array (`unnest`), SQLite takes the
//! columns of a single row as parameters; the rest of the statement is the same text.

use diesel::QueryResult;
use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::query_builder::AstPass;
use diesel::sqlite::Sqlite;

/// A row whose columns are declared once, by [`columns!`].
pub(crate) trait Columns {
    /// The columns' SQL types, as a tuple.
    type SqlTypes;
    /// The columns' names, in order.
    const NAMES: &'static [&'static str];
}

/// Rows that are bound to a statement column by column; [`columns!`] implements it.
pub(crate) trait BindRows {
    /// Binds all rows, for PostgreSQL: an array for each column, with `, ` between them.
    fn push_arrays<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()>;

    /// Binds the only row, for SQLite: a parameter for each column, with `, ` between them.
    fn push_row<'b>(&'b self, out: &mut AstPass<'_, 'b, Sqlite>) -> QueryResult<()>;

    /// Binds the only row, for SQLite: `, name = parameter` for each column but those that are left out.
    fn push_row_assignments<'b>(&'b self, out: &mut AstPass<'_, 'b, Sqlite>, left_out: &[&str]) -> QueryResult<()>;
}

/// Writes each name, with `before` in front of it and `, ` between them.
pub(crate) fn push_names<DB: Backend>(out: &mut AstPass<'_, '_, DB>, before: &str, names: &[&str]) {
    for (number, name) in names.iter().enumerate() {
        out.push_sql(if number == 0 { "" } else { ", " });
        out.push_sql(before);
        out.push_sql(name);
    }
}

/// Writes `name = <source>name` for each name, with `, ` between them.
pub(crate) fn push_assignments<DB: Backend>(out: &mut AstPass<'_, '_, DB>, source: &str, names: &[&str]) {
    for (number, name) in names.iter().enumerate() {
        for part in [if number == 0 { "" } else { ", " }, name, " = ", source, name] {
            out.push_sql(part);
        }
    }
}

/// Declares a row once: its struct, the names and types of its columns, and how one row or many are bound.
macro_rules! columns {
    (
        $(#[$meta:meta])*
        $vis:vis struct $row:ident, $arrays:ident {
            $($(#[$field_meta:meta])* $name:ident: $rust:ty => $sql:ty,)*
        }
    ) => {
        $(#[$meta])*
        $vis struct $row {
            $($(#[$field_meta])* $vis $name: $rust,)*
        }

        impl $crate::db::statement::Columns for $row {
            type SqlTypes = ($($sql,)*);
            const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];
        }

        /// Rows column by column, as a statement binds them.
        #[derive(Default)]
        $vis struct $arrays<'a> {
            $($name: Vec<&'a $rust>,)*
        }

        impl<'a> FromIterator<&'a $row> for $arrays<'a> {
            fn from_iter<I: IntoIterator<Item = &'a $row>>(rows: I) -> Self {
                let mut arrays = Self::default();
                for row in rows {
                    $(arrays.$name.push(&row.$name);)*
                }
                arrays
            }
        }

        impl $crate::db::statement::BindRows for $arrays<'_> {
            fn push_arrays<'b>(&'b self, out: &mut diesel::query_builder::AstPass<'_, 'b, diesel::pg::Pg>)
                -> diesel::QueryResult<()>
            {
                let mut separators = std::iter::once("").chain(std::iter::repeat(", "));
                $(
                    out.push_sql(separators.next().unwrap_or_default());
                    out.push_bind_param::<diesel::sql_types::Array<$sql>, _>(&self.$name)?;
                )*
                Ok(())
            }

            fn push_row<'b>(&'b self, out: &mut diesel::query_builder::AstPass<'_, 'b, diesel::sqlite::Sqlite>)
                -> diesel::QueryResult<()>
            {
                let mut separators = std::iter::once("").chain(std::iter::repeat(", "));
                $(
                    out.push_sql(separators.next().unwrap_or_default());
                    out.push_bind_param::<$sql, _>(*self.$name.first().ok_or(diesel::NotFound)?)?;
                )*
                Ok(())
            }

            fn push_row_assignments<'b>(
                &'b self,
                out: &mut diesel::query_builder::AstPass<'_, 'b, diesel::sqlite::Sqlite>,
                left_out: &[&str],
            ) -> diesel::QueryResult<()> {
                $(
                    if !left_out.contains(&stringify!($name)) {
                        out.push_sql(concat!(", ", stringify!($name), " = "));
                        out.push_bind_param::<$sql, _>(*self.$name.first().ok_or(diesel::NotFound)?)?;
                    }
                )*
                Ok(())
            }
        }
    };
}
pub(crate) use columns;

/// Makes a statement with input one that Diesel runs, and keeps prepared.
macro_rules! prepared {
    ($statement:ident $(, $flag:ident)?) => {
        impl$(<const $flag: bool>)? diesel::query_builder::QueryId for $statement<'_ $(, $flag)?> {
            type QueryId = $statement<'static $(, $flag)?>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl<C $(, const $flag: bool)?> diesel::RunQueryDsl<C> for $statement<'_ $(, $flag)?> {}
    };
}
pub(crate) use prepared;
