//! The demonstration: its scenes hold, its ledgers verify offline, and what happens a week later is dated so.

use std::process::Command;

use cme_spec::canonical::{Json, Limits};
use cme_spec::directory::Archive;
use cme_spec::entry::Entry;
use cme_spec::instant::Instant;
use cme_spec::ledger::verify::{LedgerFile, verify};
use serde_json::Value;

use crate::support::{BINARY, World};

const WEEK_SECONDS: i64 = 7 * 86_400;

fn instant(value: &Value) -> Instant {
    value.as_str().unwrap().parse().unwrap()
}

#[test]
fn what_happens_a_week_later_is_dated_so_and_every_ledger_verifies_offline() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("ledgers");
    let begun = crate::wire::now();
    let demo = Command::new(BINARY).args(["demo", "--json", "--out"]).arg(&out).output().unwrap();
    let said = String::from_utf8_lossy(&demo.stderr).into_owned();
    assert!(demo.status.success(), "{said}");
    let report: Value = serde_json::from_slice(&demo.stdout).unwrap();
    assert_eq!(report["ok"], true, "{report}");
    let traced = &report["traced"];
    let told = ["askedAt", "notKnownAt", "knownAt"].map(|name| instant(&traced[name]));
    // An answer's time has no fraction of a second.
    assert!(begun <= told[0] && told[0] <= told[1].plus_seconds(1), "{traced}");
    assert!(told[1].plus_seconds(WEEK_SECONDS - 1) <= told[2], "{traced}");
    assert!(
        told[2] <= crate::wire::now().plus_seconds(WEEK_SECONDS),
        "not more than was put ahead: {traced}"
    );
    let directory = Json::decode(&std::fs::read(out.join("directory.json")).unwrap(), &Limits::COLLECTION);
    let archive = Archive::start(&directory.unwrap(), None).unwrap();
    let transfers = report["transfers"].as_array().unwrap();
    assert_eq!(transfers.len(), 6);
    for transfer in transfers {
        let file = out.join(format!("{}.json", transfer["transfer"].as_str().unwrap()));
        let export = std::fs::read_to_string(file).unwrap();
        let ledger = LedgerFile::read(export.as_bytes()).unwrap();
        let proof = verify(&ledger, archive.newest().unwrap().content()).unwrap();
        assert_eq!(transfer["responsible"], proof.responsible.as_ref(), "{transfer}");
        let later = transfer["scene"] == "Traced and handed over";
        let json = Json::decode(export.as_bytes(), &Limits::COLLECTION).unwrap();
        for entry in json.member("entries").unwrap().items().unwrap() {
            let entry = Entry::from_json(entry).unwrap();
            let at = entry.header().created_at;
            let receipt = entry.receipts().first().unwrap().content().received_at;
            assert!((told[2] <= at && told[2] <= receipt) == later, "{transfer}: {at}, {receipt}");
            assert!(instant(&transfer["begunAt"]) <= at && at <= instant(&transfer["endedAt"]));
        }
    }
}

#[test]
fn no_deployment_has_a_clock_that_can_be_set() {
    let world = World::new(&["373"]);
    let party = world.party("373");
    for command in [&["office", "list"][..], &["serve"]] {
        let said = party.refuse(&[&["demo-child"], command].concat());
        assert!(said.contains("demonstration") || said.contains("unexpected argument"), "{said}");
        let config = party.config().display().to_string();
        let before =
            Command::new(BINARY).args(["--config", &config, "demo-child"]).args(command).output().unwrap();
        let said = String::from_utf8_lossy(&before.stderr).into_owned();
        assert!(!before.status.success() && said.contains("is not of the demonstration"), "{said}");
    }
    let help = Command::new(BINARY).arg("--help").output().unwrap();
    assert!(!String::from_utf8_lossy(&help.stdout).contains("demo-child"));
}
