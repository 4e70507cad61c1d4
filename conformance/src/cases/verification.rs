//! Section 14: what the subject's verifier makes of exports.
//!
//! The exports and what each is to come to are the published vectors: the suite's own opinion is asked nowhere.
//! Nothing of this is seen on the wire, so what the adapter observes is the evidence.

pub(super) mod twice;

use super::{CORE, Case};
use crate::court::{Court, Found, Miss, ensure, failed};
use crate::json::Json;
use crate::published::{self, Export};

/// A case in which the subject's verifier judges exports.
const VERIFYING: Case = Case { needs: &["observe verdict"], ..CORE };

pub(super) const CASES: &[Case] = &[
    Case {
        name: "ver-needs-neither-network-nor-clock",
        claim: "A verdict is the same each time, of ledgers that no server holds.",
        checks: &["VER-002"],
        run: no_network,
        ..VERIFYING
    },
    Case {
        name: "ver-reports-each-failure",
        claim: "Of each export that is wrong in one thing a finding says so, with the sequence.",
        checks: &["VER-003"],
        run: findings,
        ..VERIFYING
    },
    Case {
        name: "ver-proves-nothing-beside-a-finding",
        claim: "An export with a finding gets no verdict on responsibility.",
        checks: &["VER-004"],
        run: no_verdict,
        ..VERIFYING
    },
    Case {
        name: "ver-proves-the-same-of-erased-bodies",
        claim: "Whether bodies are present or erased, the verdict is the same.",
        checks: &["VER-005"],
        run: erased,
        ..VERIFYING
    },
    Case {
        name: "ver-reports-what-is-cut-short",
        claim: "A head above the newest entry shows the first sequence that is missing.",
        checks: &["VER-006"],
        run: cut_short,
        ..VERIFYING
    },
    Case {
        name: "ver-wants-the-exporters-head",
        claim: "Without a head by the exporter for the newest entry, which verifies, no export is valid.",
        checks: &["VER-007"],
        run: head,
        ..VERIFYING
    },
    Case {
        name: "ver-proves-every-part",
        claim: "A proof has every part of the table, with the values that the vectors give.",
        checks: &["VER-009"],
        run: proofs,
        ..VERIFYING
    },
    Case {
        name: "led-counts-nothing-that-is-disputed",
        claim: "Stage and responsibility are computed as though a disputed entry changed nothing.",
        checks: &["LED-010"],
        run: disputed,
        ..VERIFYING
    },
];

/// A verdict: findings and the proof.
fn verdict(court: &mut Court<'_>, export: &Json, directory: &Json) -> Found<(Vec<Json>, Json)> {
    let members = vec![("export", export.plain().into()), ("directory", directory.clone())];
    let told = court.made_to("observe", "verdict", members)?;
    let findings = told.member("findings").map(Json::items).unwrap_or_default().to_vec();
    Ok((findings, told.member("proof").cloned().unwrap_or(Json::Null)))
}

/// Every published export that a verifier has to accept, or to refuse.
fn exports(accepted: bool) -> Found<Vec<Export>> {
    let exports = published::exports().map_err(Miss::Suite)?;
    Ok(exports.into_iter().filter(|export| export.is_accepted() == accepted).collect())
}

/// A sound export has to be proven first: a verifier that finds fault with everything tells nothing.
fn sound_twin(court: &mut Court<'_>) -> Found<Json> {
    // The program that verifies belongs to the subject that answers.
    let peer = court.peer()?;
    court.read(&peer, "/v1/capabilities")?;
    let sound = exports(true)?.into_iter().next().ok_or_else(|| Miss::Suite("no vectors".into()))?;
    let (findings, proof) = verdict(court, &sound.document, &sound.directory)?;
    if findings.is_empty() && proof != Json::Null {
        return Ok(proof);
    }
    Err(Miss::Unexercised(format!("a sound export is not proven: {} findings", findings.len())))
}

