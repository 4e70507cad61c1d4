//! The judge is judged: it finds what is broken, passes nothing that does nothing, and blames nobody else.

use std::process::Command;

use serde_json::Value;

#[test]
fn every_fault_is_found_and_nothing_else_is() {
    let check =
        Command::new(env!("CARGO_BIN_EXE_cme-conformance")).args(["self-check", "--json"]).output().unwrap();
    let score: Value = serde_json::from_slice(&check.stdout).unwrap();
    assert_eq!(score["complaints"], serde_json::json!([]));
    assert_eq!((check.status.code(), &score["ok"]), (Some(0), &Value::Bool(true)));
    assert_eq!((&score["nullGreen"], &score["falseAlarms"]), (&0.into(), &0.into()));
    assert_eq!((&score["killed"], &score["attributed"]), (&score["faults"], &score["faults"]));
    // What a report says of the suite's power was counted, not written.
    let said: Value = serde_json::from_str(include_str!("../src/report/power.json")).unwrap();
    for (name, figure) in said.as_object().unwrap() {
        assert_eq!(&score[name], figure, "{name}: write what `self-check --power` prints to power.json");
    }
    // What has been reached is not given up again.
    for (name, least) in [("cases", 66), ("faults", 112), ("mustCovered", 64)] {
        assert!(score[name].as_u64().unwrap() >= least, "{name}: {}", score[name]);
    }
}
