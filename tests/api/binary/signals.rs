//! SIGTERM and SIGINT finish what is in flight, in time; SIGKILL loses nothing that was acknowledged.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use serde_json::json;

use crate::harness::{App, Binary, Person, Serving, begin, next_reply, on_both_databases, raw, read_reply};

/// Writers at once, each with a customer of its own.
const WRITERS: i64 = 16;
/// Acknowledged writes before the kill.
const ENOUGH: u64 = 300;

/// Writes 1, 2, 3, … into a customer until the service is gone; the last number that was acknowledged.
async fn write_until_death(app: &App, person: &Person, acknowledged: &AtomicU64) -> u64 {
    for number in 1.. {
        let body = json!({"last_name": number.to_string(), "address": {"street_address": "1", "city": number.to_string(), "country": "Peru"}});
        match app.put(&person.path()).token(&person.token).json(&body).try_send().await {
            Some(reply) => {
                reply.expect(200);
                acknowledged.fetch_add(1, Ordering::SeqCst);
            }
            None => return number - 1,
        }
    }
    0
}

/// The signals that stop a service.
pub(super) const STOPS: [&str; 2] = ["TERM", "INT"];
/// Much longer than an end takes that does not wait for anything.
pub(super) const SOON: Duration = Duration::from_secs(20);

/// Begins a change, of which only the body is missing, and whose handler waits for that.
fn begin_change(address: SocketAddr, person: &Person, body: &str) -> TcpStream {
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        person.path(),
        person.token,
        body.len()
    );
    let mut in_flight = begin(address, head.as_bytes());
    let mut asked = [0; 25];
    in_flight.read_exact(&mut asked).expect("100 Continue");
    assert!(asked.starts_with(b"HTTP/1.1 100 Continue"));
    in_flight
}

/// Waits until a stop has begun.
async fn until_it_stops(serving: &Serving) {
    let patience = Instant::now();
    while !serving.log().contains(": stopping") {
        assert!(patience.elapsed() < SOON, "no stop begins");
        actix_rt::time::sleep(Duration::from_millis(10)).await;
    }
}

