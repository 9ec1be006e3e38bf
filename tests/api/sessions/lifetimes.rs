//! Idle and absolute life times of sessions, and the sweep of those that are over.

use std::time::Duration;

use chrono::TimeDelta;
use clientele::db::UtcMicros;
use clientele::schema::sessions;
use diesel::prelude::*;

use crate::harness::{App, PASSWORD, Person, on_both_databases};

const DAY: i64 = 86_400;

/// As if the session had rested since then.
fn rested(app: &App, member: &Person, seconds: i64) {
    let then = UtcMicros::now().minus(TimeDelta::seconds(seconds));
    let row = sessions::table.find(member.session().parse::<i64>().expect("an id"));
    let changed = diesel::update(row).set(sessions::refreshed_at.eq(then)).execute(&mut app.connection());
    assert_eq!(changed.expect("an update"), 1);
}

/// As if the session had this long to go.
fn ends_in(app: &App, member: &Person, seconds: i64) {
    let then = UtcMicros::now().plus(TimeDelta::seconds(seconds));
    let row = sessions::table.find(member.session().parse::<i64>().expect("an id"));
    let changed = diesel::update(row).set(sessions::ends_at.eq(then)).execute(&mut app.connection());
    assert_eq!(changed.expect("an update"), 1);
}

/// What a new session is given, in days.
fn days(app: &App) -> i64 {
    let (started, ends): (UtcMicros, UtcMicros) = sessions::table
        .select((sessions::started_at, sessions::ends_at))
        .first(&mut app.connection())
        .expect("a session");
    (ends.naive() - started.naive()).num_days()
}

on_both_databases! {
    async fn a_session_may_rest_for_fourteen_days(app: App) {
        let member = app.member("rosa@example.com").await;
        rested(&app, &member, 14 * DAY - 60);
        app.refresh(&member.refresh).await.expect(200);
    }

    async fn a_session_that_rested_longer_is_over(app: App) {
        let member = app.member("rosa@example.com").await;
        rested(&app, &member, 14 * DAY + 1);
        app.refresh(&member.refresh).await.problem(401, "session_ended");
        app.refresh(&member.refresh).await.problem(401, "session_ended");
    }

    async fn a_refresh_moves_the_idle_time_and_not_the_absolute_end(app: App) {
        let member = app.member("rosa@example.com").await;
        assert_eq!(days(&app), 90);
        rested(&app, &member, 13 * DAY);
        let tokens = app.refresh(&member.refresh).await.expect(200).json();
        assert_eq!(days(&app), 90);
        ends_in(&app, &member, -1);
        app.refresh(tokens["refresh"].as_str().expect("a token")).await.problem(401, "session_ended");
    }

    async fn an_access_token_never_outlives_its_session(app: App) {
        let member = app.member("rosa@example.com").await;
        ends_in(&app, &member, 300);
        let tokens = app.refresh(&member.refresh).await.expect(200).json();
        let expires_in = tokens["expires_in"].as_u64().expect("a number");
        assert!((1..=300).contains(&expires_in), "{tokens}");
        let claims = crate::harness::decoded(tokens["access"].as_str().expect("a token"), 1);
        assert_eq!(claims["exp"].as_u64(), claims["iat"].as_u64().map(|iat| iat + expires_in));
    }

    async fn the_life_times_are_settings(app: App) {
        let app = app.instance(&[("CLIENTELE__AUTH__SESSION_IDLE_SECONDS", "60"), ("CLIENTELE__AUTH__SESSION_ABSOLUTE_SECONDS", "345600")]);
        let member = app.member("rosa@example.com").await;
        assert_eq!(days(&app), 4);
        rested(&app, &member, 50);
        app.refresh(&member.refresh).await.expect(200);
        let other = app.session_of(&member.email, PASSWORD).await;
        rested(&app, &other, 61);
        app.refresh(&other.refresh).await.problem(401, "session_ended");
    }

    async fn sessions_that_are_over_are_swept_in_the_background_and_others_stay(app: App) {
        let alive = app.member("rosa@example.com").await;
        let (idle, ended) = (app.session_of(&alive.email, PASSWORD).await, app.session_of(&alive.email, PASSWORD).await);
        rested(&app, &alive, 14 * DAY - 600);
        rested(&app, &idle, 14 * DAY + 1);
        ends_in(&app, &ended, -1);
        // An instance sweeps when it starts, and from then on each minute.
        app.instance(&[]);
        while app.rows("sessions") > 1 {
            actix_rt::time::sleep(Duration::from_millis(20)).await;
        }
        app.profile(&alive).await.expect(200);
        app.profile(&idle).await.problem(401, "session_ended");
        app.profile(&ended).await.problem(401, "session_ended");
    }

    async fn a_sweep_of_thousands_leaves_none(app: App) {
        let member = app.member("rosa@example.com").await;
        app.execute(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 2500)
             INSERT INTO sessions (id, customer_id, counter, started_at, refreshed_at, ends_at)
             SELECT n, customer_id, counter, started_at, refreshed_at, started_at FROM numbers, sessions",
        );
        assert_eq!(app.rows("sessions"), 2_501);
        app.instance(&[]);
        while app.rows("sessions") > 1 {
            actix_rt::time::sleep(Duration::from_millis(20)).await;
        }
        app.profile(&member).await.expect(200);
    }
}
