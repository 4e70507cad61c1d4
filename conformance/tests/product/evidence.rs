//! `verify`, from the command line.

use crate::stage::Stage;

#[test]
fn evidence_is_verified_by_its_fingerprint_and_refused_when_it_was_changed() {
    let stage = Stage::new();
    let fingerprint =
        stage.told.lines().find_map(|line| line.strip_prefix("evidence will be signed by the key "));
    let fingerprint = fingerprint.unwrap_or_else(|| panic!("{}", stage.told));
    stage.adapter(None);
    let suite = stage.suite();
    let run = stage.ends(&["run", "--quick", "--folder", &suite]);
    assert_eq!(run.status.code(), Some(0), "{}", String::from_utf8_lossy(&run.stderr));
    let path = stage.path("suite/report/evidence.zip");
    let evidence = path.to_str().unwrap();
    let verified = stage.ends(&["verify", evidence, "--key", fingerprint]);
    let told = String::from_utf8_lossy(&verified.stdout);
    assert_eq!(verified.status.code(), Some(0), "{told}");
    assert!(told.contains("left out, as the results say") && told.contains("the evidence holds"), "{told}");
    let other = stage.ends(&["verify", evidence, "--key", &"A".repeat(43)]);
    assert_eq!(other.status.code(), Some(1));
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let changed = stage.ends(&["verify", evidence, "--json"]);
    assert_eq!(changed.status.code(), Some(1));
    let looks: serde_json::Value = serde_json::from_slice(&changed.stdout).unwrap();
    assert!(looks["looks"].as_array().unwrap().iter().any(|look| look["holds"] == false), "{looks}");
    assert_eq!(stage.ends(&["verify", "missing.zip"]).status.code(), Some(2));
}
