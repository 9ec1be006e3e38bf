//! A TCP proxy between the service and PostgreSQL that delays, counts and loses what passes.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The proxy; its threads end with the connections through it.
pub(crate) struct Proxy {
    url: String,
    shared: Arc<Shared>,
}

struct Shared {
    server: SocketAddr,
    /// Milliseconds each way.
    delay: AtomicU64,
    requests: AtomicU64,
    loses_commits: AtomicBool,
    swallows_replies: AtomicBool,
}

impl Proxy {
    /// A proxy to the server of a URL.
    pub(crate) fn to(url: &str) -> Self {
        let mut url: url::Url = url.parse().expect("a URL");
        let server = format!("127.0.0.1:{}", url.port().expect("a port")).parse().expect("an address");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        url.set_port(Some(listener.local_addr().expect("an address").port())).expect("a URL with a port");
        url.set_host(Some("127.0.0.1")).expect("a URL with a host");
        let shared = Arc::new(Shared {
            server,
            delay: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            loses_commits: AtomicBool::new(false),
            swallows_replies: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                accepting.connect(&client);
            }
        });
        Self { url: url.into(), shared }
    }

    /// The database behind the proxy.
    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Delays what passes from now on, each way.
    pub(crate) fn delay(&self, delay: Duration) {
        self.shared.delay.store(delay.as_millis() as u64, Ordering::SeqCst);
    }

    /// How many messages the service has sent and waited for, so far.
    pub(crate) fn round_trips(&self) -> u64 {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// Passes the next `COMMIT` on, and cuts the connection instead of passing the reply back.
    pub(crate) fn lose_a_commit(&self) {
        self.shared.loses_commits.store(true, Ordering::SeqCst);
    }

    /// Whether the commit that is to be lost is still to come.
    pub(crate) fn is_to_lose_a_commit(&self) -> bool {
        self.shared.loses_commits.load(Ordering::SeqCst)
    }

    /// Passes requests on and keeps the replies to itself, until told otherwise.
    pub(crate) fn swallow_replies(&self, swallow: bool) {
        self.shared.swallows_replies.store(swallow, Ordering::SeqCst);
    }
}

impl Shared {
    fn connect(self: &Arc<Self>, client: &TcpStream) {
        let Ok(server) = TcpStream::connect(self.server) else { return };
        let cuts = Arc::new(AtomicBool::new(false));
        for is_request in [true, false] {
            let (from, to) = if is_request { (client, &server) } else { (&server, client) };
            let (from, to) = (from.try_clone().expect("a stream"), to.try_clone().expect("a stream"));
            let (shared, cuts) = (Arc::clone(self), Arc::clone(&cuts));
            std::thread::spawn(move || shared.pass(from, to, is_request, &cuts));
        }
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream, is_request: bool, cuts: &AtomicBool) {
        let mut bytes = [0; 65536];
        while let Ok(read @ 1..) = from.read(&mut bytes) {
            std::thread::sleep(Duration::from_millis(self.delay.load(Ordering::SeqCst)));
            if is_request {
                self.requests.fetch_add(1, Ordering::SeqCst);
                if is_commit(&bytes[..read]) && self.loses_commits.swap(false, Ordering::SeqCst) {
                    cuts.store(true, Ordering::SeqCst);
                }
            } else if cuts.load(Ordering::SeqCst) {
                break;
            } else if self.swallows_replies.load(Ordering::SeqCst) {
                continue;
            }
            if to.write_all(&bytes[..read]).is_err() {
                break;
            }
        }
        for stream in [from, to] {
            // It may be closed already.
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

fn is_commit(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'Q') && bytes.windows(6).any(|window| window == b"COMMIT")
}
