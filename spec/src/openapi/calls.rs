//! What the document says of each call beside its annotation: tag, request field, examples, refusals, links.

use serde_json::json;
use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::path::{Operation as Documented, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::Type;
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{KnownFormat, ObjectBuilder, Ref, RefOr, Required, SchemaFormat};

use crate::canonical::INTEGER_MAX;
use crate::example;
use crate::operation::{INCARNATION_HEADER, Operation};
use crate::problem::{MEDIA_TYPE, ProblemType};

/// Groups of operations: name, what they are for, and the first segment of their paths below `/v1`.
const TAGS: [(&str, &str, &[&str]); 5] = [
    ("capabilities", "What a server can do", &["capabilities"]),
    ("transfers", "Ledgers: append, deliver, read", &["transfers"]),
    ("heads", "Catch-up and the daily check", &["heads", "reconciliation"]),
    ("queries", "Who knows a child: ask, answer, withdraw", &["queries"]),
    ("notices", "Facts told to another authority", &["notices"]),
];

/// A call that an answer leads to: the operation answered, the link's name, the operation that follows, and the
/// parameter to take from request or answer.
const LINKS: [(&str, &str, &str, (&str, &str)); 3] = [
    ("put_entry", "ledger", "list_entries", ("transfer", "$request.path.transfer")),
    ("list_heads", "next", "list_heads", ("after", "$response.body#/next")),
    ("put_query", "withdraw", "withdraw_query", ("query", "$request.path.query")),
];

/// The groups, in the order in which a reader meets them.
pub(super) fn tags() -> [Tag; TAGS.len()] {
    TAGS.map(|(name, what, _)| TagBuilder::new().name(name).description(Some(what)).build())
}

/// Adds what every operation has: its group, the caller's incarnation, examples of its bodies, each refusal by
/// name, and the calls that an answer leads to.
pub(super) fn complete(operation: &Operation, item: &mut PathItem) {
    let documented = item.get.as_mut().or(item.put.as_mut()).or(item.delete.as_mut());
    let Some(documented) = documented else { return };
    documented.tags = Some(vec![tag_of(operation).to_owned()]);
    documented.parameters.get_or_insert_default().push(RefOr::T(incarnation()));
    let example = example::answer(operation.name);
    for response in documented.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            for content in response.content.values_mut() {
                if let RefOr::T(content) = content {
                    content.example = Some(example.clone());
                }
            }
            link(operation, response);
        }
    }
    if let Some(RefOr::T(body)) = documented.request_body.as_mut() {
        for content in body.content.values_mut() {
            if let RefOr::T(content) = content {
                content.example = Some(example::request(operation.name));
            }
        }
    }
    refusals(operation, documented);
}

fn tag_of(operation: &Operation) -> &'static str {
    let path = operation.path();
    let segment = path.split('/').nth(2).unwrap_or_default();
    let tag = TAGS.iter().find(|(_, _, segments)| segments.contains(&segment));
    tag.unwrap_or_else(|| panic!("{path} is in no group")).0
}

/// Every call may tell it: that of a put is judged, and that of a read is too.
fn incarnation() -> Parameter {
    let number = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(1))
        .maximum(Some(INTEGER_MAX))
        .build();
    ParameterBuilder::new()
        .name(INCARNATION_HEADER)
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "How often the caller's database was restored, from 1. A tool that holds no ledgers sends none.",
        ))
        .schema(Some(number))
        .build()
}

fn link(operation: &Operation, response: &mut Response) {
    for (from, name, to, (parameter, expression)) in LINKS {
        if from == operation.name {
            let link = LinkBuilder::new().operation_id(to).parameter(parameter, expression).build();
            response.links.insert(name.to_owned(), RefOr::T(link));
        }
    }
}

/// One response for each status, its registered problems named, one example for each.
fn refusals(operation: &Operation, documented: &mut Documented) {
    let mut problems: Vec<ProblemType> = operation.every_refusal().collect();
    problems.sort_by_key(|problem| (problem.status(), *problem));
    for chunk in problems.chunk_by(|a, b| a.status() == b.status()) {
        let status = chunk[0].status().to_string();
        documented.responses.responses.insert(status, RefOr::T(refusal(chunk)));
    }
}

fn refusal(problems: &[ProblemType]) -> Response {
    let names: Vec<&str> = problems.iter().map(|problem| problem.name()).collect();
    let mut content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem")));
    for problem in problems {
        let example = utoipa::openapi::example::ExampleBuilder::new()
            .summary(problem.title())
            .value(Some(json!(example::problem(*problem))))
            .build();
        content = content.examples_from_iter([(problem.name(), example)]);
    }
    let response = ResponseBuilder::new().description(names.join(", ")).content(MEDIA_TYPE, content.build());
    if problems[0].status() == 429 { response.header("Retry-After", retry_after()) } else { response }.build()
}

fn retry_after() -> utoipa::openapi::Header {
    HeaderBuilder::new()
        .description(Some("Seconds after which to send again"))
        .schema(Some(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0))))
        .build()
}
