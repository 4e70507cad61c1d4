//! The `OpenAPI` document says what the operations and the table of problems say.

use std::collections::BTreeSet;

use cme_spec::{openapi, operation};
use serde_json::Value;

fn document() -> Value {
    serde_json::from_str(&openapi::document_text()).expect("the document is JSON")
}

/// The operation's object in the document.
fn documented(document: &Value, operation: &operation::Operation) -> Value {
    document["paths"][operation.path()][operation.method().to_lowercase()].clone()
}

/// Every `$ref` of the value.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match member.as_str() {
                    Some(target) if name == "$ref" => drop(found.insert(target)),
                    _ => references(member, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[test]
fn is_a_document_of_version_3_1() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn documents_every_operation_once_and_nothing_else() {
    let document = document();
    let mut written = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if let Some(id) = operation["operationId"].as_str() {
                written.insert(format!("{} {path} {id}", method.to_uppercase()));
            }
        }
    }
    let bound: BTreeSet<String> = operation::ALL
        .iter()
        .map(|operation| format!("{} {} {}", operation.method(), operation.path(), operation.name))
        .collect();
    assert_eq!(written, bound);
}

#[test]
fn lists_every_refusal_of_every_operation_by_name_under_its_status() {
    let document = document();
    for operation in operation::ALL {
        let responses = documented(&document, operation)["responses"].clone();
        for problem in operation.every_refusal() {
            let response = &responses[problem.status().to_string()];
            let content = &response["content"]["application/problem+json"];
            let what = format!("{} of {}", problem.name(), operation.name);
            assert_eq!(content["schema"]["$ref"], "#/components/schemas/Problem", "{what}");
            let listed =
                response["description"].as_str().unwrap().split(", ").any(|name| name == problem.name());
            assert!(listed, "{what} is not in the description");
            let example = &content["examples"][problem.name()]["value"];
            assert_eq!(example["type"], problem.uri(), "{what}");
            assert_eq!(example["status"], problem.status(), "{what}");
        }
    }
}

#[test]
fn every_success_has_an_example_and_every_refusal_is_one_of_the_table() {
    let document = document();
    for operation in operation::ALL {
        let allowed: BTreeSet<String> =
            operation.every_refusal().map(cme_spec::problem::ProblemType::uri).collect();
        for (status, response) in documented(&document, operation)["responses"].as_object().unwrap() {
            if status.starts_with('2') {
                assert!(response["content"]["application/json"]["example"].is_object(), "{}", operation.name);
                continue;
            }
            let examples = response["content"]["application/problem+json"]["examples"].as_object().unwrap();
            for example in examples.values() {
                assert!(allowed.contains(example["value"]["type"].as_str().unwrap()), "{}", operation.name);
            }
        }
    }
}

#[test]
fn every_reference_leads_to_a_component() {
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.len() > 40, "only {} references", found.len());
    for target in found {
        let pointer = target.strip_prefix('#').unwrap_or_else(|| panic!("{target} leads outside"));
        assert!(document.pointer(pointer).is_some(), "{target} leads nowhere");
    }
}

#[test]
fn asks_for_a_client_certificate_everywhere() {
    let document = document();
    let scheme = &document["components"]["securitySchemes"]["mutualTls"];
    assert_eq!(scheme["type"], "mutualTLS");
    assert!(document["security"].as_array().unwrap().iter().any(|asked| asked.get("mutualTls").is_some()));
    for operation in operation::ALL {
        assert!(documented(&document, operation).get("security").is_none(), "{} opts out", operation.name);
    }
}

#[test]
fn has_a_schema_for_every_signed_document_and_body() {
    let document = document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for name in [
        "LedgerEntry",
        "Header",
        "Receipt",
        "SignedReceipt",
        "Head",
        "SignedHead",
        "SignedReconciliation",
        "SignedDirectory",
        "SignedQuery",
        "QueryHeader",
        "QueryBody",
        "Subject",
        "SignedAnswer",
        "QueryAnswers",
        "SignedNotice",
        "NoticeHeader",
        "NoticeBody",
        "SignedAcknowledgement",
        "SignedStored",
        "Problem",
        "Offer",
        "Acknowledge",
        "RequestInformation",
        "SupplyInformation",
        "Accept",
        "Decline",
        "Contest",
        "Uphold",
        "Redirect",
        "Withdraw",
        "OutcomeEntry",
        "Retract",
        "Correct",
    ] {
        assert!(schemas.contains_key(name), "{name}");
    }
}

