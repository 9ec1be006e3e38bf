//! Bodies: media types, sizes, slowness, and everything that is not the JSON of a customer ("Bad input").

use serde_json::json;

use crate::harness::{App, Person, Reply, begin, on_both_databases, raw, read_reply};

async fn put_as(app: &App, john: &Person, media_type: &str) -> Reply {
    let ask = app.put(&john.path()).token(&john.token).header("Content-Type", media_type);
    ask.body(r#"{"first_name":"Jon"}"#).send().await
}

on_both_databases! {
    async fn json_in_utf_8_is_accepted(app: App) {
        let john = app.john();
        for media_type in [
            "application/json", "Application/JSON", "application/json; charset=utf-8", "application/json;charset=\"UTF-8\"",
            "application/json; charset=utf8", "application/json;Charset=\"UTF8\"", "application/json; charset=utf8; x=y",
        ] {
            put_as(&app, &john, media_type).await.expect(200);
        }
    }

    async fn another_media_type_is_415(app: App) {
        let john = app.john();
        for media_type in [
            "text/plain", "text/json", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/xml",
            "application/jsonp", "application/problem+json", "application/json; charset=iso-8859-1", "application/json; charset=utf-16", "application/json; charset=utf88",
            "application/json; charset=", "json", "*/*", "",
        ] {
            put_as(&app, &john, media_type).await.problem(415, "unsupported_media_type");
        }
        let untyped = app.put(&john.path()).token(&john.token).body("{}");
        untyped.send().await.problem(415, "unsupported_media_type");
        let encoded = app.put(&john.path()).token(&john.token).header("Content-Encoding", "gzip").text("{}");
        encoded.send().await.problem(415, "unsupported_media_type");
        assert_eq!(app.show(&john).await["first_name"], "John");
    }

    async fn a_body_of_64_kib_is_read_and_one_byte_more_is_413(app: App) {
        let john = app.john();
        let padded = |length: usize| format!("{{}}{}", " ".repeat(length - 2));
        app.change_text(&john, &padded(64 * 1024)).await.expect(200);
        app.change_text(&john, &padded(64 * 1024 + 1)).await.problem(413, "body_too_large");
    }

    async fn ten_megabytes_are_413_and_the_service_goes_on(app: App) {
        let john = app.john();
        let large = format!("{{\"first_name\":\"{}\"}}", "a".repeat(10_000_000));
        app.change_text(&john, &large).await.problem(413, "body_too_large");
        app.change(&john, &json!({"first_name": "Jon"})).await.expect(200);
    }

    async fn a_chunked_body_counts_too(app: App) {
        let john = app.john();
        let head = format!(
            "PUT /api/v1/customers/123/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
             Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n",
            john.token
        );
        let chunk = format!("8000\r\n{}\r\n", " ".repeat(0x8000));
        let small = format!("{head}2\r\n{{}}\r\n{chunk}0\r\n\r\n");
        raw(app.address, small.as_bytes()).await.expect(200);
        let large = format!("{head}2\r\n{{}}\r\n{chunk}{chunk}0\r\n\r\n");
        raw(app.address, large.as_bytes()).await.problem(413, "body_too_large");
    }

    async fn a_body_that_never_ends_is_408(app: App) {
        let john = app.john();
        let hurried = app.instance(&[("CLIENTELE__SERVER__BODY_TIMEOUT_SECONDS", "1")]);
        let head = format!(
            "PUT /api/v1/customers/123/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: 100\r\nConnection: close\r\n\r\n{{",
            john.token
        );
        read_reply(begin(hurried.address, head.as_bytes())).await.problem(408, "request_timeout");
    }

    async fn a_head_that_never_ends_is_408(app: App) {
        let hurried = app.instance(&[("CLIENTELE__SERVER__HEAD_TIMEOUT_SECONDS", "1")]);
        let head = b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-Slow: ";
        read_reply(begin(hurried.address, head)).await.problem(408, "request_timeout");
    }

    async fn what_is_not_json_is_400(app: App) {
        let john = app.john();
        for text in [
            "", " ", "{", "}", "{]", "[1,", "nul", "True", "{'first_name':'Jon'}", "{first_name:\"Jon\"}", "{\"a\":01}", "{\"a\":.5}",
            "{\"a\":+1}", "{\"a\":NaN}", "{\"a\":Infinity}", "{\"a\":1,}", "{} {}", "{}x", "{\"a\":\"\t\"}", "{\"a\":\"\\x41\"}",
            "// no\n{}", "\u{feff}{}", "first_name=Jon", "{\"a\":\"", "{\"a\"", "{\"first_name\":\"a\0b\"}",
        ] {
            app.change_text(&john, text).await.problem(400, "malformed_json");
        }
    }

    async fn json_that_is_no_object_is_422(app: App) {
        let john = app.john();
        for text in ["null", "true", "1", "\"text\"", "[]", "[{\"first_name\":\"Jon\"}]"] {
            app.change_text(&john, text).await.fields(&[("#", "type")]);
        }
    }

    async fn bytes_that_are_no_utf_8_are_400(app: App) {
        let john = app.john();
        for bytes in [&b"{\"first_name\":\"\xff\"}"[..], b"{\"first_name\":\"\xc3\"}", b"{\"first_name\":\"\xed\xa0\x80\"}", b"\xff\xfe{\0}\0"] {
            let ask = app.put(&john.path()).token(&john.token).header("Content-Type", "application/json");
            ask.body(bytes.to_vec()).send().await.problem(400, "malformed_json");
        }
    }

    async fn a_member_that_stands_there_twice_is_400(app: App) {
        let john = app.john();
        for text in [
            r#"{"first_name":"A","first_name":"B"}"#,
            r#"{"first_name":"A","first_name":"A"}"#,
            r#"{"first_name":"A","\u0066irst_name":"B"}"#,
            r#"{"slug":"a","slug":"b"}"#,
            r#"{"address":null,"address":null}"#,
            r#"{"address":{"street_address":"1","city":"A","city":"B","country":"Peru"}}"#,
        ] {
            app.change_text(&john, text).await.problem(400, "malformed_json");
        }
        assert_eq!(app.etag(&john).await, "\"1\"");
    }

    async fn deep_nesting_ends_in_an_error(app: App) {
        let john = app.john();
        for depth in [100, 1_000, 30_000] {
            for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
                for member in ["first_name", "address", "slug", "unknown"] {
                    let close = if depth * (open.len() + 1) < 64_000 { close.repeat(depth) } else { String::new() };
                    let open = open.repeat(depth.min(60_000 / open.len()));
                    let text = format!("{{\"{member}\":{open}1{close}}}");
                    let reply = app.change_text(&john, &text).await;
                    let expected: &[u16] = if member == "slug" { &[200, 400] } else { &[400, 422] };
                    assert!(expected.contains(&reply.status()), "{member} {depth}: {reply:?}");
                }
            }
        }
        app.change(&john, &json!({"first_name": "Jon"})).await.expect(200);
    }

    async fn nul_and_lone_surrogates_in_escapes_are_422(app: App) {
        let john = app.john();
        for escape in [r"\u0000", r"\ud800", r"\udc00", r"\udc00\ud800", r"a\ud83d", r"\u202e", r"\u0007"] {
            for member in ["first_name", "last_name", "date_of_birth"] {
                let text = format!(r#"{{"{member}":"{escape}"}}"#);
                app.change_text(&john, &text).await.fields(&[(&format!("#/{member}"), "format")]);
            }
            for member in ["street_address", "city", "state", "country", "postal_code"] {
                let mut address = json!({"street_address": "1", "city": "B", "country": "Peru"});
                address[member] = "@".into();
                let text = format!(r#"{{"address":{address}}}"#).replace('@', escape);
                app.change_text(&john, &text).await.fields(&[(&format!("#/address/{member}"), "format")]);
            }
            let text = format!(r#"{{"email":"a{escape}@example.com"}}"#);
            app.change_text(&john, &text).await.fields(&[("#/email", "format")]);
        }
        assert_eq!(app.etag(&john).await, "\"1\"");
    }

    async fn a_surrogate_pair_is_one_character(app: App) {
        let john = app.john();
        let reply = app.change_text(&john, r#"{"first_name":"\ud83d\ude00"}"#).await.expect(200);
        assert_eq!(reply.json()["first_name"], "😀");
    }

    async fn a_hostile_member_name_is_an_unknown_field(app: App) {
        let john = app.john();
        for name in [r"\u0000", r"\ud83d\ude00", "a\\\"b", "__proto__", "' OR 1=1 --"] {
            app.change_text(&john, &format!(r#"{{"{name}":1}}"#)).await.problem(422, "validation_failed");
        }
        let reply = app.change_text(&john, r#"{"\ud800":1}"#).await;
        assert!([400, 422].contains(&reply.status()), "{reply:?}");
        let long = "n".repeat(60_000);
        let reply = app.change_text(&john, &format!(r#"{{"{long}":1}}"#)).await;
        reply.problem(422, "validation_failed");
        assert!(reply.text().len() < 2_000, "the error is as long as the input");
        let many: Vec<String> = (0..5_000).map(|number| format!(r#""u{number}":1"#)).collect();
        app.change_text(&john, &format!("{{{}}}", many.join(","))).await.problem(422, "validation_failed");
    }

    async fn numbers_beyond_every_range_end_in_an_error(app: App) {
        let john = app.john();
        for number in ["1e400", "-1e400", "-0", "1E+9999999999", "0.1e-400", &"9".repeat(5_000)] {
            for member in ["email", "first_name", "last_name", "date_of_birth", "address"] {
                let text = format!(r#"{{"{member}":{number}}}"#);
                app.change_text(&john, &text).await.fields(&[(&format!("#/{member}"), "type")]);
            }
        }
    }

    async fn text_that_looks_like_sql_is_text(app: App) {
        let john = app.john();
        for text in ["Robert'); DROP TABLE customers;--", "\\'; --", "%_%", "$1 ?1 :a", "\"quoted\"", "{a,\"b\",NULL}", "NULL", "\\N"] {
            let body = json!({
                "first_name": text, "last_name": text,
                "address": {"street_address": text, "city": text, "state": text, "country": format!("{text}    {text}")},
            });
            let reply = app.change(&john, &body).await.expect(200).json();
            assert_eq!(reply["first_name"], text);
            assert_eq!(reply["address"]["state"], text);
            assert_eq!(app.show(&john).await, reply);
        }
    }
}
