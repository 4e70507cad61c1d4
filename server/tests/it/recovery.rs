//! Restores from older backups, forks and servers that are gone, with real processes.

use cme_spec::entry::{Entry, EntryType as E};
use cme_spec::signature::SigningKey;
use serde_json::{Value, json};

use crate::support::{Party, World, body, entries_of, until};
use crate::wire::{ledger_of, next, receipt};

impl Party {
    /// Copies the database away, as it is on disk now; the server is not running.
    pub(crate) fn back_up(&self) {
        self.each_file(|file, kept| {
            let _ = std::fs::remove_file(kept);
            if file.exists() {
                std::fs::copy(file, kept).unwrap();
            }
        });
    }

    /// Puts the copy back; the server is not running.
    pub(crate) fn put_back(&self) {
        self.each_file(|file, kept| {
            let _ = std::fs::remove_file(file);
            if kept.exists() {
                std::fs::copy(kept, file).unwrap();
            }
        });
    }

    fn each_file(&self, act: impl Fn(&std::path::Path, &std::path::Path)) {
        for suffix in ["", "-wal", "-shm"] {
            let file = |kind: &str| self.home.join(format!("{kind}.sqlite{suffix}"));
            act(&file("cme"), &file("kept"));
        }
    }

    pub(crate) fn set_incarnation(&self, incarnation: u64) {
        std::fs::write(self.home.join("incarnation"), format!("{incarnation}\n")).unwrap();
    }

    /// Waits until this authority has to reconcile with nobody.
    fn wait_until_level(&self) {
        until("the pairs are level", || self.office(&["list"], None)["peers"] == json!([]), || self.log());
    }

    fn entries(&self, transfer: &str) -> Vec<String> {
        entries_of(&self.export(transfer))
    }

    fn kinds(&self, transfer: &str) -> Vec<String> {
        let shown = self.office(&["show", "--transfer", transfer], None);
        let kind = |entry: &Value| entry["header"]["type"].as_str().unwrap().to_owned();
        shown["entries"].as_array().unwrap().iter().map(kind).collect()
    }
}

/// Birmingham's database was copied when it held only the offer; it has acknowledged and accepted since, and
/// nobody runs.
fn accepted_after_the_backup() -> (World, String) {
    let mut world = World::new(&["373", "330"]);
    world.start_all();
    let transfer = world.party("373").offer("330");
    world.party("330").wait_for(&transfer, "offered");
    world.party("373").wait_for(&transfer, "offered");
    world.party_mut("330").stop();
    world.party("330").back_up();
    world.party_mut("330").start();
    world.party("330").decide("acknowledge", E::Acknowledge, &transfer);
    world.party("330").decide("accept", E::Accept, &transfer);
    world.party("373").wait_for(&transfer, "accepted");
    world.party_mut("330").stop();
    world.party_mut("373").stop();
    (world, transfer)
}

#[test]
fn a_restored_sequencer_appends_nothing_before_it_has_its_own_entries_back() {
    let (mut world, transfer) = accepted_after_the_backup();
    let birmingham = world.party_mut("330");
    birmingham.put_back();
    birmingham.set_incarnation(2);
    birmingham.start();
    let metrics = birmingham.get("/metrics").unwrap();
    assert!(metrics.contains("cme_peers_not_level{authority=\"330\"} 1\n"), "{metrics}");
    // Its peer is away: the child counts as its own, and nothing can be decided.
    let view = birmingham.view(&transfer).unwrap();
    assert_eq!((&view["stage"], &view["responsible"]), (&json!("offered"), &json!("330")));
    assert_eq!((&view["notReconciled"], &view["overdue"]), (&json!(true), &json!(true)));
    let refused = birmingham.run(&["office", "decline", "--transfer", &transfer], Some(&body(E::Decline)));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("reconcile first (restored)"), "{said}");

    world.party_mut("373").start();
    world.party("330").wait_for(&transfer, "accepted");
    world.party("330").wait_until_level();
    assert_eq!(world.party("330").kinds(&transfer), ["offer", "acknowledge", "accept"]);
    world.party("373").wait_until_level();
    assert_eq!(world.party("330").entries(&transfer), world.party("373").entries(&transfer));

    let metrics = world.party("330").get("/metrics").unwrap();
    assert!(metrics.contains("cme_to_confirm{authority=\"330\"} 1\n"), "{metrics}");
    assert!(metrics.contains("cme_peers_not_level{authority=\"330\"} 0\n"), "{metrics}");
    // An officer confirms the case that came back; then it goes on.
    let view = world.party("330").view(&transfer).unwrap();
    assert_eq!((&view["toConfirm"], &view["notReconciled"]), (&json!(true), &json!(false)));
    assert_eq!(world.party("373").view(&transfer).unwrap()["toConfirm"], false);
    let confirmed = world.party("330").office(&["confirm", "--transfer", &transfer], None);
    assert_eq!(confirmed["toConfirm"], false);
    let again = world.party("330").run(&["office", "confirm", "--transfer", &transfer], None);
    assert!(!again.status.success(), "there is nothing left to confirm");
    world.party("330").decide("outcome", E::Outcome, &transfer);
    world.party("373").wait_for(&transfer, "settled");
}

