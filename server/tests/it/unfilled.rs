//! A register that nobody has filled says nothing of any child.

use cme_spec::query::QueryHeader;
use serde_json::json;

use crate::asked::{add_section, fill, import, nadia, outcome, put, query, query_by, serve};
use crate::support::{World, until};

const HEADER: &str = "reference,given_name,family_name,date_of_birth,sex\n";

#[test]
fn a_register_that_was_never_filled_answers_unavailable_and_an_empty_one_not_known() {
    let mut world = World::new(&["373", "330"]);
    serve(&mut world);
    world.party_mut("373").start();
    let sheffield = world.party("373");
    // Who asks goes on asking, and sees why.
    let ask = ["query", "ask", "--to", "330", "--officer", "o-7f3a", "--wait", "0"];
    let asked = sheffield.office(&ask, Some(&nadia().to_string()));
    let shown = || {
        sheffield.office(&["query", "show", "--id", asked["id"].as_str().unwrap()], None)["authorities"][0]
            .clone()
    };
    until("a try", || shown()["attempts"].as_u64() > Some(0), || sheffield.log());
    assert_eq!(shown()["status"], "to-answer");
    assert!(shown()["lastFailure"].as_str().unwrap().contains("unavailable"), "{}", shown());
    let refused = put(&world.wire("373", "330"), &query(&world, 1, nadia()));
    assert_eq!((refused.status, refused.problem().as_str()), (503, "unavailable"));
    assert!(refused.field("retry-after").is_some());
    assert!(world.party("330").log().contains("the register was never filled"));
    assert_eq!(world.party_mut("330").stop(), Some(0));
    // A file of which nothing was taken fills nothing, nor does a deletion.
    import(world.party("330"), &format!("{HEADER},Amina,,2016-04-09,F\n"), "--merge");
    world.party("330").refuse(&["register", "delete", "--source", "schools", "--everything"]);
    serve(&mut world);
    let wire = world.wire("373", "330");
    assert_eq!(put(&wire, &query(&world, 1, nadia())).problem(), "unavailable");
    fill(world.party("330"));
    let filled = || put(&wire, &query(&world, 1, nadia())).status == 200;
    until("it is filled", filled, || world.party("330").log());
    assert_eq!(outcome(&put(&wire, &query(&world, 2, nadia()))).0, "not-known");
    // So it is after a restart.
    assert_eq!(world.party_mut("330").stop(), Some(0));
    serve(&mut world);
    assert_eq!(outcome(&put(&world.wire("373", "330"), &query(&world, 3, nadia()))).0, "not-known");
}

#[test]
fn what_is_withheld_is_withheld_before_anybody_looks_at_a_register() {
    let mut world = World::new(&["373", "330"]);
    add_section(world.party("330"), "[queries]\nwithhold_from = [\"373\"]");
    serve(&mut world);
    let put =
        put(&world.wire("373", "330"), &query_by(&world, "373", 1, nadia(), |_: &mut QueryHeader, _| {}));
    assert_eq!(outcome(&put), ("withheld".to_owned(), json!([])));
}
