//! An open loop: PUTs leave on schedule, however slowly the service answers, as the customers of a shop do.
//!
//! A closed loop, such as wrk's, slows down with what it measures and cannot overload it. This one thread sends at a
//! fixed rate over as many connections as it takes, and counts latency from the moment when a request was due: a
//! request that left late was already waiting. It shares the machine with the service, so it is built to cost little:
//! one write and one read a request, no thread, no timer.
//!
//! ```sh
//! clientele seed --customers 100000 --tokens tokens.tsv
//! cargo run --release -p open-loop -- --rate 30000 --seconds 20 --tokens tokens.tsv 127.0.0.1:8080
//! ```
//!
//! The last line is `RESULT` and a JSON object: requests sent; answers by status until the end, which is what was
//! served; latencies and lateness in microseconds; the most requests in flight at once; what failed.

mod answer;
mod requests;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Parser;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use crate::answer::Answer;
use crate::requests::Requests;

/// How long the last answers may take after the last departure.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long the rate grows from a part of itself to all of it, while connections are made. It is not counted.
const RAMP: Duration = Duration::from_secs(2);
const FIRST_SHARE: f64 = 0.05;
/// Events that are taken from the kernel at a time.
const EVENTS: usize = 1024;

#[derive(Parser)]
#[command(about)]
struct Arguments {
    /// Where the service listens
    address: SocketAddr,
    /// Requests a second
    #[arg(long)]
    rate: f64,
    /// How long requests leave
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// The most connections; beyond them, requests leave late
    #[arg(long, default_value_t = 3072)]
    connections: usize,
    /// What `clientele seed --tokens FILE` wrote
    #[arg(long)]
    tokens: PathBuf,
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    /// When its request was due; `None` while it is free.
    due: Option<Instant>,
    /// The request, while the connection is being made.
    unsent: Option<Vec<u8>>,
}

#[derive(Default)]
struct Seen {
    requests: u64,
    served: BTreeMap<u16, u64>,
    latencies: BTreeMap<u16, Vec<u32>>,
    lateness: Vec<u32>,
    most_in_flight: usize,
    broken: u64,
}

struct Loop {
    address: SocketAddr,
    poll: Poll,
    connections: Vec<Option<Connection>>,
    /// Connections without a request, the last used first.
    free: Vec<usize>,
    /// Places without a connection.
    vacant: Vec<usize>,
    in_flight: usize,
    /// What leaves from `start` until `end` is counted.
    start: Instant,
    end: Instant,
    seen: Seen,
}

impl Loop {
    /// Sends a request on a free connection, or on a new one. False when all are busy.
    fn depart(&mut self, request: &[u8], due: Instant) -> std::io::Result<bool> {
        while let Some(place) = self.free.pop() {
            let Some(connection) = self.connections[place].as_mut() else {
                continue;
            };
            // A request is far smaller than the socket's buffer, which is empty: it goes out whole.
            if connection.stream.write(request).is_ok_and(|written| written == request.len()) {
                connection.due = Some(due);
                self.departed(due);
                return Ok(true);
            }
            // The service has closed it meanwhile, as it may.
            self.drop_connection(place);
        }
        let Some(place) = self.vacant.pop() else {
            return Ok(false);
        };
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_nodelay(true)?;
        self.poll.registry().register(&mut stream, Token(place), Interest::READABLE | Interest::WRITABLE)?;
        let (due_at, unsent) = (Some(due), Some(request.to_vec()));
        self.connections[place] = Some(Connection { stream, received: Vec::with_capacity(1024), due: due_at, unsent });
        self.departed(due);
        Ok(true)
    }

    fn departed(&mut self, due: Instant) {
        self.in_flight += 1;
        self.seen.most_in_flight = self.seen.most_in_flight.max(self.in_flight);
        if due >= self.start {
            self.seen.requests += 1;
            self.seen.lateness.push(micros(due.elapsed()));
        }
    }

    fn drop_connection(&mut self, place: usize) {
        self.connections[place] = None;
        self.free.retain(|free| *free != place);
        self.vacant.push(place);
    }

    /// Sends what had to wait until the connection was made.
    fn connected(&mut self, place: usize) -> std::io::Result<()> {
        let Some(connection) = self.connections[place].as_mut() else {
            return Ok(());
        };
        if let Some(request) = connection.unsent.take() {
            let sent = connection.stream.write(&request);
            self.poll.registry().reregister(&mut connection.stream, Token(place), Interest::READABLE)?;
            if !sent.is_ok_and(|written| written == request.len()) {
                self.seen.broken += 1;
                self.in_flight -= 1;
                self.drop_connection(place);
            }
        }
        Ok(())
    }

