//! What a run leaves behind, and what is done with it.

use std::path::Path;

use jsonschema::Validator;
use serde_json::Value;

use crate::stage::Stage;

/// A fault that one quick case finds, and the case.
const FAULT: &str = "takes-any-typ";
const ONLY: [&str; 4] = ["--only", "SIG-002", "--only", "SIG-003"];

/// A published schema.
fn schema(name: &str, part: Option<&str>) -> Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas").join(name);
    let mut schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    if let Some(part) = part {
        schema = serde_json::json!({ "$ref": part, "$defs": schema["$defs"] });
    }
    let options = jsonschema::draft202012::options().should_validate_formats(true).offline();
    options.build(&schema).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn complaints(validator: &Validator, instance: &Value) -> Vec<String> {
    validator.iter_errors(instance).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn run(stage: &Stage, more: &[&str]) -> (Option<i32>, String) {
    let suite = stage.suite();
    let run = stage.ends(&[&["run", "--folder", &suite], more].concat());
    (run.status.code(), String::from_utf8_lossy(&run.stderr).into_owned())
}

#[test]
fn a_whole_run_leaves_documents_of_their_published_forms() {
    let stage = Stage::new();
    let _peer = stage.peer(Some("appends-at-any-sequence"));
    let (code, told) = run(&stage, &["--json", "also.json"]);
    assert_eq!(code, Some(1), "{told}");
    let results = stage.json("suite/report/results.json");
    assert_eq!(complaints(&schema("results.schema.json", None), &results), [""; 0]);
    assert_eq!(stage.json("also.json"), results);
    // The form says something: without a member, or with a verdict that there is not, it is another.
    for (pointer, value) in
        [("/must", Value::Null), ("/findings/0/verdict", "GREEN".into()), ("/x", 1.into())]
    {
        let mut other = results.clone();
        match other.pointer_mut(pointer) {
            Some(held) => *held = value,
            None => other["x"] = value,
        }
        assert!(!schema("results.schema.json", None).is_valid(&other), "{pointer}");
    }
    let archive = std::fs::File::open(stage.path("suite/report/evidence.zip")).unwrap();
    let mut archive = zip::ZipArchive::new(archive).unwrap();
    let mut file = |name: &str| std::io::read_to_string(archive.by_name(name).unwrap()).unwrap();
    let manifest: Value = serde_json::from_str(&file("manifest.json")).unwrap();
    assert_eq!(complaints(&schema("evidence.schema.json", None), &manifest), [""; 0]);
    let hearing = schema("results.schema.json", Some("#/$defs/hearing"));
    let transcript = file("transcript.jsonl");
    for line in transcript.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(complaints(&hearing, &line["hearing"]), [""; 0], "{}", line["case"]);
    }
    assert!(transcript.lines().count() >= results["findings"].as_array().unwrap().len());
}

#[test]
fn a_failure_is_told_with_clause_twin_steps_seed_and_replay() {
    let stage = Stage::new();
    let _peer = stage.peer(Some(FAULT));
    let (code, told) = run(&stage, &[&ONLY[..], &["--seed", "42"]].concat());
    assert_eq!(code, Some(1), "{told}");
    for part in ["seed 42", "clause: SIG-002: ", "twin: the same but for one thing got 201", "replay F01"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    let page = std::fs::read_to_string(stage.path("suite/report/report.html")).unwrap();
    for part in
        ["F01", "SIG-002", "good twin", "<svg", "role=\"img\"", "cme-conformance replay F01", "--seed 42"]
    {
        assert!(page.contains(part), "{part} is not in the report");
    }
    let xml = std::fs::read_to_string(stage.path("suite/report/junit.xml")).unwrap();
    assert_eq!(xml.matches("<failure type=\"FAIL\"").count(), 1, "{xml}");
    let (mut reader, mut depth) = (quick_xml::Reader::from_str(&xml), 0);
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Start(_) => depth += 1,
            quick_xml::events::Event::End(_) => depth -= 1,
            quick_xml::events::Event::Eof => break,
            _ => {}
        }
    }
    assert_eq!(depth, 0);
}

