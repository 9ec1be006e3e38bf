//! Passwords are hashed on threads of their own behind a bounded queue.

use std::cell::Cell;
use std::time::Duration;

use futures_util::future::{join, join_all};
use serde_json::json;

use crate::harness::{App, Backend, Binary, PASSWORD, on_both_databases, registration};

/// What 200 sign-ins at once may cost, in KiB: the service and a few times 19 MiB, not 200 times.
const MOST_MEMORY: u64 = 200 * 1024;
/// Costs the estimate 400 ms when it looks at all of it.
const HOSTILE: &str = r"3[%1@[1%241+$+8(13!|%@9(5$+4+7{43832[[(96744(<642x%$+3$(1([@6($5%+6(((|{";
const UNTHROTTLED: (&str, &str) = ("CLIENTELE__THROTTLE__ENABLED", "false");

/// One thread, and room for one more to wait.
fn narrow(app: &App) -> App {
    app.instance(&[UNTHROTTLED, ("CLIENTELE__AUTH__PASSWORD_THREADS", "1"), ("CLIENTELE__AUTH__PASSWORD_QUEUE", "1")])
}

/// Sends thirty at once: how many got `status`; all others were told that the service is overloaded.
async fn flood(app: &App, email: &str, password: &str, status: u16) -> (usize, usize) {
    let replies = join_all((0..30).map(|_| app.sign_in(email, password))).await;
    let answered = replies.iter().filter(|reply| reply.status() == status).count();
    for reply in replies.iter().filter(|reply| reply.status() != status) {
        reply.problem(503, "overloaded");
        let seconds = reply.header("retry-after").and_then(|text| text.parse::<u64>().ok());
        assert!(seconds.is_some_and(|seconds| seconds >= 1), "{seconds:?}");
    }
    (answered, replies.len() - answered)
}

on_both_databases! {
    async fn a_full_queue_answers_503_and_never_500(app: App) {
        app.register(&registration("rosa@example.com")).await.expect(201);
        let (answered, refused) = flood(&narrow(&app), "rosa@example.com", PASSWORD, 200).await;
        assert!(answered >= 1 && refused >= 1, "{answered} answered, {refused} refused");
        assert_eq!(app.rows("sessions"), i64::try_from(answered).expect("a small number"));
    }

    async fn an_unknown_email_takes_its_place_in_the_same_queue_as_a_wrong_password(app: App) {
        app.register(&registration("rosa@example.com")).await.expect(201);
        app.customer(7, "legacy@example.com", "Legacy", "Customer");
        let app = narrow(&app);
        for email in ["rosa@example.com", "nobody@example.com", "legacy@example.com"] {
            let (answered, refused) = flood(&app, email, "wrong", 401).await;
            assert!(answered >= 1 && refused >= 1, "{email}: {answered} answered, {refused} refused");
        }
    }

    async fn a_flood_of_registrations_is_bounded_by_the_same_queue(app: App) {
        let app = narrow(&app);
        let bodies: Vec<_> = (0..30).map(|number| registration(&format!("rosa{number}@example.com"))).collect();
        let replies = join_all(bodies.iter().map(|body| app.register(body))).await;
        let created = replies.iter().filter(|reply| reply.status() == 201).count();
        for reply in replies.iter().filter(|reply| reply.status() != 201) {
            reply.problem(503, "overloaded");
        }
        assert!((1..30).contains(&created), "{created}");
        assert_eq!(app.rows("customers"), i64::try_from(created).expect("a small number"));
    }

    async fn a_password_is_judged_behind_the_same_queue_even_when_the_body_is_wrong_already(app: App) {
        let member = app.member("rosa@example.com").await;
        let app = narrow(&app);
        let mut body = registration("no email");
        body["password"] = json!(HOSTILE);
        let over = Cell::new(false);
        let hostile = async {
            let replies = join_all((0..30).map(|_| app.register(&body))).await;
            over.set(true);
            replies
        };
        let others = async {
            while !over.get() {
                app.profile(&member).await.expect(200);
            }
        };
        let (replies, ()) = join(hostile, others).await;
        let judged = replies.iter().filter(|reply| reply.status() == 422).count();
        for reply in &replies {
            match reply.status() {
                422 => reply.fields(&[("#/email", "format")]),
                _ => drop(reply.problem(503, "overloaded")),
            }
        }
        assert!((1..30).contains(&judged), "{judged} of 30 were judged");
    }

    async fn two_hundred_sign_ins_at_once_keep_memory_bounded_and_profiles_served(app: App) {
        let member = app.member("rosa@example.com").await;
        let serving = Binary::on(app.database_url())
            .with(UNTHROTTLED.0, UNTHROTTLED.1)
            .with("CLIENTELE__AUTH__PASSWORD_QUEUE", "500")
            // On a busy machine, a profile may wait for longer than a second.
            .with("CLIENTELE__DATABASE__QUEUE_TIMEOUT_SECONDS", "30")
            .serve();
        let service = app.at(serving.address);
        let over = Cell::new(false);
        let sign_ins = async {
            let replies = join_all((0..200).map(|_| service.sign_in(&member.email, PASSWORD))).await;
            over.set(true);
            replies
        };
        let profiles = async {
            let mut shown = 0;
            while !over.get() {
                service.profile(&member).await.expect(200);
                shown += 1;
            }
            shown
        };
        let (replies, shown) = join(sign_ins, profiles).await;
        for reply in replies {
            reply.expect(200);
        }
        assert!(shown > 10, "only {shown} profiles while 200 signed in");
        let peak = serving.peak_memory();
        assert!(peak < MOST_MEMORY, "{peak} KiB");
        serving.signal("TERM");
        let (code, log) = serving.wait();
        assert_eq!(code, Some(0), "{log}");
    }
}

