//! The `clientele` binary: see [`clientele::cli`].

use std::process::ExitCode;

/// One thread often frees what another one has allocated, which is slow with glibc's allocator
/// (docs/decisions/0009-what-the-profile-showed.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    clientele::cli::main()
}
