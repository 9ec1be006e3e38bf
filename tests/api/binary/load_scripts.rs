//! The wrk scripts of `benches/wrk`: when most answers are errors, they name the likely cause.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use crate::harness::Binary;

/// A database with ten customers, and `tokens.tsv` beside it.
fn seeded(more: &[&str]) -> Binary {
    let binary = Binary::on("sqlite://load.db");
    binary.run(&[&["seed", "--customers", "10", "--tokens", "tokens.tsv"], more].concat()).done();
    binary
}

/// What wrk prints after a second of one script with those tokens.
fn wrk(script: &str, tokens: &Binary, address: SocketAddr) -> String {
    let script = format!("{}/benches/wrk/{script}.lua", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("wrk");
    command.args(["-t1", "-c1", "-d1s", "-s", &script, &format!("http://{address}")]);
    let output =
        command.env("TOKENS", tokens.folder().join("tokens.tsv")).output().expect("wrk, which tests/run installs");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Checks that the script saw errors alone and names this cause.
#[track_caller]
fn blames(printed: &str, cause: &str) {
    assert!(printed.contains("answers are errors. Likely: "), "{printed}");
    assert!(printed.contains(cause), "{cause}: {printed}");
}

#[test]
fn a_load_that_is_set_up_by_the_book_has_no_error() {
    let binary = seeded(&[]);
    let serving = binary.serve();
    for script in ["put", "get", "rename"] {
        let printed = wrk(script, &binary, serving.address);
        assert!(printed.contains(r#""above_399":0,"#) && !printed.contains("Likely"), "{script}: {printed}");
    }
}

#[test]
fn a_script_that_is_meant_to_be_refused_names_no_cause() {
    let binary = seeded(&[]);
    let printed = wrk("refused", &binary, binary.serve().address);
    assert!(!printed.contains(r#""above_399":0,"#) && !printed.contains("Likely"), "{printed}");
}

#[test]
fn tokens_of_another_secret_are_blamed() {
    let other = Binary::on("sqlite://load.db").with("CLIENTELE__AUTH__SECRET", &"another-secret-".repeat(4));
    blames(&wrk("put", &seeded(&[]), other.serve().address), "another secret");
}

#[test]
fn tokens_that_have_expired_are_blamed() {
    let binary = seeded(&["--ttl", "1"]);
    let serving = binary.serve();
    std::thread::sleep(std::time::Duration::from_secs(2));
    blames(&wrk("get", &binary, serving.address), "have expired");
}

#[test]
fn a_database_without_the_customers_is_blamed() {
    let empty = Binary::on("sqlite://load.db");
    blames(&wrk("put", &seeded(&[]), empty.serve().address), "none of the customers");
}

#[test]
fn another_program_on_the_port_is_blamed() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = listener.local_addr().expect("its address");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let _request = stream.read(&mut [0; 4096])?;
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            });
        }
    });
    blames(&wrk("get", &seeded(&[]), address), "not Clientele");
}
