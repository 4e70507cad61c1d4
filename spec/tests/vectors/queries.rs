//! Queries with their answers, and notices with their acknowledgements.

use cme_spec::canonical::{Json, Limits};
use cme_spec::codes::LocationSensitivity;
use cme_spec::directory::{Archive, Directory};
use cme_spec::envelope::Envelope;
use cme_spec::notice::{self, Acknowledgement, Notice, acknowledges};
use cme_spec::problem::{Problem, ProblemType};
use cme_spec::query::{self, Answer, Asked, Keeping, Query, QueryBody, check_answer, keeping};
use cme_spec::statement::{Statement, StatementHeader};
use serde_json::{Value, json as value};

use super::{document, each_case, json, name, problem_of, str_of};

type Refused = (String, Option<String>);

fn refused(problem: &Problem) -> Refused {
    let name = problem.registered().map_or("unregistered", ProblemType::name);
    (name.to_owned(), problem.pointer.clone())
}

fn is_as_published(case: &Value, (problem, pointer): Refused) {
    assert_eq!(problem, str_of(case, "problem"), "{}", name(case));
    if let Some(expected) = case["pointer"].as_str() {
        assert_eq!(pointer.as_deref(), Some(expected), "{}", name(case));
    }
}

/// The checks that a query and a notice share, in their order; `rules` are those on the body.
fn stated<H: StatementHeader, T>(
    json: Json,
    directory: &Directory,
    rules: impl Fn(&Statement<H>) -> Result<T, Problem>,
) -> Result<(Statement<H>, T), Refused> {
    let statement = Statement::from_json(json).map_err(|error| refused(&error.problem()))?;
    if !statement.body_matches() {
        return Err(("body-digest-mismatch".to_owned(), None));
    }
    let typed = rules(&statement).map_err(|problem| refused(&problem))?;
    let key = directory.key(statement.header().author(), statement.signature().key());
    let key = key.ok_or_else(|| ("key-unknown".to_owned(), None))?;
    statement.verify(&key.public_key).map_err(|_| ("signature-invalid".to_owned(), None))?;
    Ok((statement, typed))
}

fn digests_are_as_published<H: StatementHeader>(case: &Value, statement: &Statement<H>) {
    assert_eq!(statement.header_json().canonical_text(), str_of(case, "canonicalHeader"));
    assert_eq!(statement.header_digest().to_string(), str_of(case, "headerDigest"));
    assert_eq!(statement.body().digest().to_string(), str_of(case, "bodyDigest"));
    assert_eq!(statement.signature().key().to_string(), str_of(case, "kid"));
}

fn directory() -> Archive {
    Archive::start(&json(&document("ledgers/directory.json")), None).unwrap()
}

#[test]
fn queries_and_answers_are_taken_or_refused_as_published() {
    let archive = directory();
    let directory = archive.newest().unwrap().content();
    each_case("queries.json", 25, 70, |case, take| {
        let text = case["queryText"].as_str().map_or_else(|| case["query"].to_string(), str::to_owned);
        let read = Json::decode(text.as_bytes(), &Limits::ENTRY)
            .map_err(|error| (problem_of(&error).to_owned(), None))
            .and_then(|json| stated(json, directory, |query| query::check(query).map_err(|f| f.problem())));
        match (read, case["answers"].as_array()) {
            (Ok((query, body)), None) if take => {
                digests_are_as_published(case, &query);
                assert_eq!(value!(body.subject.fields()), case["fields"], "{}", name(case));
            }
            (Ok((query, body)), Some(answers)) => answered(case, take, directory, (&query, &body), answers),
            (Err(problem), None) if !take => is_as_published(case, problem),
            (read, _) => panic!("{}: {:?}", name(case), read.err()),
        }
    });
}

/// The last answer is the one that the case is about; those before it hold.
fn answered(
    case: &Value,
    take: bool,
    directory: &Directory,
    (query, body): (&Query, &QueryBody),
    answers: &[Value],
) {
    let fields = body.subject.fields();
    let asked = Asked { header: query.header(), digest: query.header_digest(), fields: &fields };
    let mut before: Vec<Answer> = Vec::new();
    let mut outcome = Ok(());
    for answer in answers {
        assert_eq!(outcome, Ok(()), "{}: an answer before the last", name(case));
        outcome = Envelope::<Answer>::read(&json(answer))
            .map_err(|_| ("malformed".to_owned(), None))
            .and_then(|answer| {
                let (by, at) = (answer.content().by, answer.content().answered_at);
                let answer = directory.check_document(answer, by, at).unwrap();
                let checked = check_answer(answer.content(), &asked, &before);
                before.push(answer.content().clone());
                checked.map_err(|fault| refused(&fault.problem()))
            });
    }
    match outcome {
        Ok(()) if take => {
            let kept = match keeping(query.header(), &before) {
                Keeping::Until(at) => value!(at),
                Keeping::UntilAnswered => Value::Null,
            };
            assert_eq!(kept, case["bodyKeptUntil"], "{}", name(case));
        }
        Err(problem) if !take => is_as_published(case, problem),
        outcome => panic!("{}: {outcome:?}", name(case)),
    }
}

#[test]
fn notices_and_acknowledgements_are_taken_or_refused_as_published() {
    let archive = directory();
    let directory = archive.newest().unwrap().content();
    each_case("notices.json", 8, 16, |case, take| {
        let read = stated(json(&case["notice"]), directory, |notice: &Notice| {
            notice::check(notice).map_err(|error| notice::problem(&error))
        });
        match (read, case.get("acknowledgement")) {
            (Ok((notice, _)), None) if take => digests_are_as_published(case, &notice),
            (Ok((notice, body)), Some(said)) => {
                let held = holds(&json(said), directory, &notice, body.location_sensitivity);
                assert_eq!(held, take, "{}", name(case));
                assert_eq!(case["problem"].as_str(), (!take).then_some("malformed"));
            }
            (Err(problem), None) if !take => is_as_published(case, problem),
            (read, _) => panic!("{}: {:?}", name(case), read.err()),
        }
    });
}

fn holds(json: &Json, directory: &Directory, notice: &Notice, sensitivity: LocationSensitivity) -> bool {
    let said = Envelope::<Acknowledgement>::read(json).unwrap();
    let (by, at) = (said.content().by, said.content().acknowledged_at);
    let said = directory.check_document(said, by, at).unwrap();
    acknowledges(said.content(), notice, sensitivity)
}
