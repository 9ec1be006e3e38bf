//! Pages of other origins, in a real browser: what they may ask and what they can read.
//!
//! An empty page is served on a port of its own. `localhost` and `127.0.0.1` are two origins to a browser; the service
//! lists the first.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use serde_json::{Value, json};

use crate::harness::{App, Backend, Cluster, Database, Person, node, registration, run, run_on};

/// An empty page, served as long as the process lives.
struct Page(SocketAddr);

impl Page {
    fn serve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("its address");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A browser opens connections that it does not use at once.
                std::thread::spawn(move || show_page(stream));
            }
        });
        Self(address)
    }

    /// The origin that the service lists.
    fn listed(&self) -> String {
        format!("http://localhost:{}", self.0.port())
    }

    /// The same page, of an origin that it does not list.
    fn unlisted(&self) -> String {
        format!("http://127.0.0.1:{}", self.0.port())
    }
}

fn show_page(mut stream: TcpStream) {
    let head = BufReader::new(stream.try_clone().expect("the same stream")).lines().map_while(Result::ok);
    if head.take_while(|line| !line.is_empty()).count() == 0 {
        return;
    }
    let page = "<!doctype html><title>A shop</title>";
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close";
    // The browser may have closed.
    drop(write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{page}", page.len()));
}

/// What a page could read of the replies to requests that it sent one after the other.
async fn fetch(page: &str, requests: &[Value]) -> Vec<Value> {
    let order = json!({"page": page, "requests": requests});
    let printed = node("fetch.mjs", &[&order.to_string()]).await;
    serde_json::from_str(&printed).expect("a list of replies")
}

/// A request of the page with the owner's token.
fn ask(app: &App, person: &Person, method: &str, headers: &Value, body: &Value) -> Value {
    let mut all = json!({"Authorization": format!("Bearer {}", person.token), "Content-Type": "application/json"});
    let more = headers.as_object().into_iter().flatten();
    all.as_object_mut().expect("an object").extend(more.map(|(name, value)| (name.clone(), value.clone())));
    let url = format!("http://{}{}", app.address, person.path());
    let body = if body.is_null() { Value::Null } else { body.to_string().into() };
    json!({"url": url, "method": method, "headers": all, "body": body})
}

/// An instance that lists the page's origin.
fn listing(app: &App, page: &Page) -> App {
    app.instance(&[("CLIENTELE__SERVER__CORS_ORIGINS", &page.listed())])
}

/// Status and, of a problem, its code.
fn outcomes(replies: &[Value]) -> Vec<(u64, String)> {
    let outcome = |reply: &Value| {
        let body = reply["body"].as_str().and_then(|body| serde_json::from_str::<Value>(body).ok());
        let code = body.and_then(|body| body["code"].as_str().map(ToOwned::to_owned));
        (reply["status"].as_u64().unwrap_or_default(), code.unwrap_or_default())
    };
    replies.iter().map(outcome).collect()
}

#[track_caller]
fn assert_outcomes(replies: &[Value], expected: &[(u64, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(status, code)| (*status, (*code).to_owned())).collect();
    assert_eq!(outcomes(replies), expected, "{replies:#?}");
}

#[actix_rt::test]
async fn a_page_of_a_listed_origin_reads_and_changes_the_customer() {
    run(Backend::Sqlite, async |app: App| {
        let (page, john) = (Page::serve(), app.john());
        let app = listing(&app, &page);
        let etag = app.etag(&john).await;
        let mut register =
            ask(&app, &john, "POST", &json!({"X-Request-Id": "mine"}), &registration("rosa@example.com"));
        register["url"] = format!("http://{}/api/v1/customers/", app.address).into();
        let merge = json!({"If-Match": etag, "Content-Type": "application/merge-patch+json"});
        let requests = [
            ask(&app, &john, "GET", &json!({}), &Value::Null),
            ask(&app, &john, "GET", &json!({"If-None-Match": etag}), &Value::Null),
            ask(&app, &john, "PUT", &json!({"If-Match": etag}), &json!({"first_name": "Jonathan"})),
            ask(&app, &john, "PATCH", &merge, &json!({"first_name": "Late"})),
            ask(&app, &john, "PATCH", &json!({"If-Match": "*"}), &json!({"last_name": "Roe"})),
            register,
            ask(&app, &john, "DELETE", &json!({}), &Value::Null),
        ];
        let replies = fetch(&page.listed(), &requests).await;
        let read = [200, 304, 200, 412, 200, 201, 204]
            .map(|status| (status, if status == 412 { "version_mismatch" } else { "" }));
        assert_outcomes(&replies, &read);
        let header = |number: usize, name: &str| replies[number]["headers"][name].as_str().unwrap_or_default();
        assert_eq!(header(0, "etag"), etag);
        assert!(!header(4, "etag").is_empty() && header(4, "etag") != etag);
        assert!(header(5, "location").starts_with("/api/v1/customers/"));
        assert_eq!(header(5, "x-request-id"), "mine");
        assert!(replies[4]["body"].as_str().is_some_and(|body| body.contains("Jonathan") && body.contains("Roe")));
    })
    .await;
}

#[actix_rt::test]
async fn a_page_of_another_origin_changes_nothing_and_reads_nothing() {
    run(Backend::Sqlite, async |app: App| {
        let (page, john) = (Page::serve(), app.john());
        let app = listing(&app, &page);
        let requests = [
            ask(&app, &john, "GET", &json!({}), &Value::Null),
            ask(&app, &john, "PUT", &json!({}), &json!({"first_name": "Mallory"})),
            ask(&app, &john, "DELETE", &json!({}), &Value::Null),
            // One that a browser sends without asking first.
            json!({"url": format!("http://{}/health/live", app.address)}),
        ];
        let replies = fetch(&page.unlisted(), &requests).await;
        assert_eq!(replies, vec![json!({"error": "TypeError"}); 4]);
        assert_eq!(app.show(&john).await["first_name"], "John");
        // The same requests, from the page that may.
        let replies = fetch(&page.listed(), &requests).await;
        assert_outcomes(&replies, &[200, 200, 204, 200].map(|status| (status, "")));
    })
    .await;
}

#[actix_rt::test]
async fn a_page_reads_the_problem_of_each_error() {
    run(Backend::Sqlite, async |app: App| {
        let (page, john, jane) = (Page::serve(), app.john(), app.jane());
        let app = listing(&app, &page);
        let put = |headers: Value, body: Value| ask(&app, &john, "PUT", &headers, &body);
        let requests = [
            put(json!({"Authorization": "Bearer garbage"}), json!({})),
            ask(&app, &Person { token: john.token.clone(), ..jane }, "GET", &json!({}), &Value::Null),
            ask(&app, &Person { id: 0, ..john.clone() }, "GET", &json!({}), &Value::Null),
            ask(&app, &john, "POST", &json!({}), &json!({})),
            put(json!({}), " ".repeat(70_000).into()),
            put(json!({"Content-Type": "text/plain"}), json!({})),
            put(json!({}), json!({"first_name": "", "nick": 1})),
        ];
        let replies = fetch(&page.listed(), &requests).await;
        assert_outcomes(
            &replies,
            &[
                (401, "token_invalid"),
                (403, "not_owner"),
                (404, "not_found"),
                (405, "method_not_allowed"),
                (413, "body_too_large"),
                (415, "unsupported_media_type"),
                (422, "validation_failed"),
            ],
        );
        assert!(replies[0]["headers"]["www-authenticate"].as_str().is_some_and(|text| text.contains("invalid_token")));
        for reply in &replies {
            let id = reply["headers"]["x-request-id"].as_str().expect("a request id");
            assert!(reply["body"].as_str().is_some_and(|body| body.contains(id)));
        }
    })
    .await;
}

#[actix_rt::test]
async fn a_page_reads_that_the_database_is_away_and_when_to_come_again() {
    let cluster = Cluster::throwaway().expect("PostgreSQL");
    run_on(Database::elsewhere(Backend::Postgres, cluster.url("postgres")), async |app: App| {
        let (page, john) = (Page::serve(), app.john());
        let app = listing(&app, &page);
        cluster.control(&["stop", "-m", "immediate"]).expect("pg_ctl stops it");
        let change = json!({"first_name": "Never"});
        let requests = [
            ask(&app, &john, "GET", &json!({}), &Value::Null),
            ask(&app, &john, "PUT", &json!({}), &change),
            ask(&app, &john, "PATCH", &json!({"If-Match": "*"}), &change),
        ];
        let replies = fetch(&page.listed(), &requests).await;
        assert_outcomes(&replies, &[(503, "database_unavailable"); 3]);
        for reply in &replies {
            let seconds = reply["headers"]["retry-after"].as_str().and_then(|text| text.parse::<u32>().ok());
            assert!(seconds.is_some_and(|seconds| seconds > 0), "{reply}");
        }
    })
    .await;
}
