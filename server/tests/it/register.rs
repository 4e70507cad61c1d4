//! The register of children by the operator's commands, and the index of a server that runs.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{BINARY, Party, World, until};

const HEADER: &str = "reference,given_name,family_name,date_of_birth,sex,upn,nhs_number,shielded\n";

impl Party {
    fn file(&self, name: &str, content: &str) -> String {
        let path = self.home.join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    fn import(&self, rows: &str, mode: &str) -> String {
        let file = self.file("children.csv", &format!("{HEADER}{rows}"));
        self.succeed(&["register", "import", &file, "--source", "schools", mode])
    }

    fn references(&self, source: &str) -> Vec<String> {
        let list = self.succeed(&["register", "list", "--source", source]);
        list.lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect()
    }

    fn child(&self, reference: &str) -> Value {
        let shown = self.succeed(&["register", "show", reference, "--source", "schools"]);
        serde_json::from_str(&shown).unwrap()
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.succeed(&["register", "status"])).unwrap()
    }

    /// The children in the index of the server that runs.
    fn indexed(&self) -> Option<u64> {
        let metrics = self.get("/metrics")?;
        let line = metrics.lines().find(|line| line.starts_with("cme_register_children{"))?;
        line.rsplit_once(' ')?.1.parse().ok()
    }

    fn wait_for_indexed(&self, children: u64) {
        until("the index has the children", || self.indexed() == Some(children), || self.log());
    }
}

fn birmingham() -> World {
    World::new(&["330"])
}

#[test]
fn a_source_is_replaced_or_merged_and_what_is_rejected_is_reported_without_a_value() {
    let world = birmingham();
    let party = world.party("330");
    let said = party
        .import("1,Anna,Testcase,2014-03-02,F,,9990000018,\n2,Ben,Testcase,2015-01-01,M,,,\n", "--replace");
    assert!(said.contains("2 added, 0 changed, 0 as before, 0 removed, 0 rejected"), "{said}");
    let merged =
        party.import("2,Benjamin,Testcase,2015-01-01,M,,,\n3,Cara,Testcase,2016-01-01,F,,,\n", "--merge");
    assert!(merged.contains("1 added, 1 changed, 0 as before, 0 removed"), "{merged}");
    assert_eq!(party.references("schools"), ["1", "2", "3"]);
    assert_eq!(party.child("2")["record"]["child"]["givenName"], "Benjamin");

    let rows = "1,Anna,Testcase,2014-03-02,F,A801200005001,9990000018,\n\
                2,Secretive,Testcase,2014-02-30,M,,,\n\
                1,Anna,Twice,2014-03-02,F,,,\n\
                4,,,2014-03-02,F,,,\n\
                ,Nobody,Testcase,2014-03-02,F,,,\n";
    let file = party.file("children.csv", &format!("{HEADER}{rows}"));
    let report = party.home.join("rejected.csv").display().to_string();
    let import = ["register", "import", &file, "--source", "schools", "--replace", "--rejected", &report];
    let said = party.succeed(&import);
    assert!(said.contains("0 added, 0 changed, 1 as before, 1 removed, 4 rejected"), "{said}");
    for told in ["duplicate-reference (reference): 1, row 4", "impossible-date (date_of_birth): 1, row 3"] {
        assert!(said.contains(told), "{told}: {said}");
    }
    let report = std::fs::read_to_string(party.home.join("rejected.csv")).unwrap();
    let told = "row,reference,code,column\n2,1,value-left-out,upn\n3,2,impossible-date,date_of_birth\n\
                4,1,duplicate-reference,reference\n5,4,no-name,\n6,,no-reference,reference\n";
    assert_eq!(report, told);
    for value in ["Secretive", "Testcase", "2014-02-30", "A801200005001"] {
        assert!(!said.contains(value) && !report.contains(value), "{value}");
    }
    assert_eq!(party.references("schools"), ["1", "2"], "a rejected row leaves the child as it was");
    assert_eq!(party.child("2")["record"]["child"]["givenName"], "Benjamin");
    assert!(party.refuse(&import).contains("exists already"), "a report is not written over");
}

#[test]
fn a_file_that_lacks_most_children_is_not_believed_at_once() {
    let world = birmingham();
    let party = world.party("330");
    party.import("1,A,Testcase,,,,,\n2,B,Testcase,,,,,\n3,C,Testcase,,,,,\n", "--replace");
    let file = party.file("short.csv", &format!("{HEADER}1,A,Testcase,,,,,\n"));
    let import = ["register", "import", &file, "--source", "schools", "--replace"];
    let said = party.refuse(&import);
    assert!(said.contains("2 of the source's 3 children") && said.contains("--allow-removal"), "{said}");
    assert_eq!(party.references("schools"), ["1", "2", "3"]);
    party.succeed(&[&import[..], &["--allow-removal"]].concat());
    assert_eq!(party.references("schools"), ["1"]);
    let other = party.file("latin.csv", "reference,family_name\n1,x\n");
    std::fs::write(&other, b"reference,family_name\n1,Zo\xeb\n").unwrap();
    let said = party.refuse(&["register", "import", &other, "--source", "schools", "--replace"]);
    assert!(said.contains("row 2 is not UTF-8"), "{said}");
    assert_eq!(party.references("schools"), ["1"]);
    let status = party.status();
    assert_eq!(status["sources"][0]["children"], 1, "{status}");
    assert_eq!(status["sources"][0]["lastReplacement"]["removed"], 2, "{status}");
}

