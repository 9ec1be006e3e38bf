//! The paths of the pages.

use actix_web::dev::HttpServiceFactory;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, Route, web};

use super::frame::frame;
use super::renderer::Pages;
use super::visit::Visit;
use super::{
    email, erase, export, forgot, history, links, overview, password, profile, register, sessions, sign_in, sign_out,
};
use crate::app::App;
use crate::http::Problem;

/// The path of all pages.
const SCOPE: &str = "/account";

/// A page: what GET shows, and what POST does.
struct Page {
    /// With the scope.
    path: &'static str,
    show: fn() -> Route,
    submit: Option<fn() -> Route>,
}

/// Returns all pages.
fn pages() -> Vec<Page> {
    use web::to;
    let only = |path, show| Page { path, show, submit: None };
    let with = |path, show, submit| Page { path, show, submit: Some(submit) };
    vec![
        only("/account/", || to(overview::show)),
        with("/account/sign-in", || to(sign_in::show), || to(sign_in::submit)),
        with("/account/register", || to(register::show), || to(register::submit)),
        with("/account/sign-out", || to(sign_out::show), || to(sign_out::submit)),
        with("/account/forgot", || to(forgot::show), || to(forgot::submit)),
        only("/account/forgot-sent", || to(forgot::sent)),
        with("/account/reset", || to(links::show_reset), || to(links::reset)),
        with("/account/verify", || to(links::show_verify), || to(links::verify)),
        with("/account/revert", || to(links::show_revert), || to(links::revert)),
        with("/account/profile", || to(profile::show), || to(profile::submit)),
        with("/account/email", || to(email::show), || to(email::submit)),
        with("/account/password", || to(password::show), || to(password::submit)),
        with("/account/sessions", || to(sessions::show), || to(sessions::submit)),
        only("/account/history", || to(history::show)),
        with("/account/export", || to(export::show), || to(export::submit)),
        with("/account/erase", || to(erase::show), || to(erase::submit)),
        only("/account/erased", || to(erase::erased)),
    ]
}

/// Returns the routes of all pages. Each page has its path with and without a slash at the end.
pub(crate) fn scope(app: &App, shared: web::Data<Pages>) -> impl HttpServiceFactory + use<> {
    let resource = |page: Page| {
        let path = page.path.strip_prefix(SCOPE).unwrap_or_default().trim_end_matches('/');
        let paths = if path.is_empty() { vec!["/".to_owned()] } else { vec![path.to_owned(), format!("{path}/")] };
        let resource = web::resource(paths).app_data(app.metrics.http.route(page.path));
        let resource = resource.route((page.show)().method(Method::GET)).route((page.show)().method(Method::HEAD));
        match page.submit {
            Some(submit) => resource.route(submit().method(Method::POST)),
            None => resource,
        }
    };
    let asset = web::resource("/assets/{file}").app_data(app.metrics.http.route("/account/assets/{file}"));
    let asset = asset.route(web::get().to(asset_file)).route(web::head().to(asset_file));
    let bare = web::resource("").app_data(app.metrics.http.route(SCOPE));
    let bare = bare.route(web::get().to(sign_in::lead_to_overview)).route(web::head().to(sign_in::lead_to_overview));
    let scope = web::scope(SCOPE).app_data(shared).service(bare).service(asset);
    let scope = pages().into_iter().map(resource).fold(scope, |scope, resource| scope.service(resource));
    scope.default_service(web::to(|| async { Err::<HttpResponse, _>(Problem::NotFound) })).wrap(from_fn(frame))
}

/// A file that pages load.
async fn asset_file(visit: Visit, name: web::Path<String>) -> Result<HttpResponse, Problem> {
    visit.pages.assets.reply(&visit.request, &name).ok_or(Problem::NotFound)
}

/// Returns the paths of all pages.
pub fn paths() -> impl Iterator<Item = &'static str> {
    pages().into_iter().map(|page| page.path)
}
