//! The digest that ends the daily check.

use cme_spec::digest::Digest;
use cme_spec::example;
use cme_spec::receipt::{ReconciledHead, reconciliation_digest};
use serde_json::{Value, json};

use super::{accept, vectors};
use crate::tree::TextFile;

const ABOUT: &str = "`digest` is the SHA-256 over the RFC 8785 bytes of {\"heads\": [...]}, the heads in ascending order of `transfer` whatever order `heads` has here.";

pub(super) fn file() -> TextFile {
    let head = |number: u64, sequence: u64| ReconciledHead {
        transfer: example::transfer(number),
        sequence,
        header_digest: Digest::of(format!("header {sequence} of ledger {number}").as_bytes()),
    };
    let case = |name: &str, heads: Vec<ReconciledHead>| {
        let items: Vec<Value> = heads.iter().map(|head| json!(head)).collect();
        accept(
            name,
            json!({ "source": "section 11.2", "ledgers": heads.len(), "heads": items, "digest": reconciliation_digest(heads) }),
        )
    };
    let cases = vec![
        case("no ledger shared", vec![]),
        case("one ledger", vec![head(1, 0)]),
        case("three ledgers", vec![head(1, 3), head(2, 0), head(3, 17)]),
        case("the same three in another order", vec![head(3, 17), head(1, 3), head(2, 0)]),
        case("one entry more in one of them", vec![head(1, 3), head(2, 1), head(3, 17)]),
        case("transfers sort as their hexadecimal text", vec![head(10, 1), head(9, 1)]),
    ];
    vectors("reconciliation.json", ABOUT, Value::Null, cases)
}
