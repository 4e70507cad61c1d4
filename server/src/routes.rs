//! Binds the operations of `spec`, and the operator's own pages on a listener of their own.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, Route, web};
use cme_spec::operation::get_capabilities::PROFILES;
use cme_spec::operation::{self, Operation};
use cme_spec::problem::ProblemType;

use crate::extract::Fault;
use crate::handler;
use crate::health::Health;

/// A path segment of the base URL: the hosted authority's code.
const BASE: &str = "/{hosted}";

/// Every operation under `/{code}`, over HTTP/1.1; everything else gets a typed problem.
///
/// Implements: TRN-007, TRN-013
pub fn protocol(config: &mut web::ServiceConfig) {
    let mut paths: BTreeMap<String, Vec<&Operation>> = BTreeMap::new();
    for operation in operation::of_profiles(PROFILES) {
        paths.entry(operation.path()).or_default().push(operation);
    }
    // Paths are tried in turn; the one that is asked for most, an entry's, is the last by its name.
    let scope = paths.iter().rev().fold(web::scope(BASE), |scope, (path, operations)| {
        let resource = web::resource(path.as_str());
        let resource =
            operations.iter().fold(resource, |resource, operation| resource.route(route(operation)));
        scope.service(resource.default_service(web::to(wrong_method)))
    });
    config.service(scope.default_service(web::to(unknown_route)));
    config.default_service(web::to(unknown_route));
}

fn route(operation: &Operation) -> Route {
    match operation.name {
        "get_capabilities" => web::get().to(handler::get_capabilities::get_capabilities),
        "put_entry" => web::put().to(handler::put_entry::put_entry),
        "list_entries" => web::get().to(handler::list_entries::list_entries),
        "list_heads" => web::get().to(handler::list_heads::list_heads),
        "get_reconciliation" => web::get().to(handler::get_reconciliation::get_reconciliation),
        "put_query" => web::put().to(handler::put_query::put_query),
        "put_answer" => web::put().to(handler::put_answer::put_answer),
        "withdraw_query" => web::delete().to(handler::withdraw_query::withdraw_query),
        "put_notice" => web::put().to(handler::put_notice::put_notice),
        "put_acknowledgement" => web::put().to(handler::put_acknowledgement::put_acknowledgement),
        other => unreachable!("operation {other} has no handler"),
    }
}

async fn unknown_route() -> Result<HttpResponse, Fault> {
    Err(ProblemType::RouteUnknown.into())
}

async fn wrong_method() -> Result<HttpResponse, Fault> {
    Err(ProblemType::MethodNotAllowed.into())
}

/// Health, readiness and metrics, for the operator alone: bound to loopback.
pub fn operations(config: &mut web::ServiceConfig) {
    config
        .route("/health/live", web::get().to(live))
        .route("/health/ready", web::get().to(ready))
        .route("/metrics", web::get().to(metrics));
}

async fn live() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "live": true }))
}

async fn ready(health: web::Data<Health>) -> HttpResponse {
    let report = health.report().await;
    let mut response = if report.ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(report)
}

async fn metrics(health: web::Data<Health>) -> HttpResponse {
    match health.metrics().await {
        Ok(text) => HttpResponse::Ok()
            .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
            .body(text),
        Err(error) => {
            tracing::error!(%error, "metrics can't be read");
            HttpResponse::ServiceUnavailable().finish()
        }
    }
}