#[test]
fn an_import_takes_no_flag_that_an_officer_set() {
    let world = birmingham();
    let party = world.party("330");
    let rows = "1,Anna,Testcase,,,,,no\n2,Ben,Testcase,,,,,yes\n";
    party.import(rows, "--replace");
    assert!(party.refuse(&["register", "shield", "9", "--source", "schools"]).contains("no child"));
    party.succeed(&["register", "shield", "1", "--source", "schools"]);
    assert_eq!(party.status()["sources"][0]["shielded"], 2);
    party.import("1,Anne,Testcase,,,,,no\n2,Ben,Testcase,,,,,no\n", "--replace");
    assert_eq!((&party.child("1")["shielded"], &party.child("2")["shielded"]), (&true.into(), &false.into()));
    // Not in one file, and in the next again.
    party.import("2,Ben,Testcase,,,,,\n3,Cara,Testcase,,,,,\n", "--replace");
    party.import("1,Anne,Testcase,,,,,no\n2,Ben,Testcase,,,,,\n", "--replace");
    assert_eq!(party.child("1")["shieldedByOfficer"], true);
    assert!(party.succeed(&["register", "unshield", "1", "--source", "schools"]).contains("no more"));
    assert_eq!(party.child("1")["shielded"], false);
    party.succeed(&["register", "shield", "1", "--source", "schools"]);
    party.succeed(&["register", "delete", "1", "--source", "schools"]);
    assert_eq!(party.references("schools"), ["2"]);
    let text = party.backup("after-deletion.jsonl");
    assert!(!std::fs::read_to_string(text).unwrap().contains("Anne"), "nothing of a deleted child is left");
    party.succeed(&["register", "delete", "--everything", "--source", "schools"]);
    assert_eq!(party.status()["sources"][0]["children"], 0);
}

#[test]
fn a_common_transfer_file_is_imported_with_its_school_and_its_date() {
    let world = birmingham();
    let party = world.party("330");
    let pupil = "<Pupil><UPN>K373000020001</UPN><Surname>Testcase</Surname><Forename>Anna</Forename>\
                 <DOB>2014-03-02</DOB><Sex>F</Sex></Pupil>";
    let ctf = |pupils: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><CTfile><Header><CTFversion>25.0</CTFversion>\
             <DateTime>2026-11-20T08:30:00</DateTime><SourceSchool><LEA>330</LEA><Estab>0000</Estab></SourceSchool>\
             </Header><CTFpupilData>{pupils}</CTFpupilData></CTfile>"
        )
    };
    let second = pupil.replace("K373000020001", "").replace("Anna", "Ben");
    let file = party.file("3300000_CTF.XML", &ctf(&format!("{pupil}{second}")));
    let said = party.succeed(&["register", "import", &file, "--source", "schools", "--merge"]);
    assert!(
        said.contains("as of 2026-11-20: 1 added") && said.contains("no-reference (reference): 1, row 2"),
        "{said}"
    );
    let child = party.child("K373000020001");
    assert_eq!((&child["record"]["laestab"], &child["asOf"]), (&"3300000".into(), &"2026-11-20".into()));
    // A replacement that says the same has a newer date, and so has the child.
    let import = ["register", "import", &file, "--source", "schools", "--replace", "--as-of", "2026-11-22"];
    assert!(party.succeed(&import).contains("1 as before"));
    assert_eq!(party.child("K373000020001")["asOf"], "2026-11-22");
    let laughs = ctf("").replace("<CTfile>", "<!DOCTYPE x [<!ENTITY a \"b\">]><CTfile>");
    let file = party.file("laughs.xml", &laughs);
    let said = party.refuse(&["register", "import", &file, "--source", "schools", "--merge"]);
    assert!(said.contains("DOCTYPE"), "{said}");
}

#[test]
fn a_server_that_runs_follows_what_another_process_imports() {
    let mut world = birmingham();
    world.party("330").import("1,Anna,Testcase,,,,,\n2,Ben,Testcase,,,,,\n", "--replace");
    world.start_all();
    let party = world.party("330");
    party.wait_for_indexed(2);
    party.import("1,Anna,Testcase,,,,,\n3,Cara,Testcase,,,,,\n4,Dan,Testcase,,,,,\n", "--replace");
    party.wait_for_indexed(3);
    // More than is changed in place: a new index takes the place of the old one.
    let many: String = (0..5_000).map(|child| child.to_string() + ",Anna,Testcase,,,,,\n").collect();
    party.import(&many, "--merge");
    party.wait_for_indexed(5_000);
    party.succeed(&["register", "delete", "7", "--source", "schools"]);
    party.wait_for_indexed(4_999);
    assert!(!party.log().contains("Testcase"));
}

