//! The `clientele` binary: see [`clientele::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    clientele::cli::main()
}
