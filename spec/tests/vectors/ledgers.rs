//! Whole exports.

use cme_spec::directory::Archive;
use cme_spec::ledger::verify::{LedgerFile, LedgerFileError, Proof, verify};
use serde_json::{Value, json as value};

use super::{document, each_case, json, name, str_of, text};

fn judge(case: &Value) -> Result<Proof, Vec<Option<u64>>> {
    let directory = document(&format!("ledgers/{}", str_of(case, "directory")));
    let archive = Archive::start(&json(&directory), None).unwrap();
    let export = text(&format!("ledgers/{}", str_of(case, "file")));
    match LedgerFile::read(export.as_bytes()) {
        Ok(file) => verify(&file, archive.newest().unwrap().content())
            .map_err(|findings| findings.iter().map(|finding| finding.sequence).collect()),
        Err(LedgerFileError::Decode { sequence, .. }) => Err(vec![sequence]),
        Err(_) => Err(vec![None]),
    }
}

#[test]
fn ledgers_verify_or_fail_as_published() {
    each_case("ledgers/index.json", 24, 24, |case, take| {
        let outcome = judge(case);
        if !take {
            let places = outcome.expect_err(name(case));
            assert!(places.contains(&case["sequence"].as_u64()), "{}: {places:?}", name(case));
            return;
        }
        let proof = outcome.unwrap_or_else(|places| panic!("{}: {places:?}", name(case)));
        let disputed: Vec<u64> = proof.disputed.iter().map(|disputed| disputed.sequence).collect();
        let forks: Vec<u64> = proof.forks.iter().map(|fork| fork.sequence).collect();
        let passed = proof.passed;
        for (member, found) in [
            ("transfer", value!(proof.transfer)),
            ("originating", value!(proof.originating)),
            ("receiving", value!(proof.receiving)),
            ("stage", value!(proof.stage)),
            ("responsible", value!(proof.responsible)),
            ("passedAt", value!(passed.map(|passed| passed.at))),
            ("knownToOriginatingAt", value!(passed.and_then(|passed| passed.received_by_originating))),
            ("entries", value!(proof.entries)),
            ("headDigest", value!(proof.as_of.header_digest)),
            ("disputed", value!(disputed)),
            ("erased", value!(proof.erased)),
            ("forks", value!(forks)),
        ] {
            assert_eq!(found, case[member], "{}: {member}", name(case));
        }
    });
}

#[test]
fn every_stage_has_a_ledger() {
    let index = document("ledgers/index.json");
    for stage in cme_spec::ledger::Stage::ALL {
        let found = index["cases"].as_array().unwrap().iter().any(|case| case["stage"] == stage.code());
        assert!(found, "{stage}");
    }
}
