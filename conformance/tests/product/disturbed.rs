//! Runs that are disturbed: none of them passes, hangs, or leaves something behind that looks like a verdict.

use crate::stage::{Process, Stage, Told};

fn begun(stage: &Stage) -> (Process, Told) {
    stage.declare("response_seconds = 10", "response_seconds = 1");
    stage.declare("act_seconds = 30", "act_seconds = 2");
    stage.run_begun(&[])
}

/// What the run printed at its end.
fn summary(run: &mut Process) -> String {
    std::io::read_to_string(run.0.stdout.take().unwrap()).unwrap()
}

#[test]
fn a_subject_that_is_stopped_ends_the_run_without_a_verdict() {
    let stage = Stage::new();
    let peer = stage.peer(None);
    let (mut run, told) = begun(&stage);
    peer.signal("-STOP");
    assert_eq!(run.ends(), Some(3));
    assert!(told.lines().iter().any(|line| line.starts_with("NOT-EXERCISED")));
    let summary = summary(&mut run);
    assert!(summary.contains("the subject was lost on the way"), "{summary}");
    assert_eq!(stage.json("suite/report/results.json")["outcome"], "subject-lost");
}

#[test]
fn a_subject_that_is_killed_ends_the_run_without_a_verdict() {
    let stage = Stage::new();
    let peer = stage.peer(None);
    let (mut run, told) = begun(&stage);
    peer.signal("-KILL");
    assert_eq!(run.ends(), Some(3));
    drop(told.lines());
    let evidence = stage.path("suite/report/evidence.zip");
    let verified = stage.ends(&["verify", evidence.to_str().unwrap()]);
    assert_eq!(verified.status.code(), Some(0), "{}", String::from_utf8_lossy(&verified.stdout));
}

#[test]
fn a_subject_that_is_started_again_does_not_pass() {
    let stage = Stage::new();
    let peer = stage.peer(None);
    let (mut run, told) = begun(&stage);
    drop(peer);
    let _peer = stage.peer(None);
    let code = run.ends();
    let told = told.lines();
    assert!(matches!(code, Some(3 | 4)), "{code:?}: {told:#?}");
    let summary = summary(&mut run);
    assert!(summary.contains("was it stopped, or started again, during the run?"), "{summary}");
}

#[test]
fn an_interrupted_run_exits_130_and_leaves_neither_report_nor_listener() {
    let stage = Stage::new();
    let _peer = stage.peer(None);
    for signal in ["-INT", "-TERM"] {
        let (mut run, told) = stage.run_begun(&[]);
        run.signal(signal);
        assert_eq!(run.ends(), Some(130));
        assert_eq!(told.lines().last().map(String::as_str), Some("interrupted: nothing is reported"));
        for name in ["results.json", "report.html", "junit.xml", "evidence.zip"] {
            assert!(!stage.path("suite/report").join(name).exists(), "{name}");
        }
    }
    // The suite's address is free again, or this could not listen.
    let suite = stage.suite();
    let doctor = stage.ends(&["doctor", "--folder", &suite]);
    assert_eq!(doctor.status.code(), Some(0), "{}", String::from_utf8_lossy(&doctor.stdout));
}

#[test]
fn a_peer_runs_until_it_is_interrupted() {
    let stage = Stage::new();
    let mut peer = stage.peer(None);
    peer.signal("-INT");
    assert_eq!(peer.ends(), Some(130));
}

#[test]
fn a_report_that_cannot_be_written_is_no_success() {
    let stage = Stage::new();
    let peer = stage.peer(None);
    let suite = stage.suite();
    let only = ["run", "--folder", &suite, "--only", "SIG-003"];
    std::fs::write(stage.path("file"), "").unwrap();
    let refused = stage.ends(&[&only[..], &["--report", "file/below"]].concat());
    assert_eq!(refused.status.code(), Some(5));
    // The folder is there when the run begins, and gone when it ends.
    let (mut run, told) = stage.run_begun(&["--report", "gone"]);
    std::fs::remove_dir_all(stage.path("gone")).unwrap();
    assert_eq!(run.ends(), Some(5), "{:?}", told.lines().last());
    // What an earlier run left does not outlive one that comes to nothing.
    assert_eq!(stage.ends(&only).status.code(), Some(0));
    drop(peer);
    assert_eq!(stage.ends(&only).status.code(), Some(3), "nothing listens there");
    assert!(!stage.path("suite/report/report.html").exists());
}
