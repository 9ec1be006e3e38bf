//! SIGTERM finishes what is in flight; SIGKILL loses nothing that was acknowledged.

use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::{App, Binary, Person, begin, on_both_databases, raw, read_reply};

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

on_both_databases! {
    async fn sigterm_finishes_what_is_in_flight_and_exits_0(app: App) {
        let john = app.john();
        let serving = Binary::on(app.database_url()).serve();
        let body = r#"{"first_name":"Finished"}"#;
        let head = format!(
            "PUT /api/v1/customers/123/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
            john.token,
            body.len()
        );
        let mut in_flight = begin(serving.address, head.as_bytes());
        // Its handler runs once it asks for the body.
        let mut asked = [0; 25];
        std::io::Read::read_exact(&mut in_flight, &mut asked).expect("100 Continue");
        assert!(asked.starts_with(b"HTTP/1.1 100 Continue"));
        serving.signal("TERM");
        // Stopping has begun when nobody new is let in.
        while TcpStream::connect(serving.address).is_ok() {
            actix_rt::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        in_flight.write_all(body.as_bytes()).expect("the body");
        let reply = read_reply(in_flight).await.expect(200);
        assert_eq!(reply.json()["first_name"], "Finished");
        let (code, log) = serving.wait();
        assert_eq!(code, Some(0), "{log}");
        assert_eq!(app.show(&john).await["first_name"], "Finished");
    }

    async fn sigterm_stops_an_idle_service_with_exit_code_0(app: App) {
        let serving = Binary::on(app.database_url()).serve();
        let request = b"GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        raw(serving.address, request).await.expect(200);
        serving.signal("TERM");
        let (code, log) = serving.wait();
        assert_eq!(code, Some(0), "{log}");
    }

    async fn sigterm_does_not_wait_for_idle_connections(app: App) {
        let binary = Binary::on(app.database_url()).with("CLIENTELE__SERVER__KEEP_ALIVE_SECONDS", "3600");
        let serving = binary.with("CLIENTELE__SERVER__SHUTDOWN_TIMEOUT_SECONDS", "3600").serve();
        let mut idle = begin(serving.address, b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
        let mut first_line = [0; 15];
        std::io::Read::read_exact(&mut idle, &mut first_line).expect("a reply");
        assert_eq!(&first_line, b"HTTP/1.1 200 OK");
        let silent = begin(serving.address, b"");
        serving.signal("TERM");
        let (code, log) = serving.wait();
        assert_eq!(code, Some(0), "{log}");
        drop((idle, silent));
    }

    async fn sigkill_under_write_load_loses_nothing_that_was_acknowledged(app: App) {
        let crowd = app.crowd(WRITERS);
        let serving = Binary::on(app.database_url()).serve();
        let doomed = app.at(serving.address);
        let acknowledged = AtomicU64::new(0);
        let kill = async {
            while acknowledged.load(Ordering::SeqCst) < ENOUGH {
                actix_rt::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            serving.signal("KILL");
        };
        let writes = join_all(crowd.iter().map(|person| write_until_death(&doomed, person, &acknowledged)));
        let (last, ()) = futures_util::future::join(writes, kill).await;
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
