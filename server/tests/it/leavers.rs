//! A school's deletion return becomes notices or offers to where the children live, once.

use serde_json::{Value, json};

use crate::support::{Party, World, until};

const HEADER: &str = "<Header><DocumentName>Common Transfer File</DocumentName><CTFversion>25.0</CTFversion>\
                      <DateTime>2026-11-20T08:30:00</DateTime><SourceSchool><LEA>373</LEA><Estab>0000</Estab>\
                      <SchoolName>Testcase School</SchoolName></SourceSchool><DestSchool><LEA>373</LEA>\
                      <Estab>LLLL</Estab></DestSchool></Header>";

/// A pupil with that UPN and forename who left on a day, for `next` if that is a school.
fn pupil(upn: &str, forename: &str, left_on: &str, next: &str) -> String {
    let left = format!(
        "<School><LEA>373</LEA><Estab>0000</Estab><LeavingDate>{left_on}</LeavingDate>\
         <RemovalGrounds>G</RemovalGrounds></School>"
    );
    format!(
        "<Pupil><UPN>{upn}</UPN><Surname>Testcase</Surname><Forename>{forename}</Forename><DOB>2016-04-09</DOB>\
         <Sex>F</Sex><Address><PostCode>S1 2HH</PostCode></Address>\
         <SchoolHistory>{left}{next}</SchoolHistory></Pupil>"
    )
}

const NEXT: &str = "<School><LEA>330</LEA><Estab>0000</Estab><EntryDate>2026-11-03</EntryDate></School>";

fn upn(number: u32) -> String {
    (b'A'..=b'Z')
        .map(|letter| format!("{}37300002{number:04}", char::from(letter)))
        .find(|upn| upn.parse::<cme_spec::ids::Upn>().is_ok())
        .unwrap()
}

/// Writes what the command needs; gives the file of leavers.
fn write(party: &Party, pupils: &str, homes: &str) -> String {
    let file = |name: &str, content: &str| {
        let path = party.home.join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    file("homes.csv", homes);
    let contact = json!({ "name": "R. Okafor", "role": "CME officer", "telephone": "01632 960001" });
    file("officer.json", &contact.to_string());
    let xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CTfile>{HEADER}<CTFpupilData>{pupils}</CTFpupilData></CTfile>\n"
    );
    file("leavers.xml", &xml)
}

fn leavers(party: &Party, file: &str, more: &[&str]) -> Value {
    let (homes, contact) = (party.home.join("homes.csv"), party.home.join("officer.json"));
    let arguments =
        ["leavers", file, "--homes", homes.to_str().unwrap(), "--contact", contact.to_str().unwrap()];
    party.office(&[&arguments[..], more].concat(), None)
}

fn results(report: &Value) -> Vec<String> {
    let list = report["leavers"].as_array().unwrap();
    let told = |leaver: &Value| {
        let reason = leaver["reason"].as_str().map(|reason| format!(" {reason}")).unwrap_or_default();
        format!("{}{reason}", leaver["result"].as_str().unwrap())
    };
    list.iter().map(told).collect()
}

#[test]
fn the_home_authorities_are_told_of_a_schools_leavers_once() {
    let mut world = World::new(&["373", "330", "383"]);
    world.start_all();
    let pupils = [
        pupil(&upn(1), "Amina", "2026-10-30", NEXT),
        pupil(&upn(2), "Bilal", "2026-10-30", ""),
        pupil(&upn(3), "Chi", "2026-10-30", ""),
        pupil(&upn(4), "Dee", "2026-10-30", ""),
        pupil(&upn(5), "Eve", "", "")
            .replace("<LeavingDate></LeavingDate>", "<LeavingDate>soon</LeavingDate>"),
        pupil(&upn(6), "Fay", "2026-10-30", ""),
    ];
    let homes = format!(
        "upn,authority\n{},330\n{},383\n{},373\n{},330\n{},999\n",
        upn(1),
        upn(2),
        upn(3),
        upn(5),
        upn(6)
    );
    let sheffield = world.party("373");
    let file = write(sheffield, &pupils.concat(), &homes);
    let tried = results(&leavers(sheffield, &file, &["--dry-run"]));
    let left = ["own-area", "rejected home-unknown", "rejected no-day"];
    assert_eq!(tried, [&["would", "would"], &left[..], &["would"]].concat());
    assert_eq!(sheffield.office(&["notice", "list"], None)["notices"], json!([]), "nothing was done");
    let done = leavers(sheffield, &file, &[]);
    assert_eq!(results(&done), [&["told", "told"], &left[..], &["rejected not-taken"]].concat(), "{done}");
    assert_eq!(done["counts"], json!({ "ownArea": 1, "rejected": 3, "told": 2 }));
    assert!(done["leavers"][5]["detail"].as_str().unwrap().contains("999"));
    let again = leavers(sheffield, &file, &[]);
    assert_eq!(results(&again), [&["before", "before"], &left[..], &["rejected not-taken"]].concat());
    let notice = done["leavers"][0]["notice"].as_str().unwrap();
    let received = || world.party("330").office(&["notice", "list"], None)["notices"].clone();
    until("the notice in Birmingham", || received() != json!([]), || world.party("330").log());
    assert_eq!(received().as_array().unwrap().len(), 1);
    let shown = world.party("330").office(&["notice", "show", "--id", notice], None);
    let body = &shown["body"];
    assert_eq!((&body["child"]["givenName"], &body["on"]), (&json!("Amina"), &json!("2026-10-30")));
    assert_eq!(
        (&body["school"]["laestab"], &body["deletionGround"]["letter"]),
        (&json!("3730000"), &json!("g"))
    );
    assert_eq!(body["child"].get("lastPostcode"), None);
    assert_eq!(body["contact"]["name"], "R. Okafor");
    for secret in ["Testcase", "Amina", "S1 2HH"] {
        assert!(!done.to_string().contains(secret) && !sheffield.log().contains(secret), "{secret}");
    }
}