    fn receive(&mut self, place: usize) {
        let Some(connection) = self.connections[place].as_mut() else {
            return;
        };
        let mut chunk = [0; 4096];
        let alive = loop {
            match connection.stream.read(&mut chunk) {
                Ok(0) => break false,
                Ok(read) => {
                    connection.received.extend_from_slice(&chunk[..read]);
                    // Less than there was room for: there is no more now.
                    if read < chunk.len() {
                        break true;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break false,
            }
        };
        let answer = Answer::parse(&connection.received);
        if let (Some(answer), Some(due)) = (answer, connection.due) {
            let now = Instant::now();
            if due >= self.start {
                self.seen.latencies.entry(answer.status).or_default().push(micros(now - due));
            }
            if self.start <= now && now <= self.end {
                *self.seen.served.entry(answer.status).or_default() += 1;
            }
            connection.received.clear();
            connection.due = None;
            self.in_flight -= 1;
            if alive && !answer.closes {
                self.free.push(place);
                return;
            }
        } else if alive && connection.due.is_some() {
            return;
        }
        // Gone: in the middle of a request that is an error, between two it is the service's right.
        if connection.due.is_some() {
            self.in_flight -= 1;
            self.seen.broken += 1;
        }
        self.drop_connection(place);
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

fn percentile(values: &mut [u32], percent: usize) -> u32 {
    values.sort_unstable();
    let place = (values.len() * percent / 100).min(values.len().saturating_sub(1));
    values.get(place).copied().unwrap_or(0)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    if !arguments.rate.is_finite() || arguments.rate < 1.0 || arguments.connections == 0 || arguments.seconds == 0 {
        return Err("rate, seconds and connections must be at least 1".into());
    }
    let mut requests = Requests::load(&arguments.tokens, arguments.address)?;
    let gap = 1.0 / arguments.rate;
    let begin = Instant::now();
    let start = begin + RAMP;
    let mut open = Loop {
        address: arguments.address,
        poll: Poll::new()?,
        connections: (0..arguments.connections).map(|_| None).collect(),
        free: Vec::new(),
        vacant: (0..arguments.connections).rev().collect(),
        in_flight: 0,
        start,
        end: start + Duration::from_secs(arguments.seconds),
        seen: Seen::default(),
    };
    let mut events = Events::with_capacity(EVENTS);
    let mut due = begin;
    loop {
        let now = Instant::now();
        if now >= open.end && (open.in_flight == 0 || now >= open.end + PATIENCE) {
            break;
        }
        let mut starved = false;
        while due <= now && now < open.end {
            starved = !open.depart(requests.next(), due)?;
            if starved {
                break;
            }
            let share = due.duration_since(begin).as_secs_f64() / RAMP.as_secs_f64();
            due += Duration::from_secs_f64(gap / share.clamp(FIRST_SHARE, 1.0));
        }
        let until =
            if starved || now >= open.end { Duration::from_millis(5) } else { due.saturating_duration_since(now) };
        match open.poll.poll(&mut events, Some(until)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &events {
            let place = event.token().0;
            if event.is_writable() {
                open.connected(place)?;
            }
            if event.is_readable() || event.is_error() {
                open.receive(place);
            }
        }
    }
    report(&mut open, arguments.seconds);
    Ok(())
}

fn report(open: &mut Loop, seconds: u64) {
    let unanswered = open.in_flight;
    let seen = &mut open.seen;
    let mut members = vec![
        format!("\"requests\":{}", seen.requests),
        format!("\"microseconds\":{}", seconds * 1_000_000),
        format!("\"in_flight\":{}", seen.most_in_flight),
        format!("\"late_p50\":{}", percentile(&mut seen.lateness, 50)),
        format!("\"late_p99\":{}", percentile(&mut seen.lateness, 99)),
        format!("\"broken\":{}", seen.broken),
        format!("\"unanswered\":{unanswered}"),
    ];
    for (status, count) in &seen.served {
        members.push(format!("\"{status}\":{count}"));
    }
    for (status, latencies) in &mut seen.latencies {
        for percent in [50, 99] {
            members.push(format!("\"{status}_p{percent}\":{}", percentile(latencies, percent)));
        }
    }
    println!("RESULT {{{}}}", members.join(","));
}
