//! Metrics of requests and connections.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::families::{Counters, Histograms, Labels, seconds};
use super::open::Open;

/// The route label of a request whose path is unknown or could not be read.
pub(crate) const UNMATCHED: &str = "unmatched";

/// The label of a method or status that is not listed below.
const OTHER: &str = "other";

const METHODS: [Method; 6] = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];

/// The statuses that the service replies with, in ascending order.
const STATUSES: [(u16, &str); 25] = [
    (200, "200"),
    (201, "201"),
    (202, "202"),
    (204, "204"),
    (302, "302"),
    (303, "303"),
    (304, "304"),
    (400, "400"),
    (401, "401"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (406, "406"),
    (408, "408"),
    (409, "409"),
    (411, "411"),
    (412, "412"),
    (413, "413"),
    (415, "415"),
    (417, "417"),
    (422, "422"),
    (429, "429"),
    (431, "431"),
    (500, "500"),
    (503, "503"),
];

/// The metrics of all routes.
#[derive(Clone)]
pub(crate) struct Http {
    requests: Counters<3>,
    durations: Histograms<3>,
    connections: Gauge,
}

impl Http {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let http = Self { requests: Counters::default(), durations: seconds(), connections: Gauge::default() };
        registry.register("http_requests", "Requests that got a reply", http.requests.clone());
        registry.register_with_unit(
            "http_request_duration",
            "Time from the head of a request to the start of its reply",
            Unit::Seconds,
            http.durations.clone(),
        );
        registry.register("http_connections", "Open client connections", http.connections.clone());
        http
    }

    /// Counts a connection as open until the returned value is dropped.
    pub(crate) fn connection(&self) -> Open {
        Open::new(&self.connections)
    }

    /// Returns the metrics of one route, which its template in the router identifies.
    pub(crate) fn route(&self, template: &'static str) -> Route {
        let series = (0..=METHODS.len()).map(|_| Box::default()).collect();
        Route { template, http: self.clone(), series }
    }
}

/// The time series of one method and status of a route.
#[derive(Debug)]
struct Series {
    requests: Counter,
    durations: Histogram,
}

/// The metrics of one route.
///
/// The router stores it as application data of the resource. The middleware that finishes each reply gets it from the
/// request by its type, so it does not need to know the routes or compare templates.
#[derive(Clone)]
pub(crate) struct Route {
    template: &'static str,
    http: Http,
    /// The time series by method and status. Each is created by its first request, because most combinations never
    /// occur.
    series: Arc<[Box<[OnceLock<Series>; STATUSES.len() + 1]>]>,
}

impl Route {
    /// Records a request and its duration.
    pub(crate) fn observe(&self, method: &Method, status: StatusCode, duration: Duration) {
        if let Some(series) = self.series(method, status) {
            series.requests.inc();
            series.durations.observe(duration.as_secs_f64());
        }
    }

    /// Counts a reply to an incomplete request.
    pub(crate) fn observe_incomplete(&self, status: StatusCode) {
        if let Some(series) = self.series(&Method::CONNECT, status) {
            series.requests.inc();
        }
    }

    fn series(&self, method: &Method, status: StatusCode) -> Option<&Series> {
        let method = METHODS.iter().position(|known| known == method).unwrap_or(METHODS.len());
        let status = STATUSES.binary_search_by_key(&status.as_u16(), |known| known.0).unwrap_or(STATUSES.len());
        let series = self.series.get(method)?.get(status)?;
        Some(series.get_or_init(|| self.resolve(method, status)))
    }

    fn resolve(&self, method: usize, status: usize) -> Series {
        let method = match METHODS.get(method) {
            Some(&Method::GET) => "GET",
            Some(&Method::HEAD) => "HEAD",
            Some(&Method::POST) => "POST",
            Some(&Method::PUT) => "PUT",
            Some(&Method::PATCH) => "PATCH",
            Some(&Method::DELETE) => "DELETE",
            _ => OTHER,
        };
        let status = STATUSES.get(status).map_or(OTHER, |known| known.1);
        let labels: Labels<3> = [("method", method), ("route", self.template), ("status", status)];
        Series {
            requests: self.http.requests.get_or_create_owned(&labels),
            durations: self.http.durations.get_or_create_owned(&labels),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_in_order_and_labelled_with_themselves() {
        assert!(STATUSES.is_sorted());
        assert!(STATUSES.iter().all(|(number, label)| number.to_string() == *label));
    }

    #[test]
    fn a_method_or_a_status_that_is_unknown_is_other() {
        let route = Http::register(&mut Registry::default()).route("/a/");
        let teapot = StatusCode::IM_A_TEAPOT;
        let brew = Method::from_bytes(b"BREW").expect("a method");
        for _ in 0..3 {
            route.observe(&brew, teapot, Duration::from_millis(1));
        }
        let labels = [("method", "other"), ("route", "/a/"), ("status", "other")];
        assert_eq!(route.http.requests.get_or_create(&labels).get(), 3);
    }
}
