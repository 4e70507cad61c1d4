//! The operations of version 1: one file each, headed by method, path and the clause of the text.
//!
//! Method and path stand in one place, the annotation in that file. The server binds what
//! [`Operation::path`] says, the client calls it, the OpenAPI document prints it.

pub mod get_capabilities;
pub mod get_reconciliation;
pub mod list_entries;
pub mod list_heads;
pub mod put_acknowledgement;
pub mod put_answer;
pub mod put_entry;
pub mod put_notice;
pub mod put_query;
pub mod withdraw_query;

use crate::problem::ProblemType;

/// Header in which a caller tells its incarnation.
pub const INCARNATION_HEADER: &str = "CME-Incarnation";

/// One operation of the protocol.
#[derive(Clone, Copy)]
pub struct Operation {
    /// `verb_noun`, the same in spec, handler, client and conformance case.
    pub name: &'static str,
    /// The profile that it belongs to: a server that does not declare it has no such path.
    pub profile: &'static str,
    /// The registered problems it can answer with, over those of [`EVERYWHERE`].
    pub refusals: &'static [ProblemType],
    path: fn() -> String,
    method: fn() -> &'static str,
    pub(crate) document: fn() -> (String, utoipa::openapi::path::PathItem),
}

impl Operation {
    /// The path below an authority's base URL, with `{name}` for parameters.
    pub fn path(&self) -> String {
        (self.path)()
    }

    /// The HTTP method.
    pub fn method(&self) -> &'static str {
        (self.method)()
    }

    /// Every registered problem it can answer with.
    pub fn every_refusal(&self) -> impl Iterator<Item = ProblemType> {
        EVERYWHERE.iter().chain(self.refusals).copied()
    }
}

/// Refusals that every operation shares.
pub const EVERYWHERE: &[ProblemType] = &[
    ProblemType::PeerUnknown,
    ProblemType::HostedUnknown,
    ProblemType::RouteUnknown,
    ProblemType::MethodNotAllowed,
    ProblemType::Malformed,
    ProblemType::IncarnationStale,
    ProblemType::RateLimited,
    ProblemType::Internal,
    ProblemType::Unavailable,
];

/// Every operation of version 1.
pub const ALL: &[Operation] = &[
    get_capabilities::OPERATION,
    put_entry::OPERATION,
    list_entries::OPERATION,
    list_heads::OPERATION,
    get_reconciliation::OPERATION,
    put_query::OPERATION,
    put_answer::OPERATION,
    withdraw_query::OPERATION,
    put_notice::OPERATION,
    put_acknowledgement::OPERATION,
];

/// Every operation of the given profiles. Implements: TRN-013
pub fn of_profiles(profiles: &[&str]) -> impl Iterator<Item = &'static Operation> {
    ALL.iter().filter(|operation| profiles.contains(&operation.profile))
}

/// Makes an [`Operation`] of a function that carries a `utoipa::path` annotation.
macro_rules! operation {
    ($name:ident, $path:ident, $refusals:expr) => {
        crate::operation::operation!($name, $path, $refusals, profile: "core");
    };
    ($name:ident, $path:ident, $refusals:expr, profile: $profile:literal) => {
        /// This operation.
        pub const OPERATION: crate::operation::Operation = crate::operation::Operation {
            name: stringify!($name),
            profile: $profile,
            refusals: $refusals,
            path: || <$path as utoipa::Path>::path(),
            method: || crate::operation::method_name(&<$path as utoipa::Path>::methods()),
            document: || {
                use utoipa::openapi::path::PathItem;
                let item = PathItem::from_http_methods(
                    <$path as utoipa::Path>::methods(),
                    <$path as utoipa::Path>::operation(),
                );
                (<$path as utoipa::Path>::path(), item)
            },
        };
    };
}
pub(crate) use operation;

fn method_name(methods: &[utoipa::openapi::HttpMethod]) -> &'static str {
    match methods.first() {
        Some(utoipa::openapi::HttpMethod::Put) => "PUT",
        Some(utoipa::openapi::HttpMethod::Delete) => "DELETE",
        _ => "GET",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_its_method_and_a_path_below_v1() {
        let bound: Vec<_> =
            ALL.iter().map(|operation| format!("{} {}", operation.method(), operation.path())).collect();
        assert_eq!(
            bound,
            [
                "GET /v1/capabilities",
                "PUT /v1/transfers/{transfer}/entries/{sequence}",
                "GET /v1/transfers/{transfer}/entries",
                "GET /v1/heads",
                "GET /v1/reconciliation",
                "PUT /v1/queries/{query}",
                "PUT /v1/queries/{query}/answers/{number}",
                "DELETE /v1/queries/{query}",
                "PUT /v1/notices/{notice}",
                "PUT /v1/notices/{notice}/acknowledgement",
            ]
        );
    }

    #[test]
    fn the_table_of_the_text_gives_each_operation_with_its_profile() {
        let text = include_str!("../text/09-transport.md");
        let rows: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`')).collect())
            .filter(|cells: &Vec<&str>| cells.len() == 4 && cells[1].contains(" /v1/"))
            .collect();
        let written: Vec<(String, &str)> = rows
            .iter()
            .map(|cells| (cells[1].split('?').next().unwrap_or_default().to_owned(), cells[3]))
            .collect();
        let coded: Vec<(String, &str)> = ALL
            .iter()
            .map(|operation| (format!("{} {}", operation.method(), operation.path()), operation.profile))
            .collect();
        assert_eq!(written, coded);
        assert_eq!(of_profiles(&["core"]).count(), 5);
        assert_eq!(of_profiles(&["queries", "notices"]).count(), 5);
    }
}
