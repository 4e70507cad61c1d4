//! Backups, restores and moves between SQLite and PostgreSQL.

use cme_spec::entry::EntryType as E;

use crate::backup::{killed_restores, offered, rows};
use crate::several::Database;
use crate::support::World;

const SQLITE: &str = "database = \"cme.sqlite\"";

fn line(database: &Database) -> String {
    format!("database = \"{}\"", database.url())
}

fn but_the_incarnation(file: &str) -> Vec<String> {
    rows(file).into_iter().filter(|row| !row.contains("\"incarnation\"")).collect()
}

#[test]
fn a_backup_of_one_engine_is_restored_by_the_other_and_back_with_the_same_rows() {
    let (mut world, transfer) = offered();
    world.party_mut("330").stop();
    let database = Database::new();
    let birmingham = world.party("330");
    let of_sqlite = birmingham.backup("sqlite.jsonl");
    birmingham.set(SQLITE, &line(&database));
    birmingham.succeed(&["restore", &of_sqlite]);
    let of_postgres = birmingham.backup("postgres.jsonl");
    assert_eq!(but_the_incarnation(&of_postgres), but_the_incarnation(&of_sqlite));
    assert!(birmingham.refuse(&["restore", &of_sqlite]).contains("--replace"));
    birmingham.set(&line(&database), SQLITE);
    birmingham.succeed(&["restore", &of_postgres, "--replace"]);
    assert_eq!(birmingham.incarnation(), "3");
    assert_eq!(but_the_incarnation(&birmingham.backup("back.jsonl")), but_the_incarnation(&of_sqlite));
    world.party_mut("330").start();
    world.party("330").decide("accept", E::Accept, &transfer_when_level(&world, &transfer));
    world.party("373").wait_for(&transfer, "accepted");
}

/// The transfer, once Birmingham may append to it again.
fn transfer_when_level(world: &World, transfer: &str) -> String {
    let birmingham = world.party("330");
    let level = || birmingham.office(&["list"], None)["peers"] == serde_json::json!([]);
    crate::support::until("the pair is level", level, || birmingham.log());
    transfer.to_owned()
}

#[test]
fn a_deployment_moves_from_sqlite_to_postgresql_and_goes_on_there() {
    let (mut world, transfer) = offered();
    world.party_mut("330").stop();
    let database = Database::new();
    let birmingham = world.party("330");
    let before = rows(&birmingham.backup("before.jsonl"));
    let told = birmingham.succeed(&["move", "--to", &database.url()]);
    assert!(told.contains(&line(&database)), "{told}");
    birmingham.set(SQLITE, &line(&database));
    assert_eq!(rows(&birmingham.backup("after.jsonl")), before);
    assert_eq!(birmingham.incarnation(), "1", "nothing was forgotten");
    world.party_mut("330").start();
    world.party("330").decide("accept", E::Accept, &transfer);
    world.party("373").wait_for(&transfer, "accepted");
    let birmingham = world.party("330");
    let file = birmingham.home.join("while-it-runs.jsonl").display().to_string();
    birmingham.succeed(&["backup", &file]);
    assert!(birmingham.refuse(&["restore", &file, "--replace"]).contains("stop it first"));
}

#[test]
fn a_restore_on_postgresql_that_is_killed_leaves_the_old_database_or_the_new_one() {
    let database = Database::new();
    let mut world = World::new(&["373", "330"]);
    world.party("330").set(SQLITE, &line(&database));
    world.start_all();
    let transfer = world.party("373").offer("330");
    world.party("330").wait_for(&transfer, "offered");
    world.party("373").wait_for(&transfer, "offered");
    killed_restores(world, &transfer);
}