#[test]
fn replay_hears_the_case_again_and_leaves_its_question_fresh_for_curl() {
    let stage = Stage::new();
    let peer = stage.peer(Some(FAULT));
    assert_eq!(run(&stage, &ONLY).0, Some(1));
    let suite = stage.suite();
    let replay = stage.ends(&["replay", "F01", "--folder", &suite]);
    let told = String::from_utf8_lossy(&replay.stdout);
    assert_eq!(replay.status.code(), Some(1), "{told}{}", String::from_utf8_lossy(&replay.stderr));
    for part in ["(the question)", "(good twin)", "\ncurl ", "--pinnedpubkey 'sha256//", "--cert ", "PUT"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
    let place = stage.path("suite/replay/sig-refuses-other-forms");
    let body: Value = serde_json::from_slice(&std::fs::read(place.join("body")).unwrap()).unwrap();
    // It was held back: no step of the replay has its transfer.
    let transfer = body["header"]["transfer"].as_str().unwrap();
    assert!(told.matches(transfer).count() == 1, "{transfer} in {told}");
    let pem = |name: &str| std::fs::read_to_string(place.join(name)).unwrap();
    assert!(pem("client.pem").starts_with("-----BEGIN CERTIFICATE-----\n"));
    assert!(pem("client.key").starts_with("-----BEGIN PRIVATE KEY-----\n"));
    assert!(pem("request.http").contains(transfer));
    // Mended, the same case passes.
    drop(peer);
    let _peer = stage.peer(None);
    let again = stage.ends(&["replay", "sig-refuses-other-forms", "--folder", &suite]);
    assert_eq!(again.status.code(), Some(0), "{}", String::from_utf8_lossy(&again.stdout));
    assert_eq!(stage.ends(&["replay", "F99", "--folder", &suite]).status.code(), Some(2));
}

#[test]
fn a_baseline_takes_known_failures_as_known_until_they_pass() {
    let stage = Stage::new();
    let faulty = stage.peer(Some(FAULT));
    assert_eq!(run(&stage, &[&ONLY[..], &["--json", "known.json"]].concat()).0, Some(1));
    let beside = [&ONLY[..], &["--baseline", "known.json"]].concat();
    assert_eq!(run(&stage, &beside).0, Some(0));
    let results = stage.json("suite/report/results.json");
    assert_eq!((&results["outcome"], &results["exit"]), (&"failed".into(), &0.into()));
    assert_eq!(results["baseline"]["known"], serde_json::json!(["sig-refuses-other-forms"]));
    drop(faulty);
    let other = stage.peer(Some("verifies-nothing"));
    assert_eq!(run(&stage, &beside).0, Some(1), "a failure that is new");
    drop(other);
    let _sound = stage.peer(None);
    assert_eq!(run(&stage, &beside).0, Some(6), "a known failure passes");
    assert_eq!(stage.json("suite/report/results.json")["baseline"]["stale"][0], "sig-refuses-other-forms");
    std::fs::write(stage.path("known.json"), "{}").unwrap();
    assert_eq!(run(&stage, &beside).0, Some(2), "no results");
}

#[test]
fn a_peer_plays_an_authority_of_the_suite_and_knows_its_faults() {
    let stage = Stage::new();
    let suite = stage.suite();
    let refused = stage.ends(&["peer", "--folder", &suite, "--fault", "smiles"]);
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(stage.ends(&["peer", "--folder", &suite, "--authority", "999"]).status.code(), Some(2));
    let listed = stage.ends(&["list", "--faults", "--json"]);
    let faults: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let fault = faults.as_array().unwrap().iter().find(|fault| fault["name"] == FAULT).unwrap();
    assert_eq!(fault["breaks"], "SIG-002");
    let mut command = stage.command(&["peer", "--folder", &suite, "--fault", FAULT]);
    let mut child = command.spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let _peer = crate::stage::Process(child);
    let told = lines.next().unwrap().unwrap();
    assert!(told.starts_with("authority 001 at https://127.0.0.1:") && told.contains("SIG-002"), "{told}");
    let address: std::net::SocketAddr = told.split('/').nth(2).unwrap().parse().unwrap();
    assert!(std::net::TcpStream::connect(address).is_ok(), "{told}");
}

#[test]
fn a_peer_says_what_it_is_asked_and_what_it_answers() {
    let stage = Stage::new();
    let home = stage.path("home").display().to_string();
    let mut child = stage.command(&["peer", "--home", &home]).spawn().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(child.stderr.take().unwrap()));
    let _peer = crate::stage::Process(child);
    let suite = stage.suite();
    let doctor = stage.ends(&["doctor", "--folder", &suite, "--wait", "60"]);
    assert_eq!(doctor.status.code(), Some(0), "{}", String::from_utf8_lossy(&doctor.stdout));
    let mut told =
        lines.map_while(Result::ok).skip_while(|line| !line.contains("/330/v1/capabilities  =>  200"));
    assert!(told.next().is_some() && told.next().unwrap().starts_with("     < {"));
}