#[test]
fn a_proposal_to_a_restored_sequencer_waits_until_the_two_are_level() {
    let (mut world, transfer) = accepted_after_the_backup();
    world.party("330").put_back();
    world.party("330").set_incarnation(2);
    // The originating authority asks before the sequencer could read anything: its server is still away.
    let question = world.party("373").decide("ask", E::RequestInformation, &transfer);
    assert_eq!(question["status"], "proposed");
    world.party_mut("330").start();
    let wire = world.wire("373", "330");
    let offer = crate::wire::offer(&world, "373", "330", 5, |_| {});
    let told = wire.put(&offer);
    assert_eq!((told.status, told.problem().as_str()), (503, "pair-suspended"));
    world.party_mut("373").start();
    let at_both = ["offer", "acknowledge", "accept", "request-information"];
    for code in ["330", "373"] {
        let party = world.party(code);
        until("the question is in the ledger", || party.kinds(&transfer) == at_both, || party.log());
    }
    assert_eq!(world.party("330").entries(&transfer).len(), 4);
    assert_eq!(wire.put(&offer).status, 201, "the pair goes on");
}

#[test]
fn a_restored_originating_authority_gets_back_what_it_forgot() {
    let mut world = World::new(&["373", "330"]);
    world.party_mut("373").start();
    world.party_mut("373").stop();
    world.party("373").back_up();
    world.start_all();
    let transfer = world.party("373").offer("330");
    world.party("330").wait_for(&transfer, "offered");
    world.party("330").decide("acknowledge", E::Acknowledge, &transfer);
    world.party("373").wait_for(&transfer, "acknowledged");
    let before = world.party("373").entries(&transfer);
    world.party_mut("373").stop();
    world.party("373").put_back();
    world.party("373").set_incarnation(2);
    world.party_mut("373").start();
    world.party("373").wait_for(&transfer, "acknowledged");
    world.party("373").wait_until_level();
    // Sheffield's counter-receipt for what Birmingham wrote is gone; headers, bodies and receipts are not.
    let sequencers = |entries: &[String]| -> Vec<Value> {
        let entry = |text: &String| serde_json::from_str::<Value>(text).unwrap();
        entries
            .iter()
            .map(entry)
            .map(|entry| json!([entry["header"], entry["body"], entry["receipts"][0]]))
            .collect()
    };
    assert_eq!(sequencers(&world.party("373").entries(&transfer)), sequencers(&before));
    assert_eq!(world.party("373").view(&transfer).unwrap()["toConfirm"], true);
}

#[test]
fn a_server_that_was_replaced_is_refused() {
    let (mut world, transfer) = accepted_after_the_backup();
    world.party_mut("373").start();
    let wire = world.wire("330", "373");
    let told = |incarnation: &str| {
        let request = wire.request("GET", "/v1/capabilities").header("cme-incarnation", incarnation);
        let answer = wire.send(request).unwrap();
        (answer.status, if answer.status == 200 { String::new() } else { answer.problem() })
    };
    assert_eq!(told("1"), (200, String::new()));
    assert_eq!(told("3"), (200, String::new()));
    assert_eq!(told("2"), (409, "incarnation-stale".to_owned()));
    assert_eq!(told("3"), (200, String::new()));
    assert_eq!(wire.get("/v1/capabilities").status, 200, "a tool that holds no ledgers tells none");
    for wrong in ["", "0", "-1", "1.0", "two", "9007199254740992"] {
        assert_eq!(told(wrong), (400, "malformed".to_owned()), "{wrong:?}");
    }
    // The replaced server itself: its deliveries are refused, and everybody is told why.
    world.party_mut("330").start();
    let birmingham = world.party("330");
    birmingham.decide("outcome", E::Outcome, &transfer);
    until("the stale server is told", || birmingham.log().contains("incarnation-stale"), || birmingham.log());
    assert_eq!(world.party("373").view(&transfer).unwrap()["stage"], "accepted");
}