#[test]
fn leavers_who_are_at_no_school_are_offered_once_and_a_child_who_must_not_be_found_is_left_to_an_officer() {
    let mut world = World::new(&["373", "330"]);
    world.start_all();
    let sheffield = world.party("373");
    let pupils = [
        pupil(&upn(1), "Amina", "2026-10-30", NEXT),
        pupil(&upn(2), "Bilal", "2026-10-30", ""),
        pupil("", "Chi", "2026-10-30", ""),
        pupil(&upn(4), "Dee", "2026-10-30", ""),
    ];
    let file = write(sheffield, &pupils.concat(), "upn,authority\n");
    let register = sheffield.home.join("register.csv");
    let row = format!(
        "reference,given_name,family_name,date_of_birth,upn,shielded\n1,Dee,Testcase,2016-04-09,{},yes\n",
        upn(4)
    );
    std::fs::write(&register, row).unwrap();
    let import = ["register", "import", register.to_str().unwrap(), "--source", "school", "--merge"];
    let output = sheffield.run(&import, None);
    assert!(output.status.success(), "{output:?}");
    let offer = ["--to", "330", "--offer", "--reason", "believed-moved-to-another-la"];
    let done = leavers(sheffield, &file, &offer);
    let left = ["rejected no-upn", "rejected shielded"];
    assert_eq!(results(&done), [&["at-a-school", "offered"], &left[..]].concat(), "{done}");
    let transfer = done["leavers"][1]["transfer"].as_str().unwrap();
    // Also while the offer has not reached the other authority yet.
    assert_eq!(results(&leavers(sheffield, &file, &offer))[1], "before");
    world.party("330").wait_for(transfer, "offered");
    sheffield.wait_for(transfer, "offered");
    assert_eq!(results(&leavers(sheffield, &file, &offer))[1], "before");
    let shown = world.party("330").office(&["show", "--transfer", transfer], None);
    let body = &shown["entries"][0]["body"];
    assert_eq!((&body["capacity"], &body["child"]["upn"]), (&json!("school-area"), &json!(upn(2))));
    assert_eq!(body["circumstances"]["reason"], "believed-moved-to-another-la");
    assert_eq!(body["circumstances"]["lastSchool"]["lastAttended"], "2026-10-30");
    assert_eq!(world.party("330").office(&["list"], None)["transfers"].as_array().unwrap().len(), 1);
    // A child who was offered can be told of as well: the two are different things.
    assert_eq!(results(&leavers(sheffield, &file, &["--to", "330"]))[1], "told");
}

#[test]
fn a_file_that_is_none_and_homes_that_contradict_each_other_are_told_by_place() {
    let world = World::new(&["373", "330"]);
    let sheffield = world.party("373");
    let refused = |file: &str| {
        let (homes, contact) = (sheffield.home.join("homes.csv"), sheffield.home.join("officer.json"));
        let arguments = [
            "office",
            "leavers",
            file,
            "--homes",
            homes.to_str().unwrap(),
            "--contact",
            contact.to_str().unwrap(),
        ];
        let output = sheffield.run(&arguments, None);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let good = pupil(&upn(1), "Amina", "2026-10-30", "");
    let file = write(sheffield, &good, "upn,home\n");
    assert!(refused(&file).contains("`upn` and `authority`"));
    let file = write(sheffield, &good, &format!("upn,authority\n{0},330\n{0},383\n", upn(1)));
    assert!(refused(&file).contains("row 3 gives a child"));
    let file = write(sheffield, &good, "upn,authority\nnonsense,330\n");
    let said = refused(&file);
    assert!(said.contains("row 2") && !said.contains("nonsense"), "{said}");
    let file = write(sheffield, "<Pupil>", "upn,authority\n");
    assert!(refused(&file).contains("XML"));
}
