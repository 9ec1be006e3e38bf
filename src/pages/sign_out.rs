//! `/account/sign-out`

use actix_web::HttpResponse;
use minijinja::context;

use super::destination::SIGN_IN;
use super::visit::{Shown, Visit};
use crate::http::Problem;
use crate::sessions::Ending;
use crate::sessions::routes as sessions;

/// Asks. Following a link signs nobody out.
pub(super) async fn show(mut visit: Visit) -> Result<HttpResponse, Problem> {
    let versioned = visit.profile().await?;
    visit.page("sign-out.html", Shown::to(&versioned.customer), context! {})
}

/// Ends the session of the cookie. Whoever has signed out already gets the same reply.
pub(super) async fn submit(mut visit: Visit) -> Result<HttpResponse, Problem> {
    if let Ok(customer) = visit.owner() {
        let ending = customer.session().map_or(Ending::All, Ending::One);
        match sessions::end(&visit.app, &visit.request, customer, ending).await {
            Ok(_) | Err(Problem::SessionEnded) => {}
            Err(problem) => return Err(problem),
        }
    }
    visit.sign_out();
    Ok(visit.done(SIGN_IN, "signed_out"))
}
