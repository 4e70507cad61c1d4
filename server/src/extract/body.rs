//! A document from the bytes of a request.

use std::time::Duration;

use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{HttpRequest, web};
use cme_spec::canonical::{Json, Limits};
use cme_spec::entry::{Entry, EntryError};
use cme_spec::envelope::{Document, Envelope};
use cme_spec::problem::{Problem, ProblemType};
use cme_spec::signature::DetachedJws;
use cme_spec::statement::{Statement, StatementError, StatementHeader};
use futures_util::StreamExt as _;

use super::Fault;

/// Bytes that are read and thrown away of a body that is too large, so that the answer reaches its sender.
const OVERSIZE_BYTES_DRAINED: usize = 4 << 20;

/// Longest time that a body may take to arrive.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(20);

/// The entry in the request's body; its form is right, nothing else is checked yet.
///
/// Implements: CAN-008, TRN-017
pub async fn entry_body(request: &HttpRequest, payload: web::Payload) -> Result<Entry, Fault> {
    let json = json_body(request, payload).await?;
    Entry::from_json(json).map_err(|error| match &error {
        EntryError::Shape(shape) => error.problem().pointer(shape.pointer.clone()).into(),
        _ => error.problem().into(),
    })
}

/// The query or notice in the request's body; its form is right, nothing else is checked yet.
pub async fn statement_body<H: StatementHeader>(
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Statement<H>, Fault> {
    let json = json_body(request, payload).await?;
    Statement::from_json(json).map_err(|error| match &error {
        StatementError::Shape(shape) => error.problem().pointer(shape.pointer.clone()).into(),
        _ => error.problem().into(),
    })
}

/// The signed document in the request's body; its form is right, its signature is not checked yet.
pub async fn document_body<T: Document>(
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Envelope<T>, Fault> {
    let json = json_body(request, payload).await?;
    let signature = json.member("signature");
    let text = signature.as_ref().and_then(|signature| signature.value().as_str());
    if text.is_some_and(|text| text.parse::<DetachedJws>().is_err()) {
        return Err(ProblemType::SignatureInvalid.into());
    }
    Envelope::read(&json).map_err(|error| Problem::new(ProblemType::Malformed).pointer(error.pointer).into())
}

async fn json_body(request: &HttpRequest, payload: web::Payload) -> Result<Json, Fault> {
    let media_type =
        request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    let read = tokio::time::timeout(ARRIVAL_TIMEOUT, bytes(request, payload)).await;
    // Nothing is wrong about an entry that comes slowly: a final problem would end its sender's tries.
    let bytes =
        read.map_err(|_| Problem::new(ProblemType::Unavailable).detail("the body took too long"))??;
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(ProblemType::MediaType.into());
    }
    Json::decode(&bytes, &Limits::ENTRY).map_err(|error| error.problem().into())
}

async fn bytes(request: &HttpRequest, mut payload: web::Payload) -> Result<Vec<u8>, Fault> {
    let limit = Limits::ENTRY.bytes_max;
    let told =
        request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if told.is_some_and(|told| told > OVERSIZE_BYTES_DRAINED) {
        return Err(Problem::new(ProblemType::TooLarge).limit(limit).into());
    }
    let (mut bytes, mut seen) = (Vec::with_capacity(told.unwrap_or_default().min(limit)), 0);
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Problem::new(ProblemType::Unavailable).detail("the body broke off"))?;
        seen += chunk.len();
        if seen > OVERSIZE_BYTES_DRAINED {
            break;
        }
        if seen <= limit {
            bytes.extend_from_slice(&chunk);
        }
    }
    if seen > limit { Err(Problem::new(ProblemType::TooLarge).limit(limit).into()) } else { Ok(bytes) }
}
