//! A browser without scripts: it keeps the cookie, sends forms, and reads pages.

use std::cell::RefCell;

use url::form_urlencoded::Serializer;

use crate::harness::{App, PASSWORD, Reply};

/// A browser.
pub(crate) struct Visitor {
    app: App,
    cookie: RefCell<Option<String>>,
}

impl Visitor {
    /// A browser that was never here.
    pub(crate) fn new(app: &App) -> Self {
        Self { app: app.clone(), cookie: RefCell::default() }
    }

    /// A browser in which somebody has registered.
    pub(crate) async fn registered(app: &App, email: &str) -> Self {
        let visitor = Self::new(app);
        let form = [("email", email), ("first_name", "Rosa"), ("last_name", "Delgado"), ("password", PASSWORD)];
        let reply = visitor.submit("/account/register", &form).await.expect(303);
        assert_eq!(reply.header("location"), Some("/account/?done=registered"));
        visitor
    }

    /// What the browser sends as `Cookie`.
    pub(crate) fn cookie(&self) -> Option<String> {
        self.cookie.borrow().clone()
    }

    /// Makes the browser send another cookie.
    pub(crate) fn set_cookie(&self, cookie: Option<String>) {
        self.cookie.replace(cookie);
    }

    /// What GET answers.
    pub(crate) async fn get(&self, path: &str) -> Reply {
        let mut ask = self.app.get(path);
        if let Some(cookie) = self.cookie() {
            ask = ask.header("Cookie", &cookie);
        }
        self.keep_cookie(ask.send().await)
    }

    /// The text of a page.
    pub(crate) async fn page(&self, path: &str) -> String {
        self.get(path).await.expect(200).page()
    }

    /// What a form of our own pages answers.
    pub(crate) async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.send(path, &urlencoded(fields), &[("Sec-Fetch-Site", "same-origin")]).await
    }

    /// What a form with these headers answers.
    pub(crate) async fn send(&self, path: &str, body: &str, headers: &[(&str, &str)]) -> Reply {
        let mut ask = self.app.post(path).body(body.to_owned());
        if headers.iter().all(|(name, _)| *name != "Content-Type") {
            ask = ask.header("Content-Type", "application/x-www-form-urlencoded");
        }
        for (name, value) in headers {
            ask = ask.header(name, value);
        }
        if let Some(cookie) = self.cookie() {
            ask = ask.header("Cookie", &cookie);
        }
        self.keep_cookie(ask.send().await)
    }

    fn keep_cookie(&self, reply: Reply) -> Reply {
        if let Some(set) = reply.header("set-cookie") {
            let pair = set.split(';').next().unwrap_or_default();
            self.set_cookie((!pair.ends_with('=')).then(|| pair.to_owned()));
        }
        reply
    }
}

/// The body of a form.
pub(crate) fn urlencoded(fields: &[(&str, &str)]) -> String {
    Serializer::new(String::new()).extend_pairs(fields).finish()
}

impl Reply {
    /// The text of a page, with its characters as people read them.
    #[track_caller]
    pub(crate) fn page(&self) -> String {
        assert_eq!(self.header("content-type"), Some("text/html; charset=utf-8"), "{}", self.text());
        assert!(self.text().starts_with("<!doctype html>"), "{}", self.text());
        unescaped(self.text())
    }

    /// Where the reply leads.
    #[track_caller]
    pub(crate) fn leads_to(&self, address: &str) {
        assert_eq!((self.status(), self.header("location")), (303, Some(address)), "{}", self.text());
    }
}

fn unescaped(text: &str) -> String {
    let pairs = [("&#x2f;", "/"), ("&#x27;", "'"), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    pairs.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

/// The value of the input with this name.
#[track_caller]
pub(crate) fn value_of(page: &str, name: &str) -> String {
    let input = page.split("<input").find(|input| input.contains(&format!("name=\"{name}\"")));
    let input = input.unwrap_or_else(|| unreachable!("{name} is not on the page: {page}"));
    input.split("value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default().to_owned()
}

/// The error at a field.
pub(crate) fn error_of(page: &str, id: &str) -> Option<String> {
    let error = page.split(&format!("id=\"{id}-error\">")).nth(1)?;
    let text = error.split("</p>").next()?.rsplit("</span>").next()?;
    Some(text.trim().to_owned())
}

/// The heading of a page.
#[track_caller]
pub(crate) fn heading(page: &str) -> &str {
    page.split("<h1>").nth(1).and_then(|rest| rest.split("</h1>").next()).expect("a heading")
}
