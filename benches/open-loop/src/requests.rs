//! PUTs of random customers' whole profiles, each with the customer's own token and a new street and city: what
//! `benches/wrk/put.lua` sends.

use std::error::Error;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;

use rand::Rng;
use rand::SeedableRng;
use rand::rngs::SmallRng;

pub(crate) struct Requests {
    tokens: String,
    /// Where each line starts.
    lines: Vec<usize>,
    host: SocketAddr,
    random: SmallRng,
    body: Vec<u8>,
    request: Vec<u8>,
}

impl Requests {
    pub(crate) fn load(path: &Path, host: SocketAddr) -> Result<Self, Box<dyn Error>> {
        let tokens = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let mut lines = Vec::new();
        let mut start = 0;
        for line in tokens.split_inclusive('\n') {
            if line.trim_end().split('\t').count() != 5 {
                return Err(format!(
                    "{}: line {} is not one that `clientele seed` wrote",
                    path.display(),
                    lines.len() + 1
                )
                .into());
            }
            lines.push(start);
            start += line.len();
        }
        if lines.is_empty() {
            return Err(format!("{}: there are no tokens", path.display()).into());
        }
        Ok(Self { tokens, lines, host, random: SmallRng::from_os_rng(), body: Vec::new(), request: Vec::new() })
    }

    /// The next request, head and body.
    pub(crate) fn next(&mut self) -> &[u8] {
        let start = self.lines[self.random.random_range(0..self.lines.len())];
        let line = self.tokens[start..].split('\n').next().unwrap_or_default();
        let mut columns = line.split('\t');
        let mut column = || columns.next().unwrap_or_default();
        let (id, token, email, first_name, last_name) = (column(), column(), column(), column(), column());
        let street = self.random.random_range(100_000_000..=999_999_999);
        let city = self.random.random_range(1000..=9999);
        self.body.clear();
        self.request.clear();
        // Writing to memory does not fail.
        let _ = write!(
            self.body,
            r#"{{"email":"{email}","first_name":"{first_name}","last_name":"{last_name}","date_of_birth":"1990-01-15","address":{{"street_address":"{street} Oak Avenue","postal_code":54321,"city":"Los Angeles {city}","state":"California","country":"United States"}}}}"#
        );
        let _ = write!(
            self.request,
            "PUT /api/v1/customers/{id}/ HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            self.host,
            self.body.len()
        );
        self.request.extend_from_slice(&self.body);
        &self.request
    }
}