#[test]
fn an_import_that_is_killed_leaves_the_register_as_it_was_and_nothing_behind() {
    let world = birmingham();
    let party = world.party("330");
    party.import("1,Anna,Testcase,,,,,\n2,Ben,Testcase,,,,,\n", "--replace");
    let pipe = party.home.join("pipe.csv");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut import = Command::new(BINARY);
    import.args(["register", "import", "--source", "schools", "--merge"]).arg(&pipe);
    import.arg("--config").arg(party.config()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut import = import.spawn().unwrap();
    let mut rows = std::fs::File::options().write(true).open(&pipe).unwrap();
    rows.write_all(HEADER.as_bytes()).unwrap();
    // All but what fits into the pipe and the reader's buffer is taken when this comes back: many parts are staged.
    for child in 0..20_000 {
        rows.write_all(format!("{child},Half,Testcase,,,,,\n").as_bytes()).unwrap();
    }
    let staged = party.backup("while-it-is-staged.jsonl");
    assert!(std::fs::read_to_string(staged).unwrap().contains("\"Half\""), "the import was under way");
    assert_eq!(party.references("schools"), ["1", "2"], "and nobody sees it");
    import.kill().unwrap();
    import.wait().unwrap();
    drop(rows);
    assert_eq!(party.references("schools"), ["1", "2"]);
    assert_eq!(party.child("1")["record"]["child"]["givenName"], "Anna");
    // The next import waits for the dead one's lease, and sweeps.
    party.import("3,Cara,Testcase,,,,,\n", "--merge");
    assert_eq!(party.references("schools"), ["1", "2", "3"]);
    let after = std::fs::read_to_string(party.backup("afterwards.jsonl")).unwrap();
    assert!(!after.contains("\"Half\""));
}

#[test]
fn queries_of_a_file_are_answered_with_rank_weight_and_fields() {
    let world = birmingham();
    let party = world.party("330");
    let mut rows =
        "1,Elizabeth,Testcase,2014-03-02,F,,9990000018,\n2,Benjamin,Example,2015-01-01,M,,,yes\n".to_owned();
    // Weights count how rare a name is: a register of two has no rare names.
    for child in 10..400 {
        let (day, month) = (child % 28 + 1, child % 12 + 1);
        writeln!(rows, "{child},Given{child},Family{child},2013-{month:02}-{day:02},F,,,").unwrap();
    }
    party.import(&rows, "--replace");
    let queries = party.file(
        "queries.csv",
        "Id,Forename,Surname,Born,NHS\nq1,Beth,Testcase,02/03/2014,999 000 0018\nq2,Benjamin,Example,2015-01-01,\n\
         q3,Nobody,Whatever,1999-09-09,\nq4,,,,\n",
    );
    let out = party.home.join("result.csv").display().to_string();
    let mut ask = vec!["register", "match", &queries, "--out", &out, "--limit", "1"];
    for mapping in
        ["Id=reference", "Forename=given_name", "Surname=family_name", "Born=date_of_birth", "NHS=nhs_number"]
    {
        ask.extend(["--map", mapping]);
    }
    let said = party.succeed(&ask);
    assert!(said.contains("4 queries: ") && said.contains("1 not asked"), "{said}");
    let result = std::fs::read_to_string(&out).unwrap();
    let lines: Vec<&str> = result.lines().collect();
    assert_eq!(lines[0], "query,rank,decision,reason,source,reference,shielded,weight,fields");
    assert!(lines[1].starts_with("q1,1,match,weight,schools,1,no,"), "{result}");
    for agreed in ["givenName:nickname", "familyName:exact", "dateOfBirth:exact", "nhsNumber:exact"] {
        assert!(lines[1].contains(agreed), "{agreed}: {result}");
    }
    assert!(lines[2].starts_with("q2,1,") && lines[2].contains(",schools,2,yes,"), "{result}");
    assert!(lines.iter().any(|line| line.starts_with("q3,") && line.contains(",noMatch,")), "{result}");
    assert_eq!(lines.last().unwrap(), &"q4,,notAsked,no-name,,,,,");
    assert!(party.refuse(&ask).contains("exists already"));
}

#[test]
fn the_configuration_names_weights_and_says_when_they_are_none() {
    let world = birmingham();
    let party = world.party("330");
    let text = std::fs::read_to_string(party.config()).unwrap();
    std::fs::write(party.config(), format!("{text}\n[register]\nweights = \"weights.json\"\n")).unwrap();
    assert!(party.refuse(&["register", "status"]).contains("weights.json"));
    party.file("weights.json", "{}");
    assert!(party.refuse(&["register", "status"]).contains("not weights"));
    party.file("weights.json", &cme_matching::Weights::shipped().to_json());
    party.succeed(&["register", "status"]);
}
