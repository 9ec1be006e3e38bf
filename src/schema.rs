// @generated automatically by Diesel CLI.

diesel::table! {
    addresses (customer_id) {
        customer_id -> BigInt,
        street_address -> Text,
        postal_code -> Nullable<Text>,
        city -> Text,
        state -> Nullable<Text>,
        country -> Text,
    }
}

diesel::table! {
    customers (id) {
        id -> BigInt,
        email -> Text,
        email_canonical -> Text,
        first_name -> Text,
        last_name -> Text,
        first_name_slug -> Text,
        last_name_slug -> Text,
        slug -> Text,
        date_of_birth -> Nullable<Date>,
        version -> BigInt,
        created_at -> Timestamp,
        updated_at -> Timestamp,
        disabled_at -> Nullable<Timestamp>,
        email_verified_at -> Nullable<Timestamp>,
    }
}

diesel::table! {
    history (id) {
        id -> BigInt,
        customer_id -> BigInt,
        kind -> Text,
        at -> Timestamp,
        session_id -> Nullable<BigInt>,
        network -> Nullable<Text>,
        user_agent -> Nullable<Text>,
        actor -> Nullable<Text>,
    }
}

diesel::table! {
    links (id) {
        id -> BigInt,
        customer_id -> BigInt,
        kind -> Text,
        hash -> Text,
        email -> Nullable<Text>,
        was_verified -> Bool,
        expires_at -> Timestamp,
    }
}

diesel::table! {
    outbox (id) {
        id -> BigInt,
        customer_id -> Nullable<BigInt>,
        kind -> Text,
        content -> Text,
        attempts -> BigInt,
        due_at -> Nullable<Timestamp>,
        error -> Nullable<Text>,
    }
}

diesel::table! {
    passwords (customer_id) {
        customer_id -> BigInt,
        hash -> Text,
        changed_at -> Timestamp,
        networks -> Nullable<Text>,
    }
}

diesel::table! {
    sessions (id) {
        id -> BigInt,
        customer_id -> BigInt,
        counter -> BigInt,
        started_at -> Timestamp,
        refreshed_at -> Timestamp,
        ends_at -> Timestamp,
        user_agent -> Nullable<Text>,
        network -> Nullable<Text>,
        repeated -> Bool,
    }
}

diesel::joinable!(addresses -> customers (customer_id));
diesel::joinable!(history -> customers (customer_id));
diesel::joinable!(links -> customers (customer_id));
diesel::joinable!(outbox -> customers (customer_id));
diesel::joinable!(passwords -> customers (customer_id));
diesel::joinable!(sessions -> customers (customer_id));

diesel::allow_tables_to_appear_in_same_query!(addresses, customers, history, links, outbox, passwords, sessions,);
