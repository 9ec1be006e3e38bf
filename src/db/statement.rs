//! Statements that take their rows as input: one row or as many as a batch has, on either database.
//!
//! A query type of our own, because Diesel keeps `sql_query`, `UPDATE` and upserts never prepared, and preparing
//! such a statement anew costs more than running it. PostgreSQL takes each column as an array (`unnest`), SQLite
//! the only row as parameters; the rest of the statement is the same text.

use diesel::backend::Backend;
use diesel::query_builder::AstPass;

/// Writes `WITH input (a, b) AS (`.
pub(crate) fn open_input<DB: Backend>(out: &mut AstPass<'_, '_, DB>, names: &[&str]) {
    out.push_sql("WITH input (");
    for (number, name) in names.iter().enumerate() {
        out.push_sql(if number == 0 { "" } else { ", " });
        out.push_sql(name);
    }
    out.push_sql(") AS (SELECT ");
}

/// Declares the members of one row as a statement takes them, once: the row, its columns for a batch, and how
/// both are bound, in the order of `NAMES`.
macro_rules! input {
    ($row:ident, $columns:ident: $($(#[$doc:meta])* $name:ident: $rust:ty => $sql:ty,)*) => {
        struct $row<'a> {
            $($(#[$doc])* $name: $rust,)*
            lifetime: std::marker::PhantomData<&'a ()>,
        }

        #[derive(Default)]
        pub(super) struct $columns<'a> {
            $(pub(super) $name: Vec<$rust>,)*
            lifetime: std::marker::PhantomData<&'a ()>,
        }

        impl<'a> $columns<'a> {
            const NAMES: &'static [&'static str] = &[$(stringify!($name)),*];

            fn push(&mut self, row: $row<'a>) {
                $(self.$name.push(row.$name);)*
            }

            /// The whole `input`, for PostgreSQL.
            pub(super) fn push_arrays<'b>(&'b self, out: &mut diesel::query_builder::AstPass<'_, 'b, diesel::pg::Pg>)
                -> diesel::QueryResult<()>
            {
                $crate::db::statement::open_input(out, Self::NAMES);
                let mut separator = "* FROM unnest(";
                $(
                    out.push_sql(separator);
                    out.push_bind_param::<diesel::sql_types::Array<$sql>, _>(&self.$name)?;
                    separator = ", ";
                )*
                out.push_sql(if separator.is_empty() { "" } else { ")), " });
                Ok(())
            }

            /// The whole `input`, for SQLite: the only row.
            pub(super) fn push_only_row<'b>(&'b self, out: &mut diesel::query_builder::AstPass<'_, 'b, diesel::sqlite::Sqlite>)
                -> diesel::QueryResult<()>
            {
                $crate::db::statement::open_input(out, Self::NAMES);
                let mut separator = "";
                $(
                    out.push_sql(separator);
                    out.push_bind_param::<$sql, _>(self.$name.first().ok_or(diesel::NotFound)?)?;
                    separator = ", ";
                )*
                out.push_sql(if separator.is_empty() { "" } else { "), " });
                Ok(())
            }
        }
    };
}
pub(crate) use input;
