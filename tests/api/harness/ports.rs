//! Ports for programs that cannot be told to choose one themselves.

use std::net::TcpListener;

/// A port on which nobody listens.
///
/// It lies below the range from which the kernel takes ports for connections and for port 0, so that nothing else of a
/// test run takes it before the program does.
pub(crate) fn free_port() -> u16 {
    let candidates = std::iter::repeat_with(|| rand::random_range(10_000..30_000));
    let free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    candidates.take(1000).find(free).expect("a free port")
}
