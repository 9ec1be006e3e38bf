//! Imports and exports of many customers: in bounded memory, whatever they are called.

use std::io::{BufRead, BufReader, Write};
use std::process::Child;

use serde_json::json;

use crate::harness::{Binary, Finished, on_both_databases, peak_memory};

/// Sends customers `numbers` to an import that runs.
fn feed(child: &mut Child, numbers: std::ops::Range<u32>) {
    let input = child.stdin.as_mut().expect("standard input");
    for number in numbers {
        let address = json!({"street_address": format!("{number} Long Winding Road"), "city": "Lima", "country": "Peru", "postal_code": "02134"});
        let line = json!({"id": number + 1, "email": format!("c{number}@example.com"), "first_name": "Customer",
            "last_name": format!("Number {number}"), "date_of_birth": "1990-01-15", "address": address});
        writeln!(input, "{line}").expect("the import reads");
    }
}

/// How many KiB more may be held after ten times as many customers.
const GROWTH: u64 = 12 * 1024;

on_both_databases! {
    async fn the_line_behind_one_of_the_longest_length_is_read(app: App) {
        let line = |id: u32, last_name: &str| {
            json!({"id": id, "email": format!("c{id}@example.com"), "first_name": "Customer", "last_name": last_name})
        };
        let mut longest = line(1, "").to_string();
        let missing = 65_536 - longest.len();
        longest = line(1, &"x".repeat(missing)).to_string();
        assert_eq!(longest.len(), 65_536);
        let input = format!("{longest}\n{}\n{longest}y\n{}\n", line(2, "Second"), line(4, "Fourth"));
        let finished = Binary::on(app.database_url()).run_with(&["customer", "import", "-"], &input);
        assert!(finished.out.contains("4 lines: 2 added, 0 were there, 2 refused"), "{finished:?}");
        assert_eq!(app.rows("customers"), 2);
    }

    async fn a_hundred_thousand_customers_take_the_memory_of_ten_thousand(app: App) {
        let mut child = Binary::on(app.database_url()).start(&["customer", "import", "-"]);
        feed(&mut child, 0..10_000);
        let early = peak_memory(child.id());
        feed(&mut child, 10_000..100_000);
        let late = peak_memory(child.id());
        let finished = Finished::from(child.wait_with_output().expect("its end"));
        assert_eq!(finished.done(), "100000 lines: 100000 added, 0 were there, 0 refused");
        assert!(late < early + GROWTH, "{early} KiB, then {late} KiB");

        let mut child = Binary::on(app.database_url()).start(&["customer", "export"]);
        let mut lines = BufReader::new(child.stdout.take().expect("standard output")).lines();
        assert_eq!(lines.by_ref().take(10_000).filter(Result::is_ok).count(), 10_000);
        let early = peak_memory(child.id());
        assert_eq!(lines.by_ref().take(88_000).filter(Result::is_ok).count(), 88_000);
        let late = peak_memory(child.id());
        assert_eq!(lines.filter(Result::is_ok).count(), 2_000);
        assert_eq!(child.wait().expect("its end").code(), Some(0));
        assert!(late < early + GROWTH, "{early} KiB, then {late} KiB");
    }

    async fn sixty_thousand_rows_of_csv_take_the_memory_of_ten_thousand(app: App) {
        let mut child = Binary::on(app.database_url()).start(&["customer", "import", "--format", "csv", "-"]);
        let mut feed = |numbers: std::ops::Range<u32>| {
            let input = child.stdin.as_mut().expect("standard input");
            if numbers.start == 0 {
                input.write_all(b"id,email,first_name,last_name,date_of_birth,city,country,street_address\r\n").expect("the import reads");
            }
            for number in numbers {
                let row = format!("{},c{number}@example.com,Customer,Number {number},1990-01-15,Lima,Peru,\"{number} Long,\r\nRoad\"\r\n", number + 1);
                input.write_all(row.as_bytes()).expect("the import reads");
            }
            peak_memory(child.id())
        };
        let (early, late) = (feed(0..10_000), feed(10_000..60_000));
        let finished = Finished::from(child.wait_with_output().expect("its end"));
        assert_eq!(finished.done(), "60000 rows: 60000 added, 0 were there, 0 refused");
        assert!(late < early + GROWTH, "{early} KiB, then {late} KiB");
    }

    async fn twenty_thousand_namesakes_are_imported_in_one_run(app: App) {
        let namesake = |number| json!({"email": format!("n{number}@example.com"), "first_name": "John", "last_name": "Doe"});
        let input: String = (0..20_000).map(|number| format!("{}\n", namesake(number))).collect();
        let finished = Binary::on(app.database_url()).run_with(&["customer", "import", "-"], &input);
        assert_eq!(finished.done(), "20000 lines: 20000 added, 0 were there, 0 refused");
        assert_eq!(app.number("SELECT COUNT(DISTINCT slug) AS value FROM customers WHERE slug LIKE 'john-doe%'"), 20_000);
    }
}
