//! Evidence is doctored in every way that signatures alone would not show, and signed again.

use super::*;
use crate::cases;
use crate::doctor::Look;
use crate::published::Publication;
use crate::reference::Role;
use crate::run::tests::results;
use crate::tape::{Direction, Exchange, Message, Part};
use crate::verdict::tests::{failed, passed};
use crate::verdict::{Finding, Verdict};

/// The key that signs, and another.
struct Keys {
    own: SigningKey,
    other: SigningKey,
}

fn keys() -> Keys {
    Keys { own: SigningKey::generate().unwrap(), other: SigningKey::generate().unwrap() }
}

fn exchange() -> Exchange {
    Exchange {
        at: 1,
        milliseconds: 2,
        direction: Direction::ToSubject,
        peer: "007".to_owned(),
        part: Part::Question,
        request: Some(Message::of(b"GET /330/v1/heads HTTP/1.1\r\n\r\n")),
        response: Some(Message::of(b"HTTP/1.1 200 OK\r\n\r\n{}")),
        error: None,
    }
}

/// A whole run in which one case failed.
fn a_run() -> Results {
    let finding = |case: &&'static crate::cases::Case| {
        if case.name == cases::named("LED-002")[0].name {
            let hearings = vec![failed("LED-002", vec![exchange()]); 3];
            return Finding::of(case, hearings);
        }
        Finding::of(case, vec![passed(vec![exchange()])])
    };
    let profiles = results(Vec::new()).profiles;
    let applies = |case: &&'static crate::cases::Case| crate::run::not_declared(case, profiles).is_none();
    let (heard, others): (Vec<_>, Vec<_>) = cases::all().into_iter().partition(applies);
    let mut findings: Vec<Finding> = heard.iter().map(finding).collect();
    findings.extend(others.into_iter().map(|case| {
        let reason = crate::run::not_declared(case, profiles).unwrap_or_default();
        Finding::because(case, Verdict::NotApplicable, reason)
    }));
    results(findings)
}

fn declared() -> Declared {
    let identity = || crate::identity::Identity::generate("x", &[]).unwrap();
    let key = || SigningKey::generate().unwrap();
    let (server, client) = (identity(), identity());
    let role = Role { code: "330".to_owned(), key: key(), retired: key(), server, client };
    let record = crate::reference::record(&role, "https://127.0.0.1:1/330").unwrap();
    let directory = Json::object([("issue", 1.into()), ("authorities", vec![record.clone()].into())]);
    let directory = Json::object([("directory", directory), ("signature", "x".into())]);
    let declaration = "revision = \"1.0-draft\"\nlisten = \"127.0.0.1:1\"\nresponse_seconds = 10\n\
                       act_seconds = 30\n[profiles]\n";
    let profiles = serde_json::to_value(results(Vec::new()).profiles).unwrap();
    let lines = profiles.as_object().unwrap().iter().map(|(name, has)| format!("{name} = {has}"));
    let lines = lines.collect::<Vec<_>>().join("\n");
    Declared {
        declaration: (declaration.to_owned() + &lines).into_bytes(),
        subject: record.plain().into_bytes(),
        directory: directory.plain().into_bytes(),
    }
}

/// The evidence of a run that says so in its files, honestly signed.
fn evidence(results: &Results, keys: &Keys, doctor: impl FnOnce(&mut Files)) -> Vec<u8> {
    let mut files = Files::of(results, &Publication::compiled_in().unwrap()).unwrap();
    doctor(&mut files);
    pack(results, &files, &declared(), &keys.own).unwrap()
}

/// What is wrong with evidence.
fn wrong(bytes: &[u8]) -> Vec<Look> {
    verify(bytes, None).looks.into_iter().filter(|look| !look.holds).collect()
}

