//! Backups, restores and moves by the operator's commands.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use cme_spec::entry::EntryType as E;
use serde_json::{Value, json};

use crate::support::{BINARY, Party, World, until};

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

impl Party {
    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, None);
        assert!(output.status.success(), "{}", said(&output));
        said(&output)
    }

    pub(crate) fn refuse(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments, None);
        assert!(!output.status.success(), "{}", said(&output));
        said(&output)
    }

    pub(crate) fn backup(&self, name: &str) -> String {
        let file = self.home.join(name).display().to_string();
        self.succeed(&["backup", &file]);
        file
    }

    pub(crate) fn incarnation(&self) -> String {
        std::fs::read_to_string(self.home.join("incarnation")).unwrap().trim().to_owned()
    }
}

/// Rows of a backup, sorted: engines sort texts in different ways.
pub(crate) fn rows(file: &str) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let mut rows: Vec<String> =
        text.lines().filter(|line| line.starts_with('[')).map(str::to_owned).collect();
    rows.sort();
    rows
}

/// Sheffield has offered to Birmingham, and both hold it.
pub(crate) fn offered() -> (World, String) {
    let mut world = World::new(&["373", "330"]);
    world.start_all();
    let transfer = world.party("373").offer("330");
    world.party("330").wait_for(&transfer, "offered");
    world.party("373").wait_for(&transfer, "offered");
    (world, transfer)
}

#[test]
fn a_restored_database_is_the_one_that_was_backed_up_under_a_higher_incarnation() {
    let (mut world, transfer) = offered();
    let birmingham = world.party("330");
    let file = birmingham.backup("first.jsonl");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(birmingham.refuse(&["backup", &file]).contains("exists already"));
    birmingham.decide("accept", E::Accept, &transfer);
    world.party("373").wait_for(&transfer, "accepted");

    let birmingham = world.party("330");
    assert!(birmingham.refuse(&["restore", &file, "--replace"]).contains("stop it first"));
    world.party_mut("330").stop();
    let birmingham = world.party("330");
    assert!(birmingham.refuse(&["restore", &file]).contains("--replace"));
    assert_eq!(birmingham.incarnation(), "1", "nothing is raised by what is refused");
    assert!(birmingham.succeed(&["restore", &file, "--replace"]).contains("the incarnation is 2"));
    assert_eq!(birmingham.incarnation(), "2");
    let again = birmingham.backup("second.jsonl");
    let but_the_incarnation = |file: &str| {
        let all = rows(file).into_iter();
        all.filter(|row| !row.contains("\"incarnation\"")).collect::<Vec<_>>()
    };
    assert_eq!(but_the_incarnation(&again), but_the_incarnation(&file));
    assert_eq!(birmingham.view(&transfer).unwrap()["stage"], "offered");
    // What was forgotten comes back from the peer, and an officer confirms it.
    world.party_mut("330").start();
    world.party("330").wait_for(&transfer, "accepted");
    assert_eq!(world.party("330").view(&transfer).unwrap()["toConfirm"], true);
    // An older incarnation file does not run on the restored database.
    world.party_mut("330").stop();
    std::fs::write(world.party("330").home.join("incarnation"), "1\n").unwrap();
    assert!(world.party("330").refuse(&["office", "list"]).contains("incarnation"));
}

#[test]
fn a_backup_that_was_cut_or_altered_changes_nothing() {
    let (mut world, transfer) = offered();
    let file = world.party("330").backup("good.jsonl");
    world.party_mut("330").stop();
    let birmingham = world.party("330");
    let good = std::fs::read(&file).unwrap();
    let before = rows(&file);
    let lines: Vec<&[u8]> = good.split_inclusive(|byte| *byte == b'\n').collect();
    let mut cases: Vec<Vec<u8>> = vec![
        Vec::new(),
        b"not a backup\n".to_vec(),
        good[..good.len() - 1].to_vec(),
        good[..good.len() / 2].to_vec(),
        lines[..lines.len() - 1].concat(),
        [&lines[..2], &lines[3..]].concat().concat(),
        [&lines[..3], &lines[2..]].concat().concat(),
    ];
    for place in [30, good.len() / 3, good.len() - 20] {
        let mut altered = good.clone();
        altered[place] ^= 1;
        cases.push(altered);
    }
    let newer = String::from_utf8(good.clone()).unwrap().replacen("\"migration\":", "\"migration\":9", 1);
    cases.push(newer.into_bytes());
    for (number, case) in cases.iter().enumerate() {
        let bad = birmingham.home.join("bad.jsonl");
        std::fs::write(&bad, case).unwrap();
        birmingham.refuse(&["restore", &bad.display().to_string(), "--replace"]);
        assert_eq!(birmingham.incarnation(), "1", "case {number}");
    }
    assert_eq!(birmingham.view(&transfer).unwrap()["stage"], "offered");
    assert_eq!(rows(&birmingham.backup("after.jsonl")), before);
}

#[test]
fn a_database_that_can_not_be_read_any_more_is_replaced() {
    let (mut world, transfer) = offered();
    let file = world.party("330").backup("good.jsonl");
    world.party_mut("330").stop();
    let database = world.party("330").home.join("cme.sqlite");
    std::fs::write(&database, vec![7; 40_000]).unwrap();
    std::fs::write(world.party("330").home.join("cme.sqlite-wal"), vec![9; 40_000]).unwrap();
    let birmingham = world.party("330");
    birmingham.refuse(&["office", "list"]);
    birmingham.refuse(&["restore", &file]);
    birmingham.succeed(&["restore", &file, "--replace"]);
    assert_eq!(birmingham.view(&transfer).unwrap()["stage"], "offered");
}

