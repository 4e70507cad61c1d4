//! What a careless officer types, and what a decision meets on its way.

use std::time::{Duration, Instant};

use cme_spec::entry::EntryType as E;
use cme_spec::example;
use serde_json::{Value, json};

use crate::support::{PATIENCE, Party, World, body, entries_of, free_address};

fn refused(party: &Party, arguments: &[&str], input: Option<&str>) -> String {
    let output = party.run(arguments, input);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    assert!(output.stdout.is_empty());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: ") && said.trim_end().lines().count() == 1, "{said}");
    said
}

#[test]
fn a_mistake_is_said_in_one_line_and_changes_nothing() {
    let world = World::new(&["373", "330"]);
    let party = world.party("373");
    let offer = body(E::Offer);
    assert!(
        refused(party, &["office", "offer", "--to", "330"], Some("not json"))
            .contains("standard input: not JSON")
    );
    let mut without: Value = serde_json::from_str(&offer).unwrap();
    without["child"].as_object_mut().unwrap().remove("dateOfBirth");
    let said = refused(party, &["office", "offer", "--to", "330"], Some(&without.to_string()));
    assert!(said.contains("/child") && said.contains("office example offer"), "{said}");
    assert!(refused(party, &["office", "offer", "--to", "373"], Some(&offer)).contains("to itself"));
    assert!(
        refused(party, &["office", "offer", "--to", "999"], Some(&offer)).contains("not in the directory")
    );
    assert!(
        refused(party, &["office", "offer", "--as", "330", "--to", "373"], Some(&offer))
            .contains("not hosted here")
    );
    let transfer = example::transfer(1).to_string();
    let unknown = refused(party, &["office", "accept", "--transfer", &transfer], Some(&body(E::Accept)));
    assert!(unknown.contains("holds no transfer"), "{unknown}");
    let letter =
        refused(party, &["office", "resolve", "--id", &example::entry_id(1).to_string(), "--drop"], None);
    assert!(letter.contains("no refused letter"), "{letter}");
    assert_eq!(party.run(&["office", "accept", "--transfer", "nonsense"], None).status.code(), Some(2));
    let list = party.office(&["list"], None);
    assert_eq!(
        (&list["transfers"], &list["proposed"], &list["outbox"]),
        (&json!([]), &json!([]), &json!([]))
    );
}

#[test]
fn a_decision_that_is_not_allowed_is_refused_before_it_is_signed() {
    let mut world = World::new(&["373", "330"]);
    world.start_all();
    let transfer = world.party("373").offer("330");
    world.party("330").wait_for(&transfer, "offered");
    world.party("373").wait_for(&transfer, "offered");
    let said =
        refused(world.party("330"), &["office", "uphold", "--transfer", &transfer], Some(&body(E::Uphold)));
    assert!(said.contains("uphold is not allowed while offered"), "{said}");
    let said =
        refused(world.party("373"), &["office", "accept", "--transfer", &transfer], Some(&body(E::Accept)));
    assert!(said.contains("this party may not write accept"), "{said}");
    // The child is offered once at a time.
    let redirect = world.party("330").decide("redirect", E::Redirect, &transfer);
    assert_eq!(redirect["stage"], "redirected");
    world.party("373").wait_for(&transfer, "redirected");
    let again = ["offer", "--to", "330", "--preceded-by", transfer.as_str()];
    let second = world.party("373").office(&again, Some(&body(E::Offer)));
    let arguments = ["office", "offer", "--to", "330", "--preceded-by", transfer.as_str()];
    let said = refused(world.party("373"), &arguments, Some(&body(E::Offer)));
    assert!(
        said.contains("offered already") && said.contains(second["transfer"].as_str().unwrap()),
        "{said}"
    );
    // Once the next offer is in a ledger, nothing more is asked of Sheffield in the first.
    world.party("373").wait_for(second["transfer"].as_str().unwrap(), "offered");
    assert_eq!(world.party("373").view(&transfer).unwrap()["due"], json!([]));
}