#[test]
fn a_peer_whose_restore_went_unnoticed_is_suspended_and_completed() {
    let (mut world, transfer) = accepted_after_the_backup();
    world.party("330").put_back();
    // The incarnation is not raised, and its server doesn't look around: what it says is all there is.
    world.party_mut("373").start();
    let sheffield = world.party("373");
    sheffield.decide("ask", E::RequestInformation, &transfer);
    world.party_mut("330").start();
    let all = ["offer", "acknowledge", "accept", "request-information"];
    for code in ["330", "373"] {
        let party = world.party(code);
        until("nothing is lost", || party.kinds(&transfer) == all, || party.log());
        party.wait_until_level();
        assert_eq!(party.view(&transfer).unwrap()["forked"], false);
    }
}

/// Birmingham, restored without anybody noticing, has signed another entry for a place that was taken.
fn forked() -> (World, String) {
    let (world, transfer) = accepted_after_the_backup();
    world.party("330").put_back();
    world.party("330").decide("decline", E::Decline, &transfer);
    (world, transfer)
}

#[test]
fn a_fork_is_known_on_both_sides_with_all_its_branches() {
    let (mut world, transfer) = forked();
    world.start_all();
    for code in ["330", "373"] {
        let party = world.party(code);
        until("the fork is known", || party.view(&transfer).unwrap()["forked"] == true, || party.log());
        // One branch holds an accept: the receiving authority is responsible, whatever its own copy says.
        assert_eq!(party.view(&transfer).unwrap()["responsible"], "330");
        let log = || party.log();
        until("every branch is held", || branch_kinds(party, &transfer).len() == 4, log);
        until("nothing is left to send", || party.office(&["list"], None)["outbox"] == json!([]), log);
    }
    let kinds = ["accept", "acknowledge", "decline", "offer"];
    assert_eq!(branch_kinds(world.party("330"), &transfer), kinds);
    assert_eq!(branch_kinds(world.party("373"), &transfer), kinds);
    let directory = world.directory_file();
    let metrics = world.party("330").get("/metrics").unwrap();
    assert!(metrics.contains("cme_forked{authority=\"330\"} 1\n"), "{metrics}");
    for code in ["330", "373"] {
        let file = world.folder.path().join(format!("{code}.json"));
        std::fs::write(&file, world.party(code).export(&transfer)).unwrap();
        let verify = ["ledger", "verify", file.to_str().unwrap(), "--directory", directory.to_str().unwrap()];
        let output = std::process::Command::new(crate::support::BINARY).args(verify).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && said.contains("fork"), "{said}");
    }
}

#[test]
fn a_fork_of_which_one_party_alone_knows_is_told_to_the_other_and_once_more_when_that_was_restored() {
    let mut world = World::new(&["373", "330"]);
    world.start_all();
    let transfer = world.party("373").offer("330");
    world.party("330").wait_for(&transfer, "offered");
    world.party("330").decide("acknowledge", E::Acknowledge, &transfer);
    let kept = || world.party("373").kinds(&transfer).len() == 2;
    until("the acknowledge is held", kept, || world.party("373").log());
    world.party_mut("330").stop();
    world.party("330").back_up();
    world.party_mut("330").start();
    // An entry of Birmingham's that went with a disk comes to Sheffield late: the copies are the same, and so
    // are their heads.
    let key = world.party("330").signing_key();
    let lost = lost_decline(&world.party("373").export(&transfer), &key);
    assert_eq!(world.wire("330", "373").put(&lost).problem(), "forked");
    let kinds = ["acknowledge", "decline", "offer"];
    let is_told = |world: &World| {
        for code in ["330", "373"] {
            let party = world.party(code);
            until("every branch is held", || branch_kinds(party, &transfer) == kinds, || party.log());
            let sent = || party.office(&["list"], None)["outbox"] == json!([]);
            until("nothing is left to send", sent, || party.log());
        }
        assert_eq!(world.party("330").view(&transfer).unwrap()["forked"], true);
    };
    is_told(&world);
    world.party_mut("330").stop();
    let birmingham = world.party_mut("330");
    birmingham.put_back();
    birmingham.set_incarnation(2);
    birmingham.start();
    is_told(&world);
}

/// A decline in the place of the acknowledge, as Birmingham signed and receipted it.
fn lost_decline(export: &str, key: &SigningKey) -> Entry {
    let mut whole: Value = serde_json::from_str(export).unwrap();
    whole["entries"].as_array_mut().unwrap().truncate(1);
    let before = ledger_of(&whole.to_string());
    let lost = next(&before, E::Decline, "330", key, |header| header.id = cme_spec::example::entry_id(7));
    lost.clone().with_receipt(receipt(&lost, "330", key))
}