#[test]
fn a_member_is_null_only_where_that_says_something() {
    let nullable = |schema: &Value| {
        let listed = schema["type"].as_array().is_some_and(|types| types.iter().any(|kind| kind == "null"));
        let either = schema["oneOf"].as_array();
        listed || either.is_some_and(|items| items.iter().any(|item| item["type"] == "null"))
    };
    let document = document();
    let mut found = Vec::new();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
            if nullable(schema) {
                found.push(format!("{name}.{member}"));
            }
        }
    }
    found.sort();
    assert_eq!(found, ["Directory.previous", "Header.previous", "Problem.head"]);
    for name in ["Directory", "Header"] {
        let required = document["components"]["schemas"][name]["required"].as_array().unwrap();
        assert!(required.iter().any(|member| member == "previous"), "{name}.previous may be left out");
    }
}

#[test]
fn every_operation_stands_in_one_group_and_takes_the_incarnation() {
    let document = document();
    let groups: BTreeSet<&str> =
        document["tags"].as_array().unwrap().iter().map(|tag| tag["name"].as_str().unwrap()).collect();
    let mut used = BTreeSet::new();
    for operation in operation::ALL {
        let documented = documented(&document, operation);
        let tags = documented["tags"].as_array().unwrap();
        assert_eq!(tags.len(), 1, "{}", operation.name);
        used.insert(tags[0].as_str().unwrap().to_owned());
        let parameters = documented["parameters"].as_array().unwrap();
        let told: Vec<&Value> =
            parameters.iter().filter(|told| told["name"] == operation::INCARNATION_HEADER).collect();
        assert_eq!(told.len(), 1, "{}", operation.name);
        assert_eq!((&told[0]["in"], &told[0]["required"]), (&"header".into(), &false.into()));
        assert_eq!(told[0]["schema"]["minimum"], 1);
    }
    assert!(used.iter().map(String::as_str).eq(groups), "{used:?}");
}

#[test]
fn every_link_leads_to_an_operation_and_a_parameter_of_it() {
    let document = document();
    let mut found = Vec::new();
    for operation in operation::ALL {
        let responses = documented(&document, operation)["responses"].clone();
        for (status, response) in responses.as_object().unwrap() {
            for (name, link) in response["links"].as_object().into_iter().flatten() {
                assert!(status.starts_with('2'), "{} {status} {name}", operation.name);
                let target = operation::ALL.iter().find(|target| link["operationId"] == target.name);
                let target = target.unwrap_or_else(|| panic!("{name} leads nowhere"));
                let parameters = documented(&document, target)["parameters"].clone();
                for parameter in link["parameters"].as_object().unwrap().keys() {
                    let takes =
                        parameters.as_array().unwrap().iter().any(|taken| taken["name"] == *parameter);
                    assert!(takes, "{} takes no {parameter}", target.name);
                }
                found.push(format!("{} {status} {name}", operation.name));
            }
        }
    }
    found.sort();
    let expected =
        ["list_heads 200 next", "put_entry 200 ledger", "put_entry 201 ledger", "put_query 200 withdraw"];
    assert_eq!(found, expected);
}

#[test]
fn says_when_to_try_again_after_too_many_requests() {
    let document = document();
    for operation in operation::ALL {
        let refusal = documented(&document, operation)["responses"]["429"].clone();
        assert_eq!(refusal["headers"]["Retry-After"]["schema"]["type"], "integer", "{}", operation.name);
    }
}

/// Without it a generator takes 32 bits.
#[test]
fn every_integer_that_may_be_large_has_64_bits() {
    fn search(place: &str, value: &Value, found: &mut usize) {
        if value["maximum"].as_i64().is_some_and(|maximum| maximum > i64::from(i32::MAX)) {
            assert_eq!(value["format"], "int64", "{place}");
            *found += 1;
        }
        match value {
            Value::Object(members) => {
                members.iter().for_each(|(name, member)| search(&format!("{place}/{name}"), member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| search(place, item, found)),
            _ => {}
        }
    }
    let mut found = 0;
    search("", &document(), &mut found);
    assert!(found > 20, "only {found}");
}