on_both_databases! {
    async fn a_stop_finishes_what_is_in_flight_and_exits_0(app: App) {
        let john = app.john();
        for signal in STOPS {
            let serving = Binary::on(app.database_url()).serve();
            let body = format!(r#"{{"first_name":"Finished by {signal}"}}"#);
            let mut in_flight = begin_change(serving.address, &john, &body);
            serving.signal(signal);
            until_it_stops(&serving).await;
            in_flight.write_all(body.as_bytes()).expect("the body");
            let reply = read_reply(in_flight).await.expect(200);
            assert_eq!(reply.json()["first_name"], format!("Finished by {signal}"));
            let (code, log) = serving.wait();
            assert_eq!(code, Some(0), "{log}");
            assert_eq!(app.show(&john).await["first_name"], format!("Finished by {signal}"));
        }
    }

    async fn a_stop_of_an_idle_service_is_exit_code_0(app: App) {
        for signal in STOPS {
            let serving = Binary::on(app.database_url()).serve();
            let request = b"GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            raw(serving.address, request).await.expect(200);
            serving.signal(signal);
            let (code, log) = serving.wait();
            assert_eq!(code, Some(0), "{log}");
        }
    }

    async fn a_stop_does_not_wait_for_idle_connections(app: App) {
        for signal in STOPS {
            let binary = Binary::on(app.database_url()).with("CLIENTELE__SERVER__KEEP_ALIVE_SECONDS", "3600");
            let serving = binary.with("CLIENTELE__SERVER__SHUTDOWN_TIMEOUT_SECONDS", "3600").serve();
            let (reply, idle) =
                next_reply(begin(serving.address, b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")).await;
            reply.expect(200);
            let silent = begin(serving.address, b"");
            let half = begin(serving.address, b"GET /health/live HTTP/1.1\r\nHost");
            serving.signal(signal);
            let (code, log) = serving.wait();
            assert_eq!(code, Some(0), "{log}");
            drop((idle, silent, half));
        }
    }

    async fn whoever_is_not_finished_in_time_is_told_503(app: App) {
        let john = app.john();
        let binary = Binary::on(app.database_url()).with("CLIENTELE__SERVER__SHUTDOWN_TIMEOUT_SECONDS", "2");
        let serving = binary.serve();
        let in_flight = begin_change(serving.address, &john, "{}");
        serving.signal("TERM");
        let started = Instant::now();
        read_reply(in_flight).await.problem(503, "overloaded");
        let (code, log) = serving.wait();
        assert_eq!(code, Some(0), "{log}");
        assert!(started.elapsed() < SOON);
    }

    async fn a_second_signal_ends_the_service_at_once(app: App) {
        let john = app.john();
        for (first, second) in [("TERM", "TERM"), ("INT", "INT"), ("TERM", "INT")] {
            let binary = Binary::on(app.database_url()).with("CLIENTELE__SERVER__SHUTDOWN_TIMEOUT_SECONDS", "3600");
            let serving = binary.serve();
            let in_flight = begin_change(serving.address, &john, "{}");
            serving.signal(first);
            until_it_stops(&serving).await;
            let started = Instant::now();
            serving.signal(second);
            let (code, log) = serving.wait();
            assert_eq!(code, Some(1), "{log}");
            assert!(started.elapsed() < SOON);
            drop(in_flight);
        }
    }

    async fn sighup_is_ignored(app: App) {
        let john = app.john();
        let serving = Binary::on(app.database_url()).serve();
        let mut in_flight = begin_change(serving.address, &john, r#"{"first_name":"Still"}"#);
        serving.signal("HUP");
        serving.signal("HUP");
        in_flight.write_all(br#"{"first_name":"Still"}"#).expect("the body");
        assert_eq!(next_reply(in_flight).await.0.expect(200).json()["first_name"], "Still");
        let patience = Instant::now();
        while !serving.log().contains("SIGHUP") {
            assert!(patience.elapsed() < SOON, "nothing is said of the signal");
            actix_rt::time::sleep(Duration::from_millis(10)).await;
        }
        serving.signal("TERM");
        let (code, log) = serving.wait();
        assert_eq!(code, Some(0), "{log}");
    }

    async fn a_stop_under_write_load_answers_every_change_that_it_applies(app: App) {
        let crowd = app.crowd(WRITERS);
        for signal in STOPS {
            let serving = Binary::on(app.database_url()).serve();
            let stopped = app.at(serving.address);
            let acknowledged = AtomicU64::new(0);
            let stop = async {
                while acknowledged.load(Ordering::SeqCst) < ENOUGH {
                    actix_rt::time::sleep(Duration::from_millis(5)).await;
                }
                serving.signal(signal);
            };
            let writes = join_all(crowd.iter().map(|person| write_until_death(&stopped, person, &acknowledged)));
            let (last, ()) = join(writes, stop).await;
            let (code, log) = serving.wait();
            assert_eq!(code, Some(0), "{log}");
            for (person, acknowledged) in crowd.iter().zip(last) {
                assert_eq!(app.show(person).await["last_name"], acknowledged.to_string());
            }
        }
    }

    async fn sigkill_under_write_load_loses_nothing_that_was_acknowledged(app: App) {
        let crowd = app.crowd(WRITERS);
        let serving = Binary::on(app.database_url()).serve();
        let doomed = app.at(serving.address);
        let acknowledged = AtomicU64::new(0);
        let kill = async {
            while acknowledged.load(Ordering::SeqCst) < ENOUGH {
                actix_rt::time::sleep(Duration::from_millis(5)).await;
            }
            serving.signal("KILL");
        };
        let writes = join_all(crowd.iter().map(|person| write_until_death(&doomed, person, &acknowledged)));
        let (last, ()) = join(writes, kill).await;
        assert_eq!(serving.wait().0, None);

        let risen = Binary::on(app.database_url()).serve();
        let risen_app = app.at(risen.address);
        for (person, acknowledged) in crowd.iter().zip(last) {
            let shown = risen_app.show(person).await;
            let kept: u64 = shown["last_name"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default();
            // The write that was under way may have been kept, unacknowledged.
            assert!(kept == acknowledged || kept == acknowledged + 1, "{acknowledged} acknowledged: {shown}");
            if kept > 0 {
                assert_eq!(shown["address"]["city"], shown["last_name"], "half a write: {shown}");
            }
        }
    }
}
