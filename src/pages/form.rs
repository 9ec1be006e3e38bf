//! Forms as browsers send them: `application/x-www-form-urlencoded`.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use percent_encoding::percent_decode_str;

use crate::http::body::read;
use crate::http::{FieldCode, Problem, Violation, pointer};

/// The names and values of a form, in their order. No name occurs twice.
#[derive(Debug, Default)]
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    fn parse(body: &[u8]) -> Result<Self, Problem> {
        let text = std::str::from_utf8(body).map_err(|_| Problem::MalformedForm)?;
        let mut pairs: Vec<(String, String)> = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = decoded(name).zip(decoded(value)).ok_or(Problem::MalformedForm)?;
            pairs.push((name, value));
        }
        let mut names: Vec<&str> = pairs.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(Problem::MalformedForm);
        }
        Ok(Self(pairs))
    }

    /// Takes a value out of the form.
    pub(super) fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(known, _)| known == name)?;
        Some(self.0.swap_remove(index).1)
    }

    /// Takes the values out whose names begin with `prefix`, without it.
    pub(super) fn take_all(&mut self, prefix: &str) -> Vec<(String, String)> {
        let (taken, rest) = std::mem::take(&mut self.0).into_iter().partition(|(name, _)| name.starts_with(prefix));
        self.0 = rest;
        let without =
            |(name, value): (String, String)| (name.strip_prefix(prefix).unwrap_or_default().to_owned(), value);
        let taken: Vec<(String, String)> = taken;
        taken.into_iter().map(without).collect()
    }

    /// Checks that nothing is left that was not taken.
    ///
    /// # Errors
    /// `unknown_field`, like an undeclared member of a body.
    pub(super) fn check_empty(&self) -> Result<(), Problem> {
        let unknown = |(name, _): &(String, String)| {
            Violation::new(FieldCode::UnknownField, "There is no such field.").at(pointer("#", name))
        };
        match self.0.first() {
            None => Ok(()),
            Some(first) => Err(Problem::Validation(vec![unknown(first)])),
        }
    }
}

impl From<Vec<(String, String)>> for Form {
    fn from(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }
}

fn decoded(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(Into::into)
}

impl FromRequest for Form {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = read(request, payload, &["application/x-www-form-urlencoded"]);
        async move { Self::parse(&body.await?) }.boxed_local()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_decoded_and_taken_out() {
        let mut form = Form::parse(b"a=1+2&b%2Ec=%C3%A9&carried.x=y&d&=e&&").expect("a form");
        assert_eq!(form.take("a").as_deref(), Some("1 2"));
        assert_eq!(form.take("a"), None);
        assert_eq!(form.take("b.c").as_deref(), Some("é"));
        assert_eq!(form.take("d").as_deref(), Some(""));
        assert_eq!(form.take_all("carried."), [("x".to_owned(), "y".to_owned())]);
        assert!(form.check_empty().is_err());
        assert_eq!(form.take("").as_deref(), Some("e"));
        assert!(form.check_empty().is_ok() && Form::parse(b"").expect("a form").check_empty().is_ok());
    }

    #[test]
    fn a_form_that_is_not_utf_8_or_repeats_a_field_is_malformed() {
        for body in [&b"a=%ff"[..], b"a=\xff", b"%ff=a", b"a=1&a=1", b"a=1&%61=2"] {
            assert!(matches!(Form::parse(body), Err(Problem::MalformedForm)), "{body:?}");
        }
    }
}
