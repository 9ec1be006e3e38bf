//! The `clientele` binary: see [`clientele::cli`].

use std::process::ExitCode;

/// Requests cross threads: what one allocates another frees, which glibc's allocator is slow at
/// (docs/decisions/0009-what-the-profile-showed.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    clientele::cli::main()
}