/// The bound on threads comes from the cores, so that the memory does too.
#[actix_rt::test]
async fn the_number_of_password_threads_is_the_number_of_cores_unless_set() {
    crate::harness::run(Backend::Sqlite, async |app: App| {
        for (setting, expected) in [("0", std::thread::available_parallelism().map_or(2, usize::from)), ("5", 5)] {
            let binary = Binary::on(app.database_url()).with("CLIENTELE__AUTH__PASSWORD_THREADS", setting);
            let serving = binary.serve();
            let named = |threads: &[String]| threads.iter().filter(|name| name.starts_with("passwords-")).count();
            let mut threads = serving.threads();
            // A thread takes its name a moment after it began.
            for _ in 0..100 {
                if named(&threads) < expected {
                    actix_rt::time::sleep(Duration::from_millis(20)).await;
                    threads = serving.threads();
                }
            }
            assert_eq!(named(&threads), expected, "{threads:?}");
        }
    })
    .await;
}

/// Told by the processor time of the threads: whatever a password is made of, HTTP threads leave it alone.
#[actix_rt::test]
async fn hostile_passwords_and_names_cost_the_password_threads_and_never_the_http_threads() {
    crate::harness::run(Backend::Sqlite, async |app: App| {
        let member = app.member("rosa@example.com").await;
        let serving = Binary::on(app.database_url())
            .with(UNTHROTTLED.0, UNTHROTTLED.1)
            .with("CLIENTELE__AUTH__PASSWORD_QUEUE", "1000")
            .serve();
        let service = app.at(serving.address);
        // Every piece of the password is a known word.
        let chars: Vec<char> = HOSTILE.chars().cycle().take(256).collect();
        let pieces = |length: usize| chars.chunks(length).map(String::from_iter).collect::<Vec<_>>().join(" ");
        let cut = |text: String| text.chars().take(150).collect::<String>();
        let names = json!({"first_name": cut(pieces(3)), "last_name": cut(pieces(4))});
        service.patch(&member, &names).await.expect(200);
        let hostile: String = chars.iter().collect();
        let unicode: String = "ßéАж4@8({[<3690!1|7+$5%2İ".chars().cycle().take(256).collect();
        let passwords = [hostile.as_str(), &unicode, "4@8({[<3690!1|7+$5%2", "|0549[<@8@7+!8$6|0549[<@"];
        let before = |name: &str| !name.starts_with("passwords-");
        let http_before = serving.processor_time(before);
        for _ in 0..5 {
            let registrations = join_all(passwords.iter().map(|password| {
                let mut body = registration("no email");
                body["first_name"] = names["first_name"].clone();
                body["password"] = json!(password);
                let service = service.clone();
                async move { service.register(&body).await }
            }));
            let changes = join_all(passwords.iter().map(|password| {
                // It must stay the member's password: this one is another each time, and refused for its end.
                let new: String = password.chars().skip(1).chain(['\u{7}']).collect();
                let body = json!({"current_password": PASSWORD, "new_password": new});
                let ask = service.post(&format!("{}password/", member.path())).token(&member.token).json(&body);
                ask.send()
            }));
            let (registrations, _) = join(registrations, changes).await;
            assert!(registrations.iter().all(|reply| reply.status() == 422));
        }
        let http = serving.processor_time(before) - http_before;
        let passwords = serving.processor_time(|name| name.starts_with("passwords-"));
        assert!(passwords > 2 * http, "password threads {passwords} ticks, all others {http}");
    })
    .await;
}

on_both_databases! {
    async fn a_flood_of_strangers_leaves_room_for_whoever_signed_in_from_there_before(app: App) {
        let service = app.instance(&[
            ("CLIENTELE__AUTH__PASSWORD_QUEUE", "4"),
            ("CLIENTELE__AUTH__PASSWORD_THREADS", "1"),
            ("CLIENTELE__THROTTLE__TRUSTED_PROXIES", "127.0.0.1"),
            ("CLIENTELE__DATABASE__QUEUE_TIMEOUT_SECONDS", "30"),
        ]);
        app.register(&registration("rosa@example.com")).await.expect(201);
        let sign_in = |address: String, email: &str, password: &str| {
            let body = json!({"email": email, "password": password});
            service.post("/auth/token/").header("X-Forwarded-For", &address).json(&body).send()
        };
        sign_in("198.51.100.7".into(), "rosa@example.com", PASSWORD).await.expect(200);
        let flood = futures_util::future::join_all((0..120).map(|number| async move {
            for round in 0..3 {
                let email = format!("nobody{number}.{round}@example.com");
                sign_in(format!("203.0.113.{number}"), &email, "not the password").await;
            }
        }));
        let owner = async {
            for _ in 0..5 {
                sign_in("198.51.100.8".into(), "rosa@example.com", PASSWORD).await.expect(200);
            }
        };
        futures_util::future::join(flood, owner).await;
    }
}