/// Types of the entries in the main copy and in all branches, sorted.
fn branch_kinds(party: &Party, transfer: &str) -> Vec<String> {
    let export: Value = serde_json::from_str(&party.export(transfer)).unwrap();
    let further =
        export["forks"].as_array().unwrap().iter().flat_map(|fork| fork["entries"].as_array().unwrap());
    let all = export["entries"].as_array().unwrap().iter().chain(further);
    let mut kinds: Vec<String> =
        all.map(|entry| entry["header"]["type"].as_str().unwrap().to_owned()).collect();
    kinds.sort();
    kinds
}

#[test]
fn the_responsible_authority_goes_on_from_a_fork_in_a_successor_transfer() {
    let (mut world, transfer) = forked();
    world.start_all();
    for code in ["330", "373"] {
        let party = world.party(code);
        until("the fork is known", || party.view(&transfer).unwrap()["forked"] == true, || party.log());
        until("every branch is held", || branch_kinds(party, &transfer).len() == 4, || party.log());
    }
    let to_decide =
        world.party("330").run(&["office", "outcome", "--transfer", &transfer], Some(&body(E::Outcome)));
    assert!(!to_decide.status.success(), "a forked ledger takes nothing more");
    let offer = |from: &str, to: &str, link: &str| {
        let arguments = ["office", "offer", "--to", to, link, &transfer];
        world.party(from).run(&arguments, Some(&body(E::Offer)))
    };
    let not_mine = offer("373", "330", "--successor-of");
    assert!(String::from_utf8_lossy(&not_mine.stderr).contains("no successor of authority 373"));
    assert!(!offer("330", "373", "--preceded-by").status.success());
    let made = offer("330", "373", "--successor-of");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let successor = made["transfer"].as_str().unwrap();
    world.party("373").wait_for(successor, "offered");
    let header =
        world.party("373").office(&["show", "--transfer", successor], None)["entries"][0]["header"].clone();
    let ends = header["successorOf"].as_array().unwrap();
    assert_eq!(ends.len(), 2);
    assert_ne!(ends[0]["headerDigest"], ends[1]["headerDigest"]);
    assert!(ends.iter().all(|end| end["transfer"] == transfer));
    assert_eq!(header["responsibility"]["epoch"], 2, "a branch holds an accept");
}

#[test]
fn an_offer_to_a_server_that_is_gone_is_superseded_only_when_the_directory_says_so() {
    let mut world = World::new(&["373", "330", "383"]);
    world.start_all();
    let transfer = world.party("373").offer("330");
    world.party("330").wait_for(&transfer, "offered");
    world.party("330").decide("decline", E::Decline, &transfer);
    world.party("373").wait_for(&transfer, "declined");
    world.party_mut("330").kill();
    let to_act = |world: &World| {
        let due = world.party("373").view(&transfer).unwrap()["due"].to_string();
        due.contains("originating-act")
    };
    assert!(to_act(&world));
    let supersede = |world: &World, earlier: &str| {
        let arguments = ["office", "offer", "--to", "383", "--supersedes", earlier];
        world.party("373").run(&arguments, Some(&body(E::Offer)))
    };
    let too_early = supersede(&world, &transfer);
    assert!(String::from_utf8_lossy(&too_early.stderr).contains("lists as unavailable"));
    world.reissue(|issue| {
        let all = issue["authorities"].as_array_mut().unwrap();
        all.iter_mut().find(|one| one["code"] == "330").unwrap()["availability"] = json!("unavailable");
    });
    world.wait_for_issue("373", 2);
    world.wait_for_issue("383", 2);
    let made = supersede(&world, &transfer);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let second = made["transfer"].as_str().unwrap();
    world.party("383").wait_for(second, "offered");
    let header =
        world.party("383").office(&["show", "--transfer", second], None)["entries"][0]["header"].clone();
    assert_eq!(header["supersedes"]["transfer"], transfer);
    assert_eq!(header["supersedes"]["sequence"], 1);
    let first =
        world.party("373").office(&["show", "--transfer", &transfer], None)["entries"][0]["header"].clone();
    assert_eq!(header["responsibility"], first["responsibility"], "the same hand-over, not accepted yet");
    world.party("373").wait_for(second, "offered");
    assert!(!to_act(&world), "the second offer is the act");
    // A superseded offer is not superseded twice while the second one is open.
    assert!(!supersede(&world, &transfer).status.success());
}
