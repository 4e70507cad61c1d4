//! What an operator relies on: start and stop, what is told where, files and their modes, offline verification.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use cme_spec::entry::EntryType as E;

use crate::support::{BINARY, World};
use crate::wire::{offer, stranger};

/// A hand-over that is settled at both ends.
fn settled() -> (World, String) {
    let mut world = World::new(&["373", "330"]);
    world.start_all();
    let transfer = world.party("373").offer("330");
    world.party("330").wait_for(&transfer, "offered");
    world.party("330").decide("accept", E::Accept, &transfer);
    world.party("330").decide("outcome", E::Outcome, &transfer);
    world.party("373").wait_for(&transfer, "settled");
    (world, transfer)
}

/// `ledger verify`: whether it held, and what it said.
fn verify(world: &World, text: &str, directory: &std::path::Path) -> (bool, String) {
    let file = world.folder.path().join("ledger.json");
    std::fs::write(&file, text).unwrap();
    let output =
        Command::new(BINARY).args(["ledger", "verify"]).arg(&file).arg("--directory").arg(directory).output();
    let output = output.unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn two_accepts_of_one_hand_over_name_who_offered_and_two_of_others_nobody() {
    let mut world = World::new(&["373", "330"]);
    world.party_mut("330").start();
    let accepted = |number: u64, of: Option<cme_spec::entry::ResponsibilityRef>| {
        let offer = offer(&world, "373", "330", number, |header| {
            header.responsibility = of.unwrap_or(header.responsibility);
        });
        assert_eq!(world.wire("373", "330").put(&offer).status, 201);
        let transfer = offer.header().transfer.to_string();
        world.party("330").decide("accept", E::Accept, &transfer);
        (world.party("330").export(&transfer), offer.header().responsibility)
    };
    let (first, responsibility) = accepted(1, None);
    let (again, _) = accepted(2, Some(responsibility));
    let (other, _) = accepted(3, None);
    let file = |name: &str, text: &str| {
        let path = world.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let verify = |with: &str, json: &[&str]| {
        let (one, two) = (file("one.json", &first), file("two.json", with));
        let directory = world.directory_file().display().to_string();
        let arguments = ["ledger", "verify", &one, "--with", &two, "--directory", &directory];
        let output = Command::new(BINARY).args(arguments).args(json).output().unwrap();
        (output.status.success(), String::from_utf8(output.stdout).unwrap())
    };
    let named = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap()["offeredTwice"].clone();
    let (held, said) = verify(&again, &["--json"]);
    assert!(held && named(&said) == serde_json::json!(["373", "373"]), "{said}");
    assert!(verify(&again, &[]).1.contains("OFFERED TWICE by 373"));
    // Another child, and the same ledger beside itself.
    for with in [&other, &first] {
        let (held, said) = verify(with, &["--json"]);
        assert!(held && named(&said) == serde_json::json!([]), "{said}");
    }
    let (held, said) = verify(&again.replacen("\"accept\"", "\"decline\"", 1), &[]);
    assert!(!held && said.contains("the other export: ") && said.contains("NOT VERIFIED"), "{said}");
}

#[test]
fn an_export_verifies_offline_and_a_spoilt_one_names_the_sequence() {
    let (world, transfer) = settled();
    let (export, directory) = (world.party("373").export(&transfer), world.directory_file());
    let (held, said) = verify(&world, &export, &directory);
    assert!(held && said.contains("VERIFIED: 3 entries, settled, 330 responsible"), "{said}");
    let lines: Vec<&str> = export.lines().collect();
    let first = lines.iter().position(|line| line.contains("\"sequence\":0,")).unwrap();
    for sequence in 0..3 {
        let line = lines[first + sequence];
        for place in (0..line.len()).step_by(127) {
            let mut spoilt: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            let new = if line.as_bytes()[place] == b'x' { "y" } else { "x" };
            spoilt[first + sequence].replace_range(place..=place, new);
            let (held, said) = verify(&world, &spoilt.join("\n"), &directory);
            assert!(
                !held && said.contains(&format!("sequence {sequence}")),
                "byte {place} of {sequence}: {said}"
            );
        }
        let mut without = lines.clone();
        without.remove(first + sequence);
        let (held, said) = verify(&world, &without.join("\n").replace("},\n],", "}\n],"), &directory);
        assert!(!held && said.contains(&format!("sequence {sequence}")), "without {sequence}: {said}");
    }
    let mut swapped = lines.clone();
    swapped.swap(first, first + 1);
    let (held, said) = verify(&world, &swapped.join("\n"), &directory);
    assert!(!held && said.contains("sequence 0"), "{said}");
    // Another network's directory has other keys for the same authorities.
    let other = World::new(&["373", "330"]);
    let (held, said) = verify(&world, &export, &other.directory_file());
    assert!(!held && said.contains("sequence 0"), "{said}");
    // Bodies may go once the case is closed.
    let erased: Vec<String> = lines.iter().map(|line| erase(line)).collect();
    let (held, said) = verify(&world, &erased.join("\n"), &directory);
    assert!(held && said.contains("bodies erased at [0, 1, 2]"), "{said}");
}

/// The line with its entry's body erased, if it is an entry.
fn erase(line: &str) -> String {
    let (text, comma) = line.strip_suffix(',').map_or((line, ""), |text| (text, ","));
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(mut entry) if entry.get("bodyDigest").is_none() && entry.get("body").is_some() => {
            entry["body"] = serde_json::Value::Null;
            entry["erasedAt"] = "2033-01-01T00:00:00Z".into();
            format!("{entry}{comma}")
        }
        _ => line.to_owned(),
    }
}

#[test]
fn a_directory_that_was_changed_is_refused() {
    let world = World::new(&["373", "330"]);
    let text = std::fs::read_to_string(world.directory_file()).unwrap();
    let verify = |text: &str, arguments: &[&str]| {
        let file = world.folder.path().join("other.json");
        std::fs::write(&file, text).unwrap();
        Command::new(BINARY)
            .args(["directory", "verify"])
            .arg(&file)
            .args(arguments)
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(verify(&text, &[]));
    assert!(!verify(&text.replace("Sheffield", "Sheffeild"), &[]));
    let root = world.archive().newest().unwrap().content().root_keys[0].to_string();
    assert!(verify(&text, &[&format!("--root={root}")]));
    let other = cme_spec::example::root_key().public();
    assert!(!verify(&text, &[&format!("--root={other}")]));
    // A server held to another root does not start, whatever it stored before.
    let party = world.party("373");
    party.office(&["list"], None);
    party.set("directory = ", &format!("directory_root = \"{other}\"\ndirectory = "));
    let output = party.run(&["office", "list"], None);
    assert!(
        !output.status.success() && String::from_utf8_lossy(&output.stderr).contains("root key"),
        "{output:?}"
    );
}

#[test]
fn a_server_stops_when_told_and_tells_how_it_is() {
    let (mut world, _) = settled();
    let ready = world.party("330").get("/health/ready").unwrap();
    assert!(ready.contains("\"ready\":true") && ready.contains("\"directory\":\"current\""), "{ready}");
    assert!(world.party("330").get("/health/live").unwrap().starts_with("HTTP/1.1 200"));
    let metrics = world.party("330").get("/metrics").unwrap();
    for line in [
        "cme_transfers{authority=\"330\",stage=\"settled\"} 1",
        "cme_outbox_waiting 0",
        "cme_directory_issue 1",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    let resident = std::fs::read_to_string(format!("/proc/{}/status", world.party("330").pid())).unwrap();
    let resident = resident.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes < 60 * 1024, "an idle server holds {kilobytes} kB");
    assert_eq!(world.party_mut("330").stop(), Some(0));
    assert!(world.party("330").get("/health/ready").is_none());
    world.party_mut("330").start();
}

#[test]
fn a_health_listener_that_others_could_reach_is_refused() {
    let world = World::new(&["373", "330"]);
    let party = world.party("373");
    party.set(&format!("operations = \"{}\"", party.operations), "operations = \"0.0.0.0:9443\"");
    let output = party.run(&["serve"], None);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("loopback"));
}

#[test]
fn limits_at_which_nothing_would_move_are_refused() {
    let world = World::new(&["373", "330"]);
    let party = world.party("373");
    for (number, section) in [
        ("requests_per_second = 200", "limits"),
        ("requests_burst = 400", "limits"),
        ("connections_max = 2000", "limits"),
        ("connections_per_peer_max = 100", "limits"),
        ("workers = 4", "limits"),
        ("first_pause_ms = 50", "delivery"),
        ("pause_ms_max = 200", "delivery"),
        ("\nper_peer_max = 4", "delivery"),
        ("in_all_max = 64", "delivery"),
    ] {
        let name = number.split(" = ").next().unwrap();
        let zero = format!("{name} = 0");
        party.set(number, &zero);
        let output = party.run(&["serve"], None);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let wanted = format!("`{}` in [{section}] must be above 0", name.trim());
        assert!(!output.status.success() && said.contains(&wanted), "{number}: {said}");
        party.set(&zero, number);
    }
    assert!(party.run(&["office", "list"], None).status.success());
    party.set("connections_max = 2000", "connections_max = 3");
    let said = String::from_utf8(party.run(&["serve"], None).stderr).unwrap();
    assert!(said.contains("`connections_max` in [limits] must be 4 or more"), "{said}");
}

#[test]
fn an_incarnation_that_went_back_is_refused_until_the_file_is_mended() {
    let world = World::new(&["373", "330"]);
    let party = world.party("373");
    let list_at = |incarnation: &str| {
        std::fs::write(party.home.join("incarnation"), incarnation).unwrap();
        let output = party.run(&["office", "list"], None);
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(list_at("2\n").0);
    let (listed, said) = list_at("1\n");
    assert!(!listed && said.contains("says incarnation 1, but 2 ran on this database"), "{said}");
    let (listed, said) = list_at("two\n");
    assert!(!listed && said.contains("must hold one number"), "{said}");
    assert!(list_at("2\n").0 && list_at("3\n").0);
    assert!(!list_at("2\n").0, "the raised number was noted");
}

#[test]
fn private_files_are_private_and_init_overwrites_nothing() {
    let world = World::new(&["373", "330"]);
    let party = world.party("373");
    party.office(&["list"], None);
    for name in ["373.sign.pem", "373.key.pem", "server.key.pem", "cme.sqlite", "cme.sqlite.lock"] {
        let mode = std::fs::metadata(party.home.join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} can be read by others");
    }
    let before = std::fs::read(party.home.join("373.sign.pem")).unwrap();
    let init = |code: &str, folder: &std::path::Path| {
        let mut init = Command::new(BINARY);
        init.args(["init", "--authority", code, "--base-url", "https://cme.council.example/373", "--folder"]);
        init.arg(folder).output().unwrap()
    };
    assert!(!init("373", &party.home).status.success());
    assert_eq!(std::fs::read(party.home.join("373.sign.pem")).unwrap(), before);
    let unknown = world.folder.path().join("nobody");
    assert!(!init("999", &unknown).status.success());
    assert!(
        std::fs::read_dir(&unknown).unwrap().next().is_none(),
        "a code that is none leaves nothing behind"
    );
}

#[test]
fn no_personal_data_reaches_logs_problems_or_metrics() {
    let (world, transfer) = settled();
    let offer_body = cme_spec::example::body(E::Offer).into_value();
    let upn = offer_body["child"]["upn"].as_str().unwrap();
    let canaries = [
        "Testcase",
        "Amina",
        upn,
        "9990000018",
        "XX1 1XX",
        "Example Street",
        "Example Primary School",
        "Okafor",
        "Marsh",
        "01632 960101",
        "01632 960102",
        "2016-05-14",
    ];
    let export = world.party("373").export(&transfer);
    assert!(canaries.iter().all(|canary| export.contains(canary)), "the canaries are in the ledger itself");
    // Refusals of every kind of step, with the child's data in the request.
    let wire = world.wire("373", "330");
    let entry = offer(&world, "373", "330", 5, |header| header.recipient = cme_spec::example::code("383"));
    let mut answers = vec![wire.put(&entry)];
    let entry = offer(&world, "373", "330", 6, |_| {});
    let bytes = entry.to_json().canonical_text();
    for spoilt in [bytes.replace("Amina", "Aminah"), bytes.replace("\"F\"", "\"Amina\""), format!("{bytes}x")]
    {
        answers.push(wire.put_bytes(&entry.header().transfer.to_string(), "0", spoilt));
    }
    let unknown = crate::wire::Wire::new(world.party("330"), &stranger(), "330");
    answers.push(unknown.put(&entry));
    let told: Vec<String> =
        answers.iter().map(|answer| format!("{}: {}", answer.problem(), answer.body)).collect();
    let logs = [world.party("373").log(), world.party("330").log()];
    let metrics = world.party("330").get("/metrics").unwrap();
    for text in told.iter().chain(&logs).chain([&metrics]) {
        for canary in canaries {
            assert!(!text.contains(canary), "{canary} in {text}");
        }
    }
    assert!(logs.iter().all(|log| !log.contains("panicked")));
}

#[test]
fn a_bare_client_of_the_crate_reads_and_verifies_a_ledger() {
    let (world, transfer) = settled();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let peer = world.client("373").peer(cme_spec::example::code("330")).unwrap();
    let now = crate::wire::now();
    let fetched = runtime.block_on(peer.ledger(transfer.parse().unwrap(), now)).unwrap();
    assert_eq!((fetched.entries.len(), fetched.ledger.stage().code()), (3, "settled"));
    let heads = runtime.block_on(peer.heads(None)).unwrap();
    assert_eq!(heads.heads[0].content().point(), fetched.ledger.head);
    assert_eq!(runtime.block_on(peer.reconciliation()).unwrap().content().ledgers, 1);
    let unknown = runtime.block_on(peer.ledger(cme_spec::example::transfer(9), now)).unwrap_err();
    assert_eq!(unknown.problem().unwrap().registered().unwrap().name(), "ledger-unknown");
}