fn no_network(court: &mut Court<'_>) -> Found<()> {
    let first = sound_twin(court)?;
    // A clock that is asked shows in what is said later.
    std::thread::sleep(std::time::Duration::from_millis(20));
    let again = sound_twin(court)?;
    let same = first.canonical() == again.canonical();
    ensure(same, "VER-002", &first.plain(), again.plain())?;
    // No server holds the ledgers of the vectors, and their directory names none that could be asked.
    let settled = |export: &Export| export.expected.text_at("/stage") == Some("settled");
    let stray = exports(true)?.into_iter().find(settled);
    let stray = stray.ok_or_else(|| Miss::Suite("no settled vector".into()))?;
    check_proof(court, "VER-002", &stray).map(|_| ())
}

fn findings(court: &mut Court<'_>) -> Found<()> {
    sound_twin(court)?;
    for export in exports(false)? {
        let (findings, _) = verdict(court, &export.document, &export.directory)?;
        let wanted = export.expected.integer_at("/sequence");
        let named =
            findings.iter().any(|finding| wanted.is_none() || finding.integer_at("/sequence") == wanted);
        let expected = format!("a finding at {wanted:?} for {}", export.name());
        ensure(named, "VER-003", &expected, Json::Array(findings).plain())?;
    }
    Ok(())
}

fn no_verdict(court: &mut Court<'_>) -> Found<()> {
    sound_twin(court)?;
    for export in exports(false)? {
        let (_, proof) = verdict(court, &export.document, &export.directory)?;
        let expected = format!("no proof of {}", export.name());
        ensure(proof == Json::Null, "VER-004", &expected, proof.plain())?;
    }
    Ok(())
}

fn erased(court: &mut Court<'_>) -> Found<()> {
    sound_twin(court)?;
    let mut seen = 0;
    for export in exports(true)? {
        let places = export.expected.member("erased").map(Json::items).unwrap_or_default().len();
        let settled = matches!(export.expected.text_at("/stage"), Some("settled" | "withdrawn"));
        if places == 0 && !settled {
            continue;
        }
        seen += 1;
        check_proof(court, "VER-005", &export)?;
        // The same with every body erased, where the ledger is closed.
        if settled {
            let mut bare = export.clone();
            let entries = bare.document.member("entries").map(Json::items).unwrap_or_default().len();
            for at in 0..entries {
                bare.document.set(&format!("/entries/{at}/body"), Json::Null);
                bare.document.set(&format!("/entries/{at}/erasedAt"), "2027-01-01T00:00:00Z");
            }
            if bare.expected.member("disputed").map(Json::items).unwrap_or_default().is_empty() {
                let closed = export.document.text_at(&format!("/entries/{}/header/type", entries - 1));
                if closed != Some("correct") {
                    check_proof(court, "VER-005", &bare)?;
                }
            }
        }
    }
    if seen == 0 { Err(Miss::Suite("no vector with an erased body".into())) } else { Ok(()) }
}

/// Fails unless the export is proven as the vector says, as far as responsibility goes.
fn check_proof(court: &mut Court<'_>, requirement: &'static str, export: &Export) -> Found<Json> {
    let (findings, proof) = verdict(court, &export.document, &export.directory)?;
    if proof == Json::Null {
        let actual = Json::Array(findings).plain();
        return failed(requirement, format!("a proof of {}", export.name()), actual);
    }
    let wanted = [
        ("/stage", export.expected.at("/stage")),
        ("/responsible", export.expected.at("/responsible")),
        ("/asOf/headerDigest", export.expected.at("/headDigest")),
    ];
    for (path, wanted) in wanted {
        let told = proof.at(path).map(Json::plain).unwrap_or_default();
        let wanted = wanted.map(Json::plain).unwrap_or_default();
        ensure(told == wanted, requirement, &format!("{path} {wanted} of {}", export.name()), told)?;
    }
    let at = |value: Option<&Json>| value.filter(|value| **value != Json::Null).map(Json::plain);
    let (told, wanted) = (at(proof.at("/passed/at")), at(export.expected.at("/passedAt")));
    let expected = format!("responsibility passed at {wanted:?} in {}", export.name());
    ensure(told == wanted, requirement, &expected, format!("{told:?}"))?;
    Ok(proof)
}

