//! `GET /metrics`: what is counted, where it is served, and what no label tells.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use awc::http::Method;
use diesel::connection::SimpleConnection;
use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use serde_json::json;

use crate::harness::{
    App, Backend, Binary, Cluster, Database, Frozen, METRICS, PASSWORD, Scrape, begin, decoded, next_reply,
    on_both_databases, promtool, raw, registration, run_on,
};

/// Locks all customers, so that nobody's change is served.
fn whole_table(backend: Backend) -> &'static str {
    match backend {
        Backend::Sqlite => "BEGIN IMMEDIATE",
        Backend::Postgres => "BEGIN; LOCK TABLE customers IN ACCESS EXCLUSIVE MODE",
    }
}

fn requests(method: &str, route: &str, status: u16) -> String {
    format!("clientele_http_requests_total{{method=\"{method}\",route=\"{route}\",status=\"{status}\"}}")
}

const CUSTOMER: &str = "/api/v1/customers/{id}/";

/// Scrapes until a series has what is expected.
async fn until(app: &App, series: &str, is_expected: impl Fn(f64) -> bool) -> Scrape {
    let patience = Instant::now();
    loop {
        let scrape = app.scrape().await;
        if is_expected(scrape.value(series)) {
            return scrape;
        }
        assert!(patience.elapsed() < Duration::from_secs(60), "{series} is {}", scrape.value(series));
        actix_rt::time::sleep(Duration::from_millis(50)).await;
    }
}