#[test]
fn a_restore_that_is_killed_leaves_the_old_database_or_the_new_one() {
    let (world, transfer) = offered();
    killed_restores(world, &transfer);
}

/// Restores an older backup of Birmingham's again and again, and kills each at another moment.
pub(crate) fn killed_restores(mut world: World, transfer: &str) {
    let file = world.party("330").backup("offered.jsonl");
    world.party("330").decide("accept", E::Accept, transfer);
    world.party("373").wait_for(transfer, "accepted");
    world.party_mut("330").stop();
    let birmingham = world.party("330");
    let (mut old, mut new) = (0, 0);
    for round in 0..12_u32 {
        let mut restore = Command::new(BINARY);
        restore.args(["restore", &file, "--replace", "--config"]).arg(birmingham.config());
        let mut child = restore.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(u64::from(round) * 7));
        let _ = child.kill();
        child.wait().unwrap();
        // A database server takes a moment to see that the one who held it alone is gone.
        let free = || birmingham.run(&["office", "list"], None).status.success();
        until("the database is free", free, || birmingham.log());
        match birmingham.view(transfer).unwrap()["stage"].as_str().unwrap() {
            "accepted" => old += 1,
            "offered" => new += 1,
            other => panic!("{other}"),
        }
    }
    println!("{old} times the old database, {new} times the new one");
    birmingham.succeed(&["restore", &file, "--replace"]);
    // Whatever number the incarnation has come to: the peer's copy brings everything back.
    world.party_mut("330").start();
    world.party("330").wait_for(transfer, "accepted");
}

#[test]
fn a_backup_under_load_is_one_snapshot_whose_ledgers_verify() {
    let (mut world, _) = offered();
    let running = std::thread::scope(|scope| {
        let sheffield = world.party("373");
        let load = scope.spawn(move || (0..12).map(|_| sheffield.offer("330")).collect::<Vec<_>>());
        let birmingham = world.party("330");
        let mut files = Vec::new();
        while !load.is_finished() {
            files.push(birmingham.backup(&format!("under-load-{}.jsonl", files.len())));
        }
        load.join().unwrap();
        files
    });
    assert!(running.len() > 1);
    let file = running[running.len() / 2].clone();
    world.party_mut("330").stop();
    let birmingham = world.party("330");
    birmingham.succeed(&["restore", &file, "--replace"]);
    let out = birmingham.home.join("ledgers");
    birmingham.succeed(&["ledger", "export", "--all", "--out", &out.display().to_string()]);
    let directory = world.directory_file().display().to_string();
    let mut count = 0;
    for export in std::fs::read_dir(&out).unwrap() {
        let export = export.unwrap().path().display().to_string();
        birmingham.succeed(&["ledger", "verify", &export, "--directory", &directory]);
        count += 1;
    }
    assert_eq!(count, ledgers_in(&file));
}

fn ledgers_in(file: &str) -> usize {
    let text = std::fs::read_to_string(file).unwrap();
    let closing: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    usize::try_from(closing["rows"][0].as_u64().unwrap()).unwrap()
}

#[test]
fn a_move_copies_everything_to_an_empty_database_and_changes_neither_incarnation_nor_configuration() {
    let (mut world, transfer) = offered();
    let other = |party: &Party| -> PathBuf { party.home.join("other.sqlite") };
    let to = other(world.party("330")).display().to_string();
    assert!(world.party("330").refuse(&["move", "--to", &to]).contains("stop it first"));
    world.party_mut("330").stop();
    let birmingham = world.party("330");
    let before = rows(&birmingham.backup("before.jsonl"));
    let told = birmingham.succeed(&["move", "--to", &to]);
    assert!(told.contains("database = "), "{told}");
    assert!(birmingham.refuse(&["move", "--to", &to]).contains("not empty"));
    assert!(birmingham.refuse(&["move", "--to", "cme.sqlite"]).contains("itself"));
    assert_eq!(birmingham.incarnation(), "1");
    birmingham.set("database = \"cme.sqlite\"", "database = \"other.sqlite\"");
    assert_eq!(rows(&birmingham.backup("after.jsonl")), before);
    world.party_mut("330").start();
    world.party("330").decide("accept", E::Accept, &transfer);
    world.party("373").wait_for(&transfer, "accepted");
    assert_eq!(world.party("330").office(&["list"], None)["peers"], json!([]));
}

#[test]
fn migrate_says_what_is_to_do_and_does_it() {
    let mut world = World::new(&["373"]);
    let sheffield = world.party("373");
    assert!(sheffield.refuse(&["migrate", "--check"]).contains("migration 0"));
    assert!(
        sheffield.refuse(&["backup", "early.jsonl"]).contains("migrate"),
        "an empty database has no tables"
    );
    assert!(!Path::new("early.jsonl").exists());
    assert!(sheffield.succeed(&["migrate"]).contains("migrated from 0 to"));
    assert!(sheffield.succeed(&["migrate", "--check"]).contains("nothing to do"));
    world.party_mut("373").start();
    let sheffield = world.party("373");
    assert!(sheffield.succeed(&["migrate"]).contains("nothing to do"), "while a server runs, too");
    until("the server is ready", || sheffield.get("/health/ready").is_some(), || sheffield.log());
}