fn cut_short(court: &mut Court<'_>) -> Found<()> {
    sound_twin(court)?;
    for export in exports(false)?.iter().filter(|export| export.name().contains("left out")) {
        let (findings, _) = verdict(court, &export.document, &export.directory)?;
        let wanted = export.expected.integer_at("/sequence");
        let named = findings.iter().any(|finding| finding.integer_at("/sequence") == wanted);
        let expected = format!("the first missing sequence {wanted:?}");
        ensure(named, "VER-006", &expected, Json::Array(findings).plain())?;
    }
    Ok(())
}

fn head(court: &mut Court<'_>) -> Found<()> {
    sound_twin(court)?;
    let wrong = exports(false)?;
    let wrong = wrong.iter().filter(|export| {
        matches!(export.expected.text_at("/kind"), Some("head" | "stage"))
            && !export.name().contains("left out")
    });
    for export in wrong {
        let (findings, _) = verdict(court, &export.document, &export.directory)?;
        ensure(!findings.is_empty(), "VER-007", &format!("a finding for {}", export.name()), "none")?;
    }
    let mut bare = exports(true)?.into_iter().next().ok_or_else(|| Miss::Suite("no vectors".into()))?;
    bare.document.remove("/head");
    let (findings, proof) = verdict(court, &bare.document, &bare.directory)?;
    let refused = !findings.is_empty() && proof == Json::Null;
    ensure(refused, "VER-007", "a finding for an export without head", proof.plain())
}

fn proofs(court: &mut Court<'_>) -> Found<()> {
    sound_twin(court)?;
    for export in exports(true)? {
        let proof = check_proof(court, "VER-009", &export)?;
        let parts = [
            "transfer",
            "originating",
            "receiving",
            "responsibility",
            "stage",
            "responsible",
            "spans",
            "asOf",
            "entries",
            "erased",
            "disputed",
            "forks",
        ];
        let missing = parts.iter().find(|part| proof.member(part).is_none());
        let expected = format!("every part of the proof of {}", export.name());
        ensure(missing.is_none(), "VER-009", &expected, format!("{missing:?} is missing"))?;
        let places = |name: &str| -> Vec<i64> {
            let listed = proof.member(name).map(Json::items).unwrap_or_default();
            listed.iter().filter_map(|one| one.integer_at("").or(one.integer_at("/sequence"))).collect()
        };
        for name in ["erased", "disputed", "forks"] {
            let wanted = export.expected.member(name).map(Json::items).unwrap_or_default();
            let wanted: Vec<i64> = wanted.iter().filter_map(|one| one.integer_at("")).collect();
            let expected = format!("{name} {wanted:?} of {}", export.name());
            ensure(places(name) == wanted, "VER-009", &expected, format!("{:?}", places(name)))?;
        }
        let known = export.expected.at("/knownToOriginatingAt").filter(|at| **at != Json::Null);
        let told = proof.at("/passed/receivedByOriginating").filter(|at| **at != Json::Null);
        let expected = format!("known to the originating authority at {known:?} in {}", export.name());
        ensure(told == known, "VER-009", &expected, format!("{told:?}"))?;
        let spans = proof.member("spans").map(Json::items).unwrap_or_default();
        let last = spans.last().and_then(|span| span.text_at("/authority")).unwrap_or("nobody").to_owned();
        let wanted = export.expected.text_at("/responsible").unwrap_or_default();
        ensure(last == wanted, "VER-009", &format!("{wanted} in the last span"), last)?;
    }
    Ok(())
}

fn disputed(court: &mut Court<'_>) -> Found<()> {
    sound_twin(court)?;
    for export in exports(true)? {
        if !export.expected.member("disputed").map(Json::items).unwrap_or_default().is_empty() {
            check_proof(court, "LED-010", &export)?;
        }
    }
    Ok(())
}
