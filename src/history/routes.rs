//! `GET /api/v1/customers/{id}/history/`

use actix_web::{HttpResponse, web};

use super::entry::{Entry, HistoryEntry};
use super::owner;
use super::page::Page;
use crate::app::App;
use crate::http::{OwnedCustomer, Problem};

pub(crate) async fn show(app: web::Data<App>, customer: OwnedCustomer, page: Page) -> Result<HttpResponse, Problem> {
    let entries: Vec<HistoryEntry> = entries(&app, customer, page).await?.into_iter().map(HistoryEntry::from).collect();
    Ok(HttpResponse::Ok().json(entries))
}

/// Returns a page of the customer's history, newest first.
pub(crate) async fn entries(app: &App, customer: OwnedCustomer, page: Page) -> Result<Vec<Entry>, Problem> {
    let (id, Page { limit, before }) = (customer.id(), page);
    let read = app.database.read(Some(id), move |connection| owner::page(connection, &customer, limit, before));
    Ok(read.await??)
}
