//! Statements that take rows as input: one row on SQLite, a whole batch on PostgreSQL.
//!
//! These are custom query types, because Diesel never caches `sql_query`, `UPDATE` and upserts as prepared statements,
//! and preparing one each time costs more than running it. PostgreSQL takes each column as an array (`unnest`). SQLite
//! takes the columns of a single row as parameters. The rest of the SQL is the same.

use diesel::QueryResult;
use diesel::backend::Backend;
use diesel::pg::Pg;
use diesel::query_builder::AstPass;
use diesel::sqlite::Sqlite;

/// A row whose columns are declared with [`columns!`].
pub(crate) trait Columns {
    /// The SQL types of the columns, as a tuple.
    type SqlTypes;
    /// The names of the columns, in order.
    const NAMES: &'static [&'static str];
}

/// Rows that can be bound to a statement. [`columns!`] implements it.
pub(crate) trait BindRows {
    /// Binds all rows for PostgreSQL, as one array per column, separated by `, `.
    fn push_arrays<'b>(&'b self, out: &mut AstPass<'_, 'b, Pg>) -> QueryResult<()>;

    /// Binds the only row for SQLite, as one parameter per column, separated by `, `.
    fn push_row<'b>(&'b self, out: &mut AstPass<'_, 'b, Sqlite>) -> QueryResult<()>;

    /// Binds the only row for SQLite, as `, name = parameter` for each column that is not in `left_out`.
    fn push_row_assignments<'b>(&'b self, out: &mut AstPass<'_, 'b, Sqlite>, left_out: &[&str]) -> QueryResult<()>;
}

/// Writes the names, each prefixed with `before`, separated by `, `.
pub(crate) fn push_names<DB: Backend>(out: &mut AstPass<'_, '_, DB>, before: &str, names: &[&str]) {
    for (number, name) in names.iter().enumerate() {
        out.push_sql(if number == 0 { "" } else { ", " });
        out.push_sql(before);
        out.push_sql(name);
    }
}

/// Writes `name = <source>name` for each name, separated by `, `.
pub(crate) fn push_assignments<DB: Backend>(out: &mut AstPass<'_, '_, DB>, source: &str, names: &[&str]) {
    for (number, name) in names.iter().enumerate() {
        for part in [if number == 0 { "" } else { ", " }, name, " = ", source, name] {
            out.push_sql(part);
        }
    }
}

/// Declares a row: its struct, the names and types of its columns, and how rows are bound to a statement.
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

        /// The rows, stored by column as a statement binds them.
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

/// Lets Diesel run a statement and cache it as a prepared statement.
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
