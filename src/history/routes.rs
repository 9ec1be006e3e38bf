//! `GET /api/v1/customers/{id}/history/`

use actix_web::{HttpResponse, web};

use super::entry::HistoryEntry;
use super::owner;
use super::page::Page;
use crate::app::App;
use crate::http::{OwnedCustomer, Problem};

pub(crate) async fn show(app: web::Data<App>, customer: OwnedCustomer, page: Page) -> Result<HttpResponse, Problem> {
    let (id, Page { limit, before }) = (customer.id(), page);
    let read = app.database.read(Some(id), move |connection| owner::page(connection, &customer, limit, before));
    let entries: Vec<HistoryEntry> = read.await??.into_iter().map(HistoryEntry::from).collect();
    Ok(HttpResponse::Ok().json(entries))
}
