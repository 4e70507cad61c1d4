//! Sheffield's officer asks, and the other ends follow a script, so that they can do what no honest server does.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use cme_server::tls::server_config;
use cme_spec::codes::AnswerOutcome;
use cme_spec::envelope::Envelope;
use cme_spec::example;
use cme_spec::problem::ProblemType;
use cme_spec::query::Query;
use cme_spec::receipt::{Stored, StoredKind};
use serde_json::{Value, json};

use crate::answering::{self, Reply, Request, Script};
use crate::support::{Party, World, until};
use crate::wire::now;

/// A party's listener in this process, and what came to it. It is gone with this value.
pub(crate) struct Peer {
    came: Arc<Mutex<Vec<Request>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Peer {
    /// Answers for `party` as `reply` says.
    pub(crate) fn start(party: &Party, reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind(party.listen)).unwrap();
        let file = |name: &str| std::fs::read(party.home.join(name)).unwrap();
        let identity =
            cme_client::Identity::from_pem(&file("server.cert.pem"), &file("server.key.pem")).unwrap();
        let tls = Arc::new(server_config(&identity, false).unwrap());
        let came = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&came);
        let script: Script = Arc::new(move |request| {
            noted.lock().unwrap().push(request.clone());
            (Duration::ZERO, reply(request))
        });
        runtime.spawn(answering::serve(listener, tls, script));
        Self { came, _runtime: runtime }
    }

    /// Requests of that method so far.
    pub(crate) fn came(&self, method: &str) -> Vec<Request> {
        self.came.lock().unwrap().iter().filter(|request| request.method == method).cloned().collect()
    }
}

/// Says each query's one answer, and takes every withdrawal.
pub(crate) fn honest(
    party: &Party,
    outcome: AnswerOutcome,
) -> impl Fn(&Request) -> Reply + Send + Sync + use<> {
    let (key, code) = (party.signing_key(), party.code);
    let put: Mutex<Vec<Query>> = Mutex::default();
    move |request| {
        let mut put = put.lock().unwrap();
        if request.method == "PUT" {
            let query = request.query();
            let said = answering::answer(&query, 0, outcome, now());
            put.push(query);
            return answering::answers(&[said], &key);
        }
        let known = put.iter().find(|query| request.path.contains(&query.header().query.to_string()));
        let Some(query) = known else { return answering::refusal(ProblemType::QueryUnknown) };
        let content = Stored {
            kind: StoredKind::Withdrawal,
            id: query.header().query.to_string(),
            digest: query.header_digest(),
            received_at: now(),
            by: code,
            incarnation: 1,
            directory_issue: 1,
        };
        Reply::Said(200, Envelope::sign(content, &key).to_json())
    }
}

/// Authorities that all answer queries and keep standing ones.
pub(crate) fn world(codes: &[&str]) -> World {
    let world = World::new(codes);
    world.reissue(|directory| {
        for authority in directory["authorities"].as_array_mut().unwrap() {
            let profiles = authority["profiles"].as_array_mut().unwrap();
            for profile in ["queries", "standing-queries"] {
                if !profiles.contains(&json!(profile)) {
                    profiles.push(json!(profile));
                }
            }
        }
    });
    world
}

pub(crate) fn child(change: impl FnOnce(&mut Value)) -> String {
    let mut subject = example::query_body().into_value()["subject"].take();
    change(&mut subject);
    subject.to_string()
}

pub(crate) fn query(party: &Party, arguments: &[&str], input: Option<&str>) -> Value {
    party.office(&[&["query"], arguments].concat(), input)
}

/// Asks one authority about the example child, and doesn't wait for the answer.
pub(crate) fn ask(party: &Party, to: &str, more: &[&str]) -> Value {
    let arguments = [&["ask", "--to", to, "--officer", "o-7f3a", "--wait", "0"], more].concat();
    query(party, &arguments, Some(&child(|_| {})))
}

pub(crate) const BROADCAST: [&str; 8] =
    ["broadcast", "--all", "--officer", "o-7f3a", "--second-officer", "o-11c2", "--wait", "0"];

pub(crate) fn id(asked: &Value) -> &str {
    asked["id"].as_str().unwrap()
}

pub(crate) fn show(party: &Party, id: &str) -> Value {
    query(party, &["show", "--id", id], None)
}

/// Waits until what was asked looks like that.
pub(crate) fn wait_for(party: &Party, id: &str, done: impl Fn(&Value) -> bool) -> Value {
    let shown = || show(party, id);
    until("what was asked", || done(&shown()), || format!("{} {}", shown(), party.log()));
    shown()
}

pub(crate) fn refused(party: &Party, arguments: &[&str], input: Option<&str>) -> String {
    let output = party.run(&[&["office", "query"], arguments].concat(), input);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}
