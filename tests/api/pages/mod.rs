//! The account pages.

mod browser;
