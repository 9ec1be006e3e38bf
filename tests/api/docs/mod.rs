//! README.md and docs/: what they say is run, not believed.
//!
//! `page` reads the fenced code blocks. `terminal` runs those that are marked `sh`, in the order of the page, as a
//! reader would. The other modules try the files of config/ that the pages tell operators to install.

mod commands;
mod nginx;
mod page;
mod prose;
mod rotation;
mod security;
mod shop;
mod shown;
mod site;
mod systemd;
mod terminal;