#[test]
fn a_decision_that_lost_its_place_is_signed_again_under_its_id_or_shown_to_an_officer() {
    let mut world = World::new(&["373", "330"]);
    world.start_all();
    let (first, second) = (world.party("373").offer("330"), world.party("373").offer("330"));
    for transfer in [&first, &second] {
        world.party("330").wait_for(transfer, "offered");
        world.party("373").wait_for(transfer, "offered");
    }
    // Both decide while neither hears the other.
    world.party_mut("373").stop();
    world.party_mut("330").stop();
    let sent = world
        .party("373")
        .office(&["supply", "--transfer", &first], Some(r#"{"answer":"They left in May."}"#));
    let withdrawn = world.party("373").decide("withdraw", E::Withdraw, &second);
    world.party("330").decide("acknowledge", E::Acknowledge, &first);
    world.party("330").decide("accept", E::Accept, &second);
    world.start_all();
    world.party("373").wait_for(&first, "acknowledged");
    world.party("373").wait_for(&second, "accepted");
    let begun = Instant::now();
    while world.party("373").office(&["list"], None)["refused"].as_array().unwrap().is_empty()
        || entries_of(&world.party("373").export(&first)).len() < 3
    {
        assert!(begun.elapsed() < PATIENCE, "{}", world.party("373").log());
        std::thread::sleep(Duration::from_millis(50));
    }
    let entries = entries_of(&world.party("330").export(&first));
    assert!(entries[2].contains(sent["id"].as_str().unwrap()), "the answer stands after the acknowledgement");
    let list = world.party("373").office(&["list"], None);
    assert_eq!(list["refused"][0]["id"], withdrawn["id"]);
    assert_eq!(list["refused"][0]["owner"], "Children missing education team");
    assert_eq!(world.party("373").view(&second).unwrap()["responsible"], "330");
    // The officer gives it up; nothing is left to send.
    let list =
        world.party("373").office(&["resolve", "--id", withdrawn["id"].as_str().unwrap(), "--drop"], None);
    assert_eq!((&list["refused"], &list["proposed"], &list["outbox"]), (&json!([]), &json!([]), &json!([])));
}

#[test]
fn a_decision_that_waits_while_its_key_is_put_away_goes_under_the_next_key() {
    let mut world = World::new(&["373", "330"]);
    let transfer = world.party("373").offer("330");
    let (key, pem) = cme_server::pki::signing_pair().unwrap();
    let past = |seconds: i64| json!(crate::wire::now().plus_seconds(-seconds).to_string());
    world.reissue(|directory| {
        let authorities = directory["authorities"].as_array_mut().unwrap();
        let own = authorities.iter_mut().find(|authority| authority["code"] == "373").unwrap();
        let mut next = own["keys"][0].clone();
        next["kid"] = json!(key.id().to_string());
        next["publicKey"] = serde_json::to_value(key.public()).unwrap();
        next["validFrom"] = past(60);
        own["keys"][0]["retiredAt"] = past(5);
        own["keys"].as_array_mut().unwrap().push(next);
    });
    std::fs::write(world.party("373").home.join("373.sign.pem"), pem).unwrap();
    world.start_all();
    world.party("330").wait_for(&transfer, "offered");
    world.party("373").wait_for(&transfer, "offered");
    assert_eq!(world.party("373").office(&["list"], None)["refused"], json!([]));
}

#[test]
fn a_deadline_beyond_the_known_bank_holidays_is_shown_as_not_computable() {
    let mut world = World::new(&["373", "330"]);
    world.reissue(|directory| {
        let today = cme_spec::working_days::london_date(crate::wire::now().timestamp());
        directory["policy"]["holidaysThrough"] = json!(today.to_string());
    });
    world.start_all();
    let transfer = world.party("373").offer("330");
    for code in ["373", "330"] {
        world.party(code).wait_for(&transfer, "offered");
        let view = world.party(code).view(&transfer).unwrap();
        assert_eq!((&view["due"], &view["notComputable"]), (&json!([]), &json!(["acknowledge", "decide"])));
    }
}

#[test]
fn an_outcome_moved_on_carries_the_onward_accept() {
    let mut world = World::new(&["373", "330", "383"]);
    world.start_all();
    let transfer = world.party("373").offer("330");
    world.party("330").wait_for(&transfer, "offered");
    world.party("330").decide("accept", E::Accept, &transfer);
    let onward = ["offer", "--to", "383", "--preceded-by", transfer.as_str()];
    let onward = world.party("330").office(&onward, Some(&body(E::Offer)));
    let onward = onward["transfer"].as_str().unwrap();
    let early = refused(
        world.party("330"),
        &["office", "outcome", "--transfer", &transfer, "--moved-on", onward],
        None,
    );
    assert!(early.contains("not accepted yet"), "{early}");
    world.party("383").wait_for(onward, "offered");
    world.party("383").decide("accept", E::Accept, onward);
    world.party("330").wait_for(onward, "accepted");
    world.party("330").office(&["outcome", "--transfer", &transfer, "--moved-on", onward], None);
    world.party("373").wait_for(&transfer, "settled");
    assert_eq!(world.party("330").view(onward).unwrap()["responsible"], "383");
}

#[test]
fn several_authorities_are_served_by_one_deployment() {
    let mut world = World::new(&["373"]);
    let home = world.folder.path().join("shared");
    let (address, operations) = (free_address(), free_address());
    let mut init = std::process::Command::new(crate::support::BINARY);
    init.args([
        "init",
        "--authority",
        "330",
        "--authority",
        "383",
        "--base-url",
        &format!("https://{address}/330"),
    ]);
    init.args(["--listen", &address.to_string(), "--operations", &operations.to_string(), "--folder"])
        .arg(&home);
    assert!(init.output().unwrap().status.success());
    let shared = Party::at(&home, "330", address, operations);
    world.parties.push(shared);
    world.direct(&["330", "383"]);
    world.start_all();
    let transfer = world.party("373").offer("383");
    let shared = world.party("330");
    let begun = Instant::now();
    while shared.office(&["list", "--as", "383"], None)["transfers"].as_array().unwrap().is_empty() {
        assert!(begun.elapsed() < PATIENCE, "{}", shared.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    shared.office(&["accept", "--as", "383", "--transfer", &transfer], Some(&body(E::Accept)));
    world.party("373").wait_for(&transfer, "accepted");
    assert!(refused(shared, &["office", "list"], None).contains("--as"));
}

#[test]
fn an_offer_that_leaves_no_room_for_receipts_is_not_made() {
    let world = World::new(&["373", "330"]);
    let party = world.party("373");
    let long = |enquiries: usize| {
        let mut offer: Value = serde_json::from_str(&body(E::Offer)).unwrap();
        let mut enquiry = offer["enquiries"][0].clone();
        enquiry["byRole"] = json!("x".repeat(4_000));
        offer["enquiries"] = json!(vec![enquiry; enquiries]);
        offer.to_string()
    };
    let said = refused(party, &["office", "offer", "--to", "330"], Some(&long(15)));
    assert!(said.contains("an entry may have 61440 bytes"), "{said}");
    assert!(party.office(&["list"], None)["proposed"].as_array().unwrap().is_empty());
    party.office(&["offer", "--to", "330"], Some(&long(14)));
}