on_both_databases! {
    async fn requests_are_counted_by_method_route_and_status(app: App) {
        let app = app.instance(&[METRICS]);
        let john = app.john();
        let body = json!({"first_name": "Jon"});
        app.change(&john, &body).await.expect(200);
        app.put("/api/v1/customers/me").token(&john.token).json(&body).send().await.expect(200);
        app.change(&john, &json!({"first_name": ""})).await.expect(422);
        app.put(&john.path()).json(&body).send().await.expect(401);
        app.show(&john).await;
        app.ask(Method::HEAD, &john.path()).token(&john.token).send().await.expect(200);
        app.post(&john.path()).send().await.expect(405);
        app.get("/health/live").send().await.expect(200);
        app.get("/nowhere").send().await.expect(404);
        let scrape = app.scrape().await;
        let expected = [
            ("PUT", CUSTOMER, 200, 2.0),
            ("PUT", CUSTOMER, 422, 1.0),
            ("PUT", CUSTOMER, 401, 1.0),
            ("GET", CUSTOMER, 200, 1.0),
            ("HEAD", CUSTOMER, 200, 1.0),
            ("POST", CUSTOMER, 405, 1.0),
            ("GET", "/health/live", 200, 1.0),
            ("GET", "unmatched", 404, 1.0),
        ];
        for (method, route, status, count) in expected {
            let series = requests(method, route, status);
            assert_eq!(scrape.value(&series), count, "{series}");
            let durations = series.replace("requests_total", "request_duration_seconds_count");
            assert_eq!(scrape.value(&durations), count, "{durations}");
            let sum = scrape.value(&series.replace("requests_total", "request_duration_seconds_sum"));
            assert!(sum > 0.0 && sum < 60.0, "{series} took {sum} s");
        }
    }

    async fn what_is_no_whole_request_is_counted_too(app: App) {
        let app = app.instance(&[METRICS, ("CLIENTELE__SERVER__HEAD_TIMEOUT_SECONDS", "1")]);
        raw(app.address, b"garbage\r\n\r\n").await.expect(400);
        raw(app.address, b"GET /health/live HTTP/1.1\r\n").await.expect(408);
        let scrape = app.scrape().await;
        for status in [400, 408] {
            assert_eq!(scrape.value(&requests("other", "unmatched", status)), 1.0, "{status}");
        }
    }

    async fn nothing_that_a_client_sends_makes_a_series(app: App) {
        let app = app.instance(&[METRICS]);
        let odd = |number: usize| {
            let (app, method) = (app.clone(), Method::from_bytes(format!("ODD{number}").as_bytes()).expect("a method"));
            async move {
                app.get(&format!("/nowhere/{number}")).send().await.expect(404);
                app.get(&format!("/api/v1/customers/{number}/")).send().await.expect(401);
                app.ask(method.clone(), "/health/live").send().await.expect(405);
                app.ask(method, "/nowhere").send().await.expect(404);
            }
        };
        odd(0).await;
        let before = app.scrape().await;
        join_all((1..50).map(odd)).await;
        let after = app.scrape().await;
        assert_eq!(after.names(), before.names());
        assert_eq!(after.value(&requests("other", "/health/live", 405)), 50.0);
        assert_eq!(after.value(&requests("GET", "unmatched", 404)), 50.0);
    }

    async fn nothing_personal_is_in_a_label(app: App) {
        let app = app.instance(&[METRICS]);
        let body = json!({
            "email": "rosa.parks@example.com", "first_name": "Rosalinde", "last_name": "Parkinson", "password": PASSWORD,
            "address": {"street_address": "17 Cleveland Avenue", "city": "Montgomery", "country": "Peru"},
        });
        app.register(&body).await.expect(201);
        let tokens = app.sign_in("rosa.parks@example.com", PASSWORD).await.expect(200).json();
        let (access, refresh) = (tokens["access"].as_str().expect("text"), tokens["refresh"].as_str().expect("text"));
        let id = decoded(access, 1)["sub"].as_str().expect("an id").to_owned();
        app.get(&format!("/api/v1/customers/{id}/")).token(access).send().await.expect(200);
        app.get(&format!("/nowhere/{id}?email=rosa.parks@example.com")).send().await.expect(404);
        app.sign_in("rosa.parks@example.com", "wrong-password-1").await.expect(401);
        let text = app.scrape().await.text;
        let session = refresh.split('.').next().expect("a session");
        for told in ["rosa", "Rosa", "parks", "Park", "example.com", "Cleveland", "Montgomery", &id, session, access, "127.0.0.1"] {
            assert!(!text.contains(told), "{told}: {text}");
        }
    }

    async fn the_format_is_what_prometheus_reads(app: App) {
        let app = app.instance(&[METRICS]);
        let john = app.john();
        app.change(&john, &json!({"first_name": "Jon"})).await.expect(200);
        app.get("/nowhere").send().await.expect(404);
        let scrape = app.scrape().await;
        assert_eq!(promtool(&["check", "metrics"], &scrape.text), "");
        let version = concat!("clientele_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}");
        assert_eq!(scrape.value(version), 1.0);
        for (series, least) in [
            ("process_resident_memory_bytes", 1e6),
            ("process_virtual_memory_bytes", 1e6),
            ("process_open_fds", 3.0),
            ("process_max_fds", 16.0),
            ("process_threads", 2.0),
            ("process_cpu_seconds_total", 0.0),
            ("process_start_time_seconds", 1.7e9),
        ] {
            assert!(scrape.find(series).is_some_and(|value| value >= least), "{series}: {:?}", scrape.find(series));
        }
    }

    async fn open_connections_are_counted_until_they_close(app: App) {
        let app = app.instance(&[METRICS]);
        let connections = "clientele_http_connections";
        let open: Vec<_> = (0..5).map(|_| TcpStream::connect(app.address).expect("a connection")).collect();
        until(&app, connections, |value| value == 5.0).await;
        drop(open);
        until(&app, connections, |value| value == 0.0).await;
    }

    async fn refusals_are_counted_by_queue_and_reason(app: App) {
        let app = app.instance(&[METRICS, ("CLIENTELE__DATABASE__QUEUE", "8")]);
        let (john, crowd) = (app.john(), app.crowd(40));
        let mut blocker = app.connection();
        blocker.batch_execute(whole_table(app.backend())).expect("the lock");
        let body = json!({"date_of_birth": "1990-01-15"});
        // One of eight places is one customer's.
        let shares: Vec<u16> =
            join_all((0..3).map(|_| app.change(&john, &body))).await.iter().map(|reply| reply.status()).collect();
        let refused = |status: u16, statuses: &[u16]| statuses.iter().filter(|told| **told == status).count() as f64;
        let floods: Vec<u16> =
            join_all(crowd.iter().map(|person| app.change(person, &body))).await.iter().map(|reply| reply.status()).collect();
        blocker.batch_execute("COMMIT").expect("the end of the lock");
        let scrape = app.scrape().await;
        let reason = |name: &str| {
            scrape.value(&format!("clientele_queue_refusals_total{{queue=\"updates\",reason=\"{name}\"}}"))
        };
        assert_eq!(reason("customer_share"), refused(429, &shares), "{shares:?}");
        assert!(reason("customer_share") >= 1.0 && reason("full") >= 1.0);
        // Whoever had a place met the lock, or no thread had time for them.
        let told = refused(503, &shares) + refused(503, &floods);
        assert_eq!(reason("full") + reason("locked") + reason("waited_too_long"), told, "{floods:?}");
        assert!(reason("locked") >= 1.0);
        assert!(scrape.value("clientele_database_retries_total{reason=\"busy\"}") >= 1.0);
        assert_eq!(scrape.value("clientele_database_up"), 1.0);
    }

    async fn what_waits_and_what_shares_a_batch_is_counted(app: App) {
        let app = app.instance(&[METRICS]);
        let crowd = app.crowd(30);
        let mut blocker = app.connection();
        blocker.batch_execute(whole_table(app.backend())).expect("the lock");
        let body = json!({"date_of_birth": "1990-01-15"});
        let mut changes: FuturesUnordered<_> = crowd.iter().map(|person| app.change(person, &body)).collect();
        let release = async {
            until(&app, "clientele_threads_busy{queue=\"updates\"}", |busy| busy >= 1.0).await;
            blocker.batch_execute("COMMIT").expect("the end of the lock");
        };
        let served = async {
            while let Some(reply) = changes.next().await {
                reply.expect(200);
            }
        };
        futures_util::future::join(release, served).await;
        let scrape = app.scrape().await;
        let (sum, count) = ("clientele_batch_size_sum{queue=\"updates\"}", "clientele_batch_size_count{queue=\"updates\"}");
        assert!(scrape.value(sum) >= 30.0, "{}", scrape.value(sum));
        assert!(scrape.value(count) < scrape.value(sum), "no two requests shared a batch");
        assert_eq!(scrape.value("clientele_queue_wait_seconds_count{queue=\"updates\"}"), 30.0);
        assert_eq!(scrape.value("clientele_queue_depth{queue=\"updates\"}"), 0.0);
        until(&app, "clientele_threads_busy{queue=\"updates\"}", |busy| busy == 0.0).await;
        assert!(scrape.value("clientele_database_connections") >= 1.0);
    }

    async fn sessions_are_counted_when_they_begin_and_when_they_end(app: App) {
        let app = app.instance(&[METRICS]);
        let email = "rosa@example.com";
        app.register(&registration(email)).await.expect(201);
        let mut tokens = Vec::new();
        for _ in 0..5 {
            tokens.push(app.sign_in(email, PASSWORD).await.expect(200).json());
        }
        app.sign_in(email, "wrong-password-1").await.expect(401);
        let token = |number: usize, name: &str| tokens[number][name].as_str().expect("a token").to_owned();
        app.post("/auth/token/revoke/").json(&json!({"refresh": token(0, "refresh")})).send().await.expect(200);
        // A second time it ends nothing.
        app.post("/auth/token/revoke/").json(&json!({"refresh": token(0, "refresh")})).send().await.expect(200);
        for _ in 0..2 {
            let next = app.refresh(&token(1, "refresh")).await.expect(200).json();
            app.refresh(next["refresh"].as_str().expect("a token")).await.expect(200);
            if app.refresh(&token(1, "refresh")).await.status() == 401 {
                break;
            }
        }
        let scrape = app.scrape().await;
        assert_eq!(scrape.value("clientele_sessions_begun_total"), 5.0);
        assert_eq!(scrape.value("clientele_sessions_ended_total{reason=\"signed_out\"}"), 1.0);
        assert_eq!(scrape.value("clientele_sessions_ended_total{reason=\"refresh_reused\"}"), 1.0);
        // Two are gone, two others go with the password, and the last one with a sign-out.
        let change = json!({"current_password": PASSWORD, "new_password": "An0ther-Passw0rd-77"});
        let (path, access) = ("/api/v1/customers/me/password/", token(2, "access"));
        app.post(path).token(&access).json(&change).send().await.expect(204);
        app.delete("/api/v1/customers/me/sessions/").token(&access).send().await.expect(204);
        let scrape = app.scrape().await;
        assert_eq!(scrape.value("clientele_sessions_ended_total{reason=\"password_changed\"}"), 2.0);
        assert_eq!(scrape.value("clientele_sessions_ended_total{reason=\"signed_out\"}"), 2.0);
        // Registration, six sign-ins, and both passwords of the change.
        assert_eq!(scrape.value("clientele_queue_wait_seconds_count{queue=\"passwords\"}"), 9.0);
        assert_eq!(scrape.value("clientele_threads_busy{queue=\"passwords\"}"), 0.0);
    }

    async fn what_is_throttled_is_counted_by_action_and_quota(app: App) {
        let burst = [("CLIENTELE__THROTTLE__ADDRESS_BURST", "4"), ("CLIENTELE__THROTTLE__ADDRESS_PER_MINUTE", "1")];
        let accounts = [("CLIENTELE__THROTTLE__ACCOUNT_BURST", "2"), ("CLIENTELE__THROTTLE__ACCOUNT_PER_MINUTE", "1")];
        let app = app.instance(&[METRICS, burst[0], burst[1], accounts[0], accounts[1]]);
        for status in [401, 401, 429, 429, 429] {
            app.sign_in("nobody@example.com", "wrong-password-1").await.expect(status);
        }
        let scrape = app.scrape().await;
        let throttled = |action: &str, quota: &str| {
            scrape.value(&format!("clientele_throttled_total{{action=\"{action}\",quota=\"{quota}\"}}"))
        };
        assert_eq!((throttled("sign_in", "account"), throttled("sign_in", "address")), (2.0, 1.0));
        assert_eq!((throttled("registration", "address"), throttled("email_change", "account")), (0.0, 0.0));
        assert_eq!(scrape.value(&requests("POST", "/auth/token/", 429)), 3.0);
    }

    async fn an_email_that_stays_is_not_counted_as_throttled(app: App) {
        let app = app.instance(&[
            METRICS,
            ("CLIENTELE__THROTTLE__ADDRESS_BURST", "1"),
            ("CLIENTELE__THROTTLE__ADDRESS_PER_MINUTE", "1"),
        ]);
        let john = app.john();
        app.change(&john, &json!({"email": "new@example.com"})).await.expect(200);
        app.change(&john, &json!({"email": "new@example.com"})).await.expect(200);
        let series = "clientele_throttled_total{action=\"email_change\",quota=\"address\"}";
        assert_eq!(app.scrape().await.value(series), 0.0);
        app.change(&john, &json!({"email": "newer@example.com"})).await.expect(429);
        assert_eq!(app.scrape().await.value(series), 1.0);
    }

    async fn there_are_none_unless_a_setting_says_where(app: App) {
        assert_eq!(app.metrics_address, None);
        app.get("/metrics").send().await.problem(404, "not_found");
    }

    async fn the_metrics_listener_serves_nothing_else(app: App) {
        let app = app.instance(&[METRICS]);
        let metrics = app.at_metrics();
        for path in ["/", "/metrics/", "/metrics/x", "/health/live", "/api/v1/customers/me/"] {
            metrics.get(path).undescribed().send().await.expect(404);
        }
        metrics.ask(Method::POST, "/metrics").send().await.expect(405);
        app.get("/metrics").send().await.problem(404, "not_found");
    }

    async fn the_metrics_are_read_while_the_service_takes_no_connection(app: App) {
        let app = app.instance(&[METRICS, ("CLIENTELE__SERVER__MAX_CONNECTIONS", "1")]);
        let head = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n";
        let (reply, _held) = next_reply(begin(app.address, head)).await;
        reply.expect(200);
        let mut unheard = begin(app.address, head);
        for _ in 0..3 {
            assert_eq!(app.scrape().await.value("clientele_http_connections"), 1.0);
        }
        unheard.set_nonblocking(true).expect("a socket");
        assert!(std::io::Read::read(&mut unheard, &mut [0; 1]).is_err(), "it was served");
    }

    async fn the_metrics_are_read_while_every_queue_is_full(app: App) {
        let app = app.instance(&[METRICS, ("CLIENTELE__DATABASE__QUEUE", "1"), ("CLIENTELE__DATABASE__THREADS", "1")]);
        let crowd = app.crowd(100);
        let mut blocker = app.connection();
        blocker.batch_execute(whole_table(app.backend())).expect("the lock");
        let body = json!({"date_of_birth": "1990-01-15"});
        let mut replies: FuturesUnordered<_> = crowd.iter().map(|person| app.change(person, &body)).collect();
        replies.next().await.expect("a reply").problem(503, "overloaded");
        let scrape = app.scrape().await;
        assert!(scrape.value("clientele_queue_refusals_total{queue=\"updates\",reason=\"full\"}") >= 1.0);
        assert!(scrape.value(&requests("PUT", CUSTOMER, 503)) >= 1.0);
        blocker.batch_execute("COMMIT").expect("the end of the lock");
        replies.map(drop).collect::<()>().await;
    }

    async fn clients_that_send_nothing_or_read_nothing_keep_prometheus_out_for_seconds_at_most(app: App) {
        let app = app.instance(&[METRICS]);
        let address = app.metrics_address.expect("metrics");
        let took = async || {
            let began = Instant::now();
            app.scrape().await;
            began.elapsed()
        };
        let _idle: Vec<TcpStream> = (0..150).map(|_| begin(address, b"")).collect();
        assert!(took().await < Duration::from_secs(2));
        let requests = b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(500);
        let greedy = actix_rt::task::spawn_blocking(move || (0..80).map(|_| begin(address, &requests)).collect::<Vec<_>>());
        let _greedy = greedy.await.expect("connections");
        assert!(took().await < Duration::from_secs(15));
    }

    async fn an_address_that_is_taken_is_one_clear_line(app: App) {
        let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = taken.local_addr().expect("an address").to_string();
        let binary = Binary::on(app.database_url()).with(METRICS.0, &address);
        binary.run(&["serve"]).refused(1, &["metrics.bind", "cannot listen on", &address]);
        for wrong in ["9100", "localhost", "127.0.0.1"] {
            let binary = Binary::on(app.database_url()).with(METRICS.0, wrong);
            binary.run(&["serve"]).refused(2, &["metrics.bind", "an address and a port"]);
        }
    }

    async fn the_metrics_end_with_the_service(app: App) {
        let serving = Binary::on(app.database_url()).with(METRICS.0, METRICS.1).serve();
        let log = serving.log();
        let (_, rest) = log.split_once("metrics on http://").expect("where the metrics are");
        let address = rest.split('/').next().expect("an address").parse().expect("an address");
        // A connection that Prometheus keeps does not hold it up.
        let (reply, mut kept) = next_reply(begin(address, b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert!(reply.expect(200).text().contains("clientele_build_info"));
        serving.signal("TERM");
        let stopping = Instant::now();
        let (code, log) = serving.wait();
        assert_eq!(code, Some(0), "{log}");
        assert!(stopping.elapsed() < Duration::from_secs(20), "{:?}", stopping.elapsed());
        assert!(TcpStream::connect(address).is_err());
        drop(kept.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
}

/// Waits until a request for John is served again.
async fn until_served(app: &App) {
    let patience = Instant::now();
    while app.change(&app.person(123), &json!({"first_name": "After"})).await.status() != 200 {
        assert!(patience.elapsed() < Duration::from_secs(60), "it does not come back");
        actix_rt::time::sleep(Duration::from_millis(200)).await;
    }
}

#[actix_rt::test]
async fn a_database_that_freezes_is_down_until_it_goes_on() {
    let cluster = Cluster::throwaway().expect("PostgreSQL");
    run_on(Database::elsewhere(Backend::Postgres, cluster.url("postgres")), async |app: App| {
        let app = app.instance(&[METRICS, ("CLIENTELE__DATABASE__STATEMENT_TIMEOUT_SECONDS", "1")]);
        let john = app.john();
        app.change(&john, &json!({"first_name": "Before"})).await.expect(200);
        let before = app.scrape().await;
        assert_eq!(before.value("clientele_database_up"), 1.0);
        let frozen = Frozen::server(&cluster);
        app.change(&john, &json!({"first_name": "Never"})).await.problem(503, "database_unavailable");
        let scrape = app.scrape().await;
        assert_eq!(scrape.value("clientele_database_up"), 0.0);
        let counted = |series: &str| scrape.value(series) - before.value(series);
        assert!(counted("clientele_database_errors_total{kind=\"timed_out\"}") >= 1.0);
        assert!(counted("clientele_queue_refusals_total{queue=\"updates\",reason=\"no_outcome\"}") >= 1.0);
        assert!(counted("clientele_threads_replaced_total{queue=\"updates\"}") >= 1.0);
        assert_eq!(counted("clientele_threads{queue=\"updates\"}"), 0.0);
        drop(frozen);
        until_served(&app).await;
        until(&app, "clientele_database_up", |up| up == 1.0).await;
        until(&app, "clientele_threads_busy{queue=\"updates\"}", |busy| busy == 0.0).await;
    })
    .await;
}

#[actix_rt::test]
async fn a_database_that_vanishes_is_down_and_without_connections_until_it_is_back() {
    let cluster = Cluster::throwaway().expect("PostgreSQL");
    run_on(Database::elsewhere(Backend::Postgres, cluster.url("postgres")), async |app: App| {
        let app = app.instance(&[METRICS]);
        let john = app.john();
        app.change(&john, &json!({"first_name": "Before"})).await.expect(200);
        let connections = "clientele_database_connections";
        assert!(app.scrape().await.value(connections) >= 1.0);
        cluster.control(&["stop", "-m", "immediate"]).expect("pg_ctl stops it");
        app.change(&john, &json!({"first_name": "Never"})).await.problem(503, "database_unavailable");
        app.get(&john.path()).token(&john.token).send().await.problem(503, "database_unavailable");
        let scrape = app.scrape().await;
        assert_eq!(scrape.value("clientele_database_up"), 0.0);
        assert!(scrape.value("clientele_database_errors_total{kind=\"unavailable\"}") >= 2.0);
        assert_eq!(scrape.value(&requests("PUT", CUSTOMER, 503)), 1.0);
        cluster.control(&["restart"]).expect("pg_ctl restarts it");
        until_served(&app).await;
        assert_eq!(app.scrape().await.value("clientele_database_up"), 1.0);
    })
    .await;
}
