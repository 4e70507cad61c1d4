//! A query that stands, from end to end, while servers are killed: nothing of it is lost, and nothing is told twice.

use serde_json::json;

use crate::asked::{import, nadia, serve, world};
use crate::support::until;

#[test]
fn a_standing_query_fires_on_an_import_and_reaches_who_asked_though_both_servers_were_killed_in_between() {
    let mut world = world(&["373", "330"], "");
    serve(&mut world);
    world.party_mut("373").start();
    let ask = ["query", "ask", "--to", "330", "--standing-days", "30", "--officer", "o-7f3a"];
    let asked = world.party("373").office(&ask, Some(&nadia().to_string()));
    let id = asked["id"].as_str().unwrap().to_owned();
    let status = |world: &crate::support::World| {
        let shown = world.party("373").office(&["query", "show", "--id", &id], None);
        shown["authorities"][0]["status"].as_str().unwrap().to_owned()
    };
    until("the first answer", || status(&world) == "not-known", || world.party("373").log());
    // Both are away when the school admits the child.
    world.party_mut("373").kill();
    world.party_mut("330").kill();
    let rows = "reference,given_name,family_name,date_of_birth,sex\nnadia,Nadia,Absent,2015-05-06,F\n";
    import(world.party("330"), rows, "--merge");
    world.party_mut("330").start();
    let standing = |world: &crate::support::World| {
        world.party("330").office(&["answer", "list"], None)["standing"].clone()
    };
    let matched = || standing(&world).as_array().is_some_and(|found| found.len() == 1);
    until("the match", matched, || world.party("330").log());
    let query = standing(&world)[0]["query"].as_str().unwrap().to_owned();
    assert_eq!(standing(&world)[0]["children"][0]["reference"], "nadia");
    // The officer releases it while the asking server is away, and the answering one is killed before it comes back.
    world.party("330").office(&["answer", "release", "--query", &query, "--officer", "o-53e0"], None);
    let sent = |world: &crate::support::World| {
        world.party("330").office(&["answer", "show", "--query", &query], None)
    };
    until(
        "a try fails",
        || sent(&world)["toSend"]["attempts"].as_u64() > Some(0),
        || sent(&world).to_string(),
    );
    world.party_mut("330").kill();
    world.party_mut("373").start();
    assert_eq!(status(&world), "not-known");
    world.party_mut("330").start();
    until("the answer", || status(&world) == "known", || world.party("330").log());
    until(
        "its receipt",
        || sent(&world)["answers"][1]["receivedAt"].is_string(),
        || sent(&world).to_string(),
    );
    assert_eq!(sent(&world)["answers"].as_array().unwrap().len(), 2, "it is told once");
    assert_eq!(sent(&world)["body"], json!(null));
}
