//! Word to the escalation contacts: once for each occasion, over every channel, whatever breaks on the way.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant as Moment};

use cme_server::clock::Clock;
use cme_server::config::Config;
use cme_server::escalation::{self, Channel};
use cme_server::health::Health;
use cme_server::node::Node;
use cme_server::office;
use cme_server::store::{escalations, ledgers, officers};
use cme_spec::entry::EntryType as E;
use cme_spec::example::code;
use cme_spec::instant::Instant;
use serde_json::{Value, json};

use crate::support::{PATIENCE, Party, World, entries_of};
use crate::told::{Answer, Letter, Post, Protection, Receiver, Relay};

pub(crate) const SECRET: &str = "a secret of many bytes";
/// What the child's offer says and no message may.
const CANARIES: [&str; 9] = [
    "Testcase",
    "Amina",
    "9990000018",
    "XX1 1XX",
    "Example Street",
    "Example Primary School",
    "Okafor",
    "01632 960101",
    "2016-05-14",
];
const DAY: i64 = 86_400_000;

/// Waits for a condition, with a bound.
pub(crate) fn wait(what: &str, holds: impl Fn() -> bool) {
    let begun = Moment::now();
    while !holds() {
        assert!(begun.elapsed() < PATIENCE, "in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The section that names a relay on this machine and a receiver, and is quick about it.
pub(crate) fn configure(party: &Party, relay: Option<&Relay>, receiver: Option<&Receiver>) {
    let quick =
        "[escalation]\nlook_every_ms = 100\nattempt_ms_max = 2000\nfirst_pause_ms = 50\npause_ms_max = 200\n";
    let smtp = relay.map(|relay| {
        format!(
            "[escalation.smtp]\nhost = \"127.0.0.1\"\nport = {}\nsecurity = \"none\"\n\
             from = \"CME server <cme@sheffield.example>\"\n",
            relay.address.port()
        )
    });
    let webhook = receiver.map(|receiver| {
        std::fs::write(party.home.join("webhook.secret"), format!("{SECRET}\n")).unwrap();
        let url = format!("http://{}/told?by=cme", receiver.address);
        format!("[escalation.webhook]\nurl = \"{url}\"\nsecret_file = \"webhook.secret\"\n")
    });
    let config = std::fs::read_to_string(party.config()).unwrap();
    let sections = [smtp, webhook].map(Option::unwrap_or_default).concat();
    std::fs::write(party.config(), format!("{config}\n{quick}{sections}")).unwrap();
}

/// Two authorities whose contacts, and the arbiter, have e-mail addresses.
pub(crate) fn world() -> World {
    let world = World::new(&["373", "330"]);
    world.reissue(|directory| {
        for authority in directory["authorities"].as_array_mut().unwrap() {
            let address = format!("escalation-{}@council.example", authority["code"].as_str().unwrap());
            authority["escalation"]["email"] = json!(address);
        }
        directory["arbiter"]["email"] = json!("arbiter@network.example");
    });
    world
}

/// The same after so many offers have reached both parties, with the servers stopped again.
fn offered(count: usize) -> (World, Vec<String>) {
    let mut world = world();
    world.start_all();
    let transfers: Vec<String> = (0..count).map(|_| world.party("373").offer("330")).collect();
    for transfer in &transfers {
        world.party("330").wait_for(transfer, "offered");
        world.party("373").wait_for(transfer, "offered");
    }
    assert_eq!(world.party_mut("373").stop(), Some(0));
    assert_eq!(world.party_mut("330").stop(), Some(0));
    (world, transfers)
}

/// An authority's server in this process, with a clock that the test sets.
struct Here {
    runtime: tokio::runtime::Runtime,
    node: Node,
    clock: Arc<AtomicI64>,
}

impl Here {
    fn open(party: &Party) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let (runtime, clock) =
            (runtime.unwrap(), Arc::new(AtomicI64::new(crate::wire::now().milliseconds())));
        let told = Arc::clone(&clock);
        let clock_of_test =
            Clock::from_fn(move || Instant::from_milliseconds(told.load(Ordering::SeqCst)).unwrap());
        let config = Config::load(&party.config()).unwrap();
        let node = runtime.block_on(Node::open(config, clock_of_test)).unwrap();
        Self { runtime, node, clock }
    }

    fn pass_days(&self, days: i64) {
        self.clock.fetch_add(days * DAY, Ordering::SeqCst);
    }

    fn look(&self) -> u64 {
        self.runtime.block_on(escalation::look(&self.node)).unwrap()
    }

    /// Looks and sends until the condition holds.
    fn run_until(&self, what: &str, holds: impl Fn() -> bool) {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let channels = Channel::open_all(self.node.config()).unwrap();
        let running = self.runtime.spawn(escalation::run(self.node.clone(), channels, stopped));
        wait(what, holds);
        stop.send(true).unwrap();
        self.runtime.block_on(running).unwrap();
    }

    fn told(&self) -> Value {
        let all = self.block_on(office::escalations(&self.node, self.code(), 100)).unwrap();
        serde_json::to_value(all).unwrap()
    }

    fn metrics(&self) -> String {
        self.block_on(Health::new(self.node.clone()).metrics()).unwrap()
    }

    fn code(&self) -> cme_spec::ids::AuthorityCode {
        self.node.all_hosted().next().unwrap().code
    }

    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

fn assert_no_personal_data(text: &str) {
    for canary in CANARIES {
        assert!(!text.contains(canary), "{canary} in {text}");
    }
}

/// All that is known of a letter but its id and the time.
fn gist(letter: &Letter) -> (String, String, String) {
    (letter.from.clone(), letter.to.clone(), letter.field("Subject").to_owned())
}

/// Word of a clock of Sheffield's offer to Birmingham, as it is posted.
fn check_post(post: &Post, transfer: &str) {
    let told = post.json();
    assert_eq!((&told["matter"], &told["turn"]), (&json!("overdue"), &json!("330")));
    let peer = json!({ "code": "330", "name": "Birmingham" });
    assert_eq!(told["about"], json!({ "transfer": transfer, "peer": peer }));
    assert_eq!(told["look"], format!("cme-server office show --as 373 --transfer {transfer}"));
    assert_eq!(post.fields["idempotency-key"], told["id"].to_string());
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET.as_bytes());
    let tag = ring::hmac::sign(&key, post.body.as_bytes());
    let digits: Vec<_> = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(post.fields["cme-signature"], format!("sha256={}", digits.concat()));
    assert_no_personal_data(&post.body);
}

/// The same as a letter.
fn check_letter(letter: &Letter, transfer: &str) {
    let (from, to) = ("cme@sheffield.example", "escalation-373@council.example");
    assert_eq!((letter.from.as_str(), letter.to.as_str()), (from, to));
    assert!(letter.field("Subject").starts_with("CME: overdue since "), "{letter:?}");
    assert_eq!(letter.field("Auto-Submitted"), "auto-generated");
    let id = letter.field("Message-ID").trim_matches(['<', '>']).strip_suffix("@sheffield.example");
    assert!(letter.text.contains(&format!("Message:     {}", id.unwrap())), "{letter:?}");
    assert!(letter.text.contains(transfer) && letter.text.contains("Birmingham (330)"), "{letter:?}");
    assert_no_personal_data(&letter.text);
}

#[test]
fn a_clock_that_ran_out_is_told_once_over_each_channel_and_changes_nothing() {
    let (world, transfers) = offered(1);
    let (party, transfer) = (world.party("373"), &transfers[0]);
    let (relay, receiver) = (Relay::start(Protection::None), Receiver::start(None));
    configure(party, Some(&relay), Some(&receiver));
    let export = party.export(transfer);
    assert!(CANARIES.iter().all(|canary| export.contains(canary)), "the canaries are in the ledger itself");
    let before = (party.view(transfer).unwrap(), entries_of(&export));
    let here = Here::open(party);
    assert_eq!(here.look(), 0, "no clock has run out");
    assert!(!here.metrics().contains("cme_overdue{"));
    here.pass_days(30);
    assert!(here.metrics().contains("cme_overdue{authority=\"330\"} 2\n"), "{}", here.metrics());
    here.run_until("two clocks over two channels", || {
        relay.letters().len() == 2 && receiver.posts().len() == 2
    });
    here.pass_days(1);
    assert_eq!(here.look(), 0, "each is told once");
    assert_eq!((relay.letters().len(), receiver.posts().len()), (2, 2));

    receiver.posts().iter().for_each(|post| check_post(post, transfer));
    let mut clocks: Vec<_> = receiver.posts().iter().map(|post| post.json()["clock"].to_string()).collect();
    clocks.sort();
    assert_eq!(clocks, ["\"acknowledge\"", "\"decide\""]);
    relay.letters().iter().for_each(|letter| check_letter(letter, transfer));

    let told = here.told();
    for escalation in told.as_array().unwrap() {
        let states: Vec<_> =
            escalation["messages"].as_array().unwrap().iter().map(|message| &message["state"]).collect();
        assert_eq!(states, ["sent", "sent"], "{told}");
    }
    assert_no_personal_data(&told.to_string());
    drop(here);
    assert_eq!((party.view(transfer).unwrap(), entries_of(&party.export(transfer))), before);
    let lines = party.run(&["office", "escalations"], None);
    let lines = String::from_utf8(lines.stdout).unwrap();
    assert!(lines.contains("acknowledge") && lines.contains("email to the contact: sent "), "{lines}");
}

#[test]
fn a_reminder_follows_after_five_working_days_and_none_while_word_still_waits() {
    let (world, _) = offered(1);
    let receiver = Receiver::start(None);
    configure(world.party("373"), None, Some(&receiver));
    let here = Here::open(world.party("373"));
    here.pass_days(30);
    assert_eq!(here.look(), 2);
    here.run_until("the first word", || receiver.posts().len() == 2);
    here.pass_days(4);
    assert_eq!(here.look(), 0, "four days are no five working days");
    here.pass_days(10);
    assert_eq!((here.look(), here.look()), (2, 0));
    here.pass_days(14);
    assert_eq!(here.look(), 2, "the next is noted");
    here.run_until("one reminder of each clock", || receiver.posts().len() == 4);
    let reminders: Vec<_> = receiver.posts().iter().map(|post| post.json()["reminder"].clone()).collect();
    assert_eq!(reminders, [0, 0, 1, 1], "what still waited was not queued again");
    assert!(here.told().as_array().unwrap().iter().all(|told| told["reminders"] == 2), "{}", here.told());
}

#[test]
fn no_reminder_follows_where_none_is_wanted_and_the_log_tells_where_no_channel_is() {
    let (world, _) = offered(1);
    let party = world.party("373");
    let config = std::fs::read_to_string(party.config()).unwrap();
    std::fs::write(party.config(), config + "\n[escalation]\nreminder_working_days = 0\n").unwrap();
    let here = Here::open(party);
    here.pass_days(30);
    assert_eq!(here.look(), 2);
    here.pass_days(200);
    assert_eq!(here.look(), 0);
    assert!(here.told().as_array().unwrap().iter().all(|told| told["messages"] == json!([])));
    drop(here);
    let lines = party.run(&["office", "escalations"], None);
    assert!(String::from_utf8(lines.stdout).unwrap().contains("told by the log alone"));
}

#[test]
fn what_has_no_clock_is_told_once_too() {
    let (world, transfers) = offered(3);
    let relay = Relay::start(Protection::None);
    configure(world.party("373"), Some(&relay), None);
    let here = Here::open(world.party("373"));
    let key = |transfer: &String| ledgers::LedgerKey {
        hosted: code("373"),
        counterparty: code("330"),
        transfer: transfer.parse().unwrap(),
    };
    let (forked, refused, now) = (key(&transfers[0]), key(&transfers[1]), here.node.now());
    here.block_on(here.node.store().write(move |tx| {
        let entry = ledgers::entry_at(tx, &forked, 0)?.unwrap();
        ledgers::mark_forked(tx, &forked, &entry)?;
        officers::note_refused(tx, &refused, 1, "body-invalid", now)
    }))
    .unwrap();
    assert_eq!((here.look(), here.look()), (2, 0));
    here.run_until("a letter for each", || relay.letters().len() == 2);
    let mut subjects: Vec<_> = relay.letters().iter().map(gist).map(|(_, _, subject)| subject).collect();
    subjects.sort();
    assert_eq!(
        subjects,
        [
            "CME: a delivery was refused here, with Birmingham (330)",
            "CME: a transfer is forked, with Birmingham (330)"
        ]
    );
    // Another place of the same ledger is another occasion.
    here.block_on(
        here.node.store().write(move |tx| officers::note_refused(tx, &refused, 2, "body-invalid", now)),
    )
    .unwrap();
    assert_eq!((here.look(), here.look()), (1, 0));
}

#[test]
fn two_processes_on_one_database_send_each_message_once() {
    let (world, transfers) = offered(10);
    let receiver = Receiver::start(None);
    configure(world.party("373"), None, Some(&receiver));
    let both = [Here::open(world.party("373")), Here::open(world.party("373"))];
    for here in &both {
        here.pass_days(30);
    }
    let count = transfers.len() * 2;
    std::thread::scope(|scope| {
        for here in &both {
            let receiver = &receiver;
            scope.spawn(move || here.run_until("all messages", || receiver.posts().len() >= count));
        }
    });
    let mut ids: Vec<String> =
        receiver.posts().iter().map(|post| post.fields["idempotency-key"].clone()).collect();
    assert_eq!(ids.len(), count);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count, "no message was sent twice");
    assert!(both[0].block_on(both[0].node.store().read(|tx| escalations::count(tx))).unwrap().is_empty());
}

/// A contested offer of Sheffield's, which Birmingham may uphold now.
fn contested(world: &World) -> String {
    let transfer = world.party("373").offer("330");
    world.party("330").wait_for(&transfer, "offered");
    world.party("330").decide("decline", E::Decline, &transfer);
    world.party("373").wait_for(&transfer, "declined");
    world.party("373").decide("contest", E::Contest, &transfer);
    world.party("330").wait_for(&transfer, "contested");
    transfer
}

#[test]
fn a_decline_that_was_upheld_is_told_to_both_contacts_and_the_arbiter_however_long_the_relay_is_away() {
    let mut world = world();
    let relay = Relay::start(Protection::None);
    for party in &world.parties {
        configure(party, Some(&relay), None);
    }
    for (command, answer) in [
        ("CONNECT", "421 closing"),
        ("MAIL", "550 no such sender"),
        ("RCPT", "451 later"),
        ("DATA", "554 not now"),
        ("END", "452 full"),
    ] {
        relay.answer(command, answer);
    }
    world.start_all();
    let transfer = contested(&world);
    world.party("330").decide("uphold", E::Uphold, &transfer);
    world.party("373").wait_for(&transfer, "upheld");
    wait("three letters", || relay.letters().len() == 3);
    // Both look again from the start.
    for code in ["373", "330"] {
        world.party_mut(code).stop();
        world.party_mut(code).start();
        world.party_mut(code).stop();
        assert_eq!(Here::open(world.party(code)).look(), 0);
    }
    let mut gists: Vec<_> = relay.letters().iter().map(gist).collect();
    gists.sort();
    let letter = |to: &str, peer: &str| {
        let subject = format!("CME: a decline was upheld, with {peer}");
        ("cme@sheffield.example".to_owned(), to.to_owned(), subject)
    };
    assert_eq!(
        gists,
        [
            letter("arbiter@network.example", "Sheffield (373)"),
            letter("escalation-330@council.example", "Sheffield (373)"),
            letter("escalation-373@council.example", "Birmingham (330)"),
        ]
    );
    relay.letters().iter().for_each(|letter| assert_no_personal_data(&letter.text));
    assert_no_personal_data(&world.party("330").log());
}

#[test]
fn word_survives_sigkill_under_the_same_id() {
    let mut world = world();
    let receiver = Receiver::start(None);
    configure(world.party("330"), None, Some(&receiver));
    receiver.answer(Answer::Silence);
    world.start_all();
    let transfer = contested(&world);
    world.party("330").decide("uphold", E::Uphold, &transfer);
    wait("the first attempt", || receiver.posts().len() == 1);
    world.party_mut("330").kill();
    world.party_mut("330").start();
    wait("the second attempt", || receiver.posts().len() == 2);
    let list = || world.party("330").office(&["escalations", "--json"], None);
    wait("the note", || list()[0]["messages"][0]["state"] == "sent");
    let posts = receiver.posts();
    assert_eq!(posts[0].body, posts[1].body);
    assert_eq!(posts[0].fields["idempotency-key"], posts[1].fields["idempotency-key"]);
    assert_eq!(list().as_array().unwrap().len(), 1);
}

#[test]
fn what_is_refused_for_good_is_shown_and_can_be_tried_again_or_given_up() {
    let mut world = world();
    let (relay, receiver) = (Relay::start(Protection::None), Receiver::start(None));
    configure(world.party("373"), Some(&relay), Some(&receiver));
    relay.answer("RCPT", "550 5.1.1 <escalation-373@council.example> unknown");
    receiver.answer(Answer::Status(500));
    receiver.answer(Answer::Status(302));
    receiver.answer(Answer::Status(410));
    world.start_all();
    let transfer = contested(&world);
    world.party("330").decide("uphold", E::Uphold, &transfer);
    let sheffield = world.party("373");
    let refused = || sheffield.office(&["list"], None)["escalationsRefused"].as_array().unwrap().clone();
    wait("both refusals", || refused().len() == 2);
    assert_eq!(receiver.posts().len(), 3);
    let of = |channel: &str| refused().into_iter().find(|message| message["channel"] == channel).unwrap();
    assert_eq!(of("email")["lastFailure"], "the recipient was refused with 550");
    assert_eq!(of("webhook")["lastFailure"], "answered 410");
    let metrics = sheffield.get("/metrics").unwrap();
    for line in ["channel=\"email\",state=\"refused\"} 1", "channel=\"webhook\",state=\"waiting\"} 0"] {
        assert!(metrics.contains(&format!("cme_escalations{{{line}")), "{metrics}");
    }
    let (email, webhook) = (of("email")["id"].clone(), of("webhook")["id"].clone());
    let resolve = |id: &Value, how: &str| {
        sheffield.run(&["escalation", "resolve", "--id", id.as_str().unwrap(), how], None).status.success()
    };
    assert!(resolve(&email, "--retry") && resolve(&webhook, "--drop"));
    wait("the letter", || relay.letters().len() == 1);
    assert!(relay.letters()[0].field("Message-ID").contains(email.as_str().unwrap()), "the same id");
    assert!(!resolve(&webhook, "--retry"), "it is gone");
    assert!(refused().is_empty());
    assert!(!sheffield.log().contains("council.example"), "no address in the log");
}

#[test]
fn a_decision_that_a_peer_refused_for_good_is_told() {
    let mut world = world();
    let receiver = Receiver::start(None);
    configure(world.party("373"), None, Some(&receiver));
    world.start_all();
    let transfer = world.party("373").offer("330");
    world.party("330").wait_for(&transfer, "offered");
    world.party("373").wait_for(&transfer, "offered");
    world.party_mut("373").stop();
    world.party_mut("330").stop();
    let withdrawn = world.party("373").decide("withdraw", E::Withdraw, &transfer);
    world.party("330").decide("accept", E::Accept, &transfer);
    world.start_all();
    wait("word of it", || receiver.posts().len() == 1);
    let told = receiver.posts()[0].json();
    assert_eq!((&told["matter"], &told["letter"]), (&json!("letter-refused"), &withdrawn["id"]));
    assert_eq!(told["look"], "cme-server office list --as 373");
    assert_no_personal_data(&receiver.posts()[0].body);
}