fn told(bytes: &[u8]) -> String {
    let line = |look: &Look| format!("{}: {}", look.what, look.seen);
    wrong(bytes).iter().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_evidence_of_a_run_holds_under_its_key_alone() {
    let keys = keys();
    let bytes = evidence(&a_run(), &keys, |_| {});
    assert_eq!(told(&bytes), "");
    assert!(verify(&bytes, Some(&keys.own.kid())).holds());
    let other = verify(&bytes, Some(&keys.other.kid()));
    assert!(!other.holds() && other.looks.iter().any(|look| look.seen.contains("not by")));
}

#[test]
fn a_byte_that_was_changed_is_found() {
    let keys = keys();
    let bytes = evidence(&a_run(), &keys, |_| {});
    let of = |text: &str| bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    // In the manifest, the results, the report, the build server's file, the directory and the transcript.
    for text in ["madeAt", "subjectLost", "<!DOCTYPE", "<testsuite", "authorities\":[", "\"number\":1"] {
        let mut changed = bytes.clone();
        changed[of(text)] ^= 1;
        assert!(!wrong(&changed).is_empty(), "{text}");
    }
    assert!(!wrong(&bytes[..bytes.len() - 1]).is_empty());
    assert!(!wrong(b"no archive").is_empty());
}

#[test]
fn what_does_not_follow_from_the_transcript_is_found_though_it_is_signed() {
    let keys = keys();
    let honest = a_run();
    let transcript = Files::of(&honest, &Publication::compiled_in().unwrap()).unwrap().transcript;
    // Each way to make the run look better, signed with the vendor's own key, over the transcript as it was.
    let doctored = |change: &dyn Fn(&mut Results)| {
        let mut run = honest.clone();
        change(&mut run);
        let kept = transcript.clone();
        told(&evidence(&run, &keys, |files| files.transcript = kept))
    };
    let place = honest.findings.iter().position(|finding| finding.verdict == Verdict::Fail).unwrap();
    let conclude = |run: &mut Results| {
        run.requirements =
            crate::results::rows(&Publication::compiled_in().unwrap(), run.profiles, &run.findings);
        run.must = crate::results::tally(&run.requirements);
        let (outcome, exit) = run.worked_out();
        (run.outcome, run.exit) = (outcome, exit.code());
    };
    let a_pass = |run: &mut Results| {
        run.findings[place] = Finding::of(cases::named("LED-002")[0], vec![passed(vec![exchange()])]);
        conclude(run);
    };
    assert!(doctored(&a_pass).contains("verdicts follow"), "a failure made a pass");
    let excused = |run: &mut Results| {
        run.findings[place].verdict = Verdict::Flaky;
        conclude(run);
    };
    assert!(doctored(&excused).contains("its hearings give FAIL"), "a failure made flaky");
    let skipped = |run: &mut Results| {
        run.findings[place] = Finding::because(
            cases::named("LED-002")[0],
            Verdict::NotApplicable,
            "profile core is declared false",
        );
        conclude(run);
    };
    assert!(doctored(&skipped).contains("against the declaration"), "a failure made not applicable");
    let dropped = |run: &mut Results| {
        run.findings.remove(place);
        conclude(run);
    };
    assert!(doctored(&dropped).contains("is in scope and is not there"), "a failure left out");
    let narrowed = |run: &mut Results| {
        run.findings.remove(place);
        run.scope.left_out = 1;
        conclude(run);
    };
    assert!(doctored(&narrowed).contains("the number of cases left out is another"));
    assert!(doctored(&|run| run.exit = 0).contains("exit code is another"));
    assert!(doctored(&|run| run.must.passed += 1).contains("count of requirements is another"));
    assert!(doctored(&|run| run.profiles.recovery = false).contains("other profiles"));
    assert!(doctored(&|run| run.subject = "331".to_owned()).contains("of another authority"));
}

#[test]
fn a_pass_in_which_nothing_was_said_and_a_report_that_says_more_are_found() {
    let keys = keys();
    let mut silent = a_run();
    silent.findings[0] = Finding::of(cases::all()[0], vec![passed(Vec::new())]);
    assert!(told(&evidence(&silent, &keys, |_| {})).contains("your server never said anything"));
    let embellished = |files: &mut Files| files.report = files.report.replace("do not hold", "hold");
    assert!(told(&evidence(&a_run(), &keys, embellished)).contains("report.html says something else"));
    let shorter = |files: &mut Files| files.transcript = files.transcript.lines().skip(1).collect();
    assert!(!told(&evidence(&a_run(), &keys, shorter)).is_empty());
}

#[test]
fn an_archive_with_more_or_other_files_is_none() {
    let keys = keys();
    let files = unpack(&evidence(&a_run(), &keys, |_| {})).unwrap();
    let packed = |files: &[(String, Vec<u8>)]| {
        archive(files.iter().map(|(name, content)| (name.as_str(), content.as_slice()))).unwrap()
    };
    assert_eq!(told(&packed(&files)), "");
    let mut more = files.clone();
    more.push(("also.txt".to_owned(), Vec::new()));
    assert!(told(&packed(&more)).contains("it holds"));
    assert!(told(&packed(&files[..8])).contains("it holds"));
    let mut swapped = files;
    swapped.swap(2, 3);
    assert!(told(&packed(&swapped)).contains("it holds"));
}
