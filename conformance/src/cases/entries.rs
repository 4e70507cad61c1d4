//! Section 4: entries, their headers and bodies.

pub(super) mod authors;
mod forms;
pub(super) mod outcomes;

use super::{CORE, Case};
use crate::court::{Court, Found, Miss, ensure, problem_of};
use crate::draft::{Draft, bodies, receipt_by, uuid, with_receipts};
use crate::encoding::digest_of_nothing;
use crate::instant::{now, written};
use crate::json::Json;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "ent-refuses-another-shape",
        claim: "An entry or header without a member that it needs, or with one of another type or written form, is malformed.",
        checks: &["ENT-001"],
        run: shape,
        ..CORE
    },
    Case {
        name: "ent-refuses-too-many-receipts",
        claim: "More than two receipts, two by one party, or erasedAt beside a body is malformed.",
        checks: &["ENT-001"],
        run: receipts_and_erasure,
        ..CORE
    },
    Case {
        name: "ent-refuses-a-proposal-without-body",
        claim: "A proposal whose body is absent, null or erased lacks its body.",
        checks: &["ENT-002"],
        run: without_body,
        ..CORE
    },
    Case {
        name: "ent-refuses-a-body-of-another-digest",
        claim: "A body that does not have bodyDigest is refused.",
        checks: &["ENT-003"],
        run: other_body,
        ..CORE
    },
    Case {
        name: "ent-refuses-a-changed-header",
        claim: "Protocol, responsibility and clock class stay as the offer has them; links stand in offers alone, one at most.",
        checks: &["ENT-004"],
        run: changed_header,
        ..CORE
    },
    Case {
        name: "ent-refuses-bodies-of-another-form",
        claim: "A body that breaks the tables of section 4.4 is refused with a pointer to the member.",
        checks: &["ENT-010"],
        run: bodies_of_another_form,
        ..CORE
    },
    Case {
        name: "ent-takes-every-form-of-the-tables",
        claim: "Bodies with every optional member, and null for one left out, are taken.",
        checks: &["ENT-010"],
        run: forms::are_taken,
        ..CORE
    },
];

fn shape(court: &mut Court<'_>) -> Found<()> {
    const MEMBERS: [&str; 12] = [
        "protocol",
        "transfer",
        "sequence",
        "previous",
        "id",
        "type",
        "author",
        "recipient",
        "createdAt",
        "responsibility",
        "clockClass",
        "bodyDigest",
    ];
    for member in ["header", "signature"] {
        court.refuses_entry("ENT-001", &["malformed"], |draft, peer| {
            let mut entry = draft.sealed(&peer.key);
            entry.remove(&format!("/{member}"));
            entry
        })?;
    }
    for member in MEMBERS {
        court.refuses_entry("ENT-001", &["malformed"], |mut draft, peer| {
            draft.header.set("/bodyDigest", crate::encoding::digest(&draft.body));
            draft.header.remove(&format!("/{member}"));
            draft.signed(&peer.key)
        })?;
    }
    for (path, value) in wrong_forms() {
        court.refuses_draft("ENT-001", &["malformed"], |draft| draft.header.set(path, value))?;
    }
    Ok(())
}

/// Values that are not of their type or written form.
fn wrong_forms() -> Vec<(&'static str, Json)> {
    let upper = uuid().to_uppercase();
    let mut other_version = uuid();
    other_version.replace_range(14..15, "4");
    let offset = written(now()).replace('Z', "+00:00");
    vec![
        ("/protocol", 1.into()),
        ("/id", upper.into()),
        ("/id", other_version.into()),
        ("/id", Json::Null),
        ("/author", "37".into()),
        ("/recipient", 330.into()),
        ("/createdAt", offset.into()),
        ("/createdAt", "2026-02-30T09:00:00Z".into()),
        ("/createdAt", "2026-11-24 09:00:00Z".into()),
        ("/responsibility/epoch", 0.into()),
        ("/responsibility/epoch", "1".into()),
        ("/responsibility/id", "1".into()),
        ("/clockClass", "slow".into()),
        ("/previous", digest_of_nothing().into()),
        ("/precededBy", "x".into()),
        ("/successorOf", Json::Array(Vec::new())),
    ]
}

fn receipts_and_erasure(court: &mut Court<'_>) -> Found<()> {
    let subject = court.bench.subject.code.clone();
    court.refuses_entry("ENT-001", &["malformed"], |draft, peer| {
        let entry = draft.sealed(&peer.key);
        let one = receipt_by(&peer.code, &peer.key, &entry);
        with_receipts(&entry, vec![one.clone(), one])
    })?;
    court.refuses_entry("ENT-001", &["malformed"], |draft, peer| {
        let entry = draft.sealed(&peer.key);
        let by = |code: &str| receipt_by(code, &peer.key, &entry);
        with_receipts(&entry, vec![by(&peer.code), by(&subject), by("999")])
    })?;
    court.refuses_entry("ENT-001", &["malformed"], |draft, peer| {
        let mut entry = draft.sealed(&peer.key);
        entry.set("/erasedAt", written(now()));
        entry
    })?;
    court.refuses_entry("ENT-001", &["malformed"], |draft, peer| {
        let mut entry = draft.sealed(&peer.key);
        entry.set("/receipts", "none");
        entry
    })
}

fn without_body(court: &mut Court<'_>) -> Found<()> {
    court.refuses_entry("ENT-002", &["body-missing"], |draft, peer| {
        let mut entry = draft.sealed(&peer.key);
        entry.remove("/body");
        entry
    })?;
    court.refuses_entry("ENT-002", &["body-missing"], |draft, peer| {
        let mut entry = draft.sealed(&peer.key);
        entry.set("/body", Json::Null);
        entry
    })?;
    court.refuses_entry("ENT-002", &["body-missing"], |draft, peer| {
        let mut entry = draft.sealed(&peer.key);
        entry.set("/body", Json::Null);
        entry.set("/erasedAt", written(now()));
        entry
    })
}

fn other_body(court: &mut Court<'_>) -> Found<()> {
    court.refuses_entry("ENT-003", &["body-digest-mismatch"], |draft, peer| {
        let mut entry = draft.sealed(&peer.key);
        entry.set("/body/child/givenName", "Adah");
        entry
    })?;
    court.refuses_entry("ENT-003", &["body-digest-mismatch"], |mut draft, peer| {
        draft.header.set("/bodyDigest", digest_of_nothing());
        draft.signed(&peer.key)
    })
}

fn changed_header(court: &mut Court<'_>) -> Found<()> {
    let names = ["header-changed"];
    let link = || {
        let digest = digest_of_nothing();
        Json::object([("transfer", uuid().into()), ("sequence", 3.into()), ("headerDigest", digest.into())])
    };
    let changes: [(&str, Json); 5] = [
        ("/protocol", "1.1".into()),
        ("/responsibility/id", uuid().into()),
        ("/responsibility/epoch", 2.into()),
        ("/clockClass", "urgent".into()),
        ("/precededBy", link()),
    ];
    for (path, value) in changes {
        court.refuses_next("ENT-004", &names, "supply-information", |draft, _| {
            draft.header.set(path, value);
        })?;
    }
    court.refuses_draft("ENT-004", &names, |draft| {
        draft.header.set("/precededBy", link());
        draft.header.set("/supersedes", link());
    })
}

fn bodies_of_another_form(court: &mut Court<'_>) -> Found<()> {
    for (path, value) in forms::spoilt_offers() {
        refuses_body(court, "offer", path, value)?;
    }
    for kind in ["supply-information", "request-information", "withdraw", "correct"] {
        for (path, value) in forms::spoilt_bodies(kind) {
            refuses_body(court, kind, path, value)?;
        }
    }
    Ok(())
}

/// A body with that member changed, or left out where there is no value, is refused and the problem points to
/// it.
fn refuses_body(court: &mut Court<'_>, kind: &str, path: &str, value: Option<Json>) -> Found<()> {
    let peer = court.peer()?;
    let mut draft = if kind == "offer" {
        court.draft(&peer)
    } else {
        let ledger = court.offered(&peer)?;
        Draft::next(&ledger, kind, bodies::of(kind))
    };
    match value {
        Some(value) => draft.body.set(path, value),
        None => draft.body.remove(path),
    }
    let entry = draft.sealed(&peer.key);
    let mut pointer = None;
    let told = court.between_twins(&peer, "ENT-010", &["body-invalid"], |court| {
        let response = court.put(&peer, &entry)?;
        if problem_of(&response).is_some_and(|name| name == "body-invalid") {
            let problem = Json::read(&response.content).unwrap_or(Json::Null);
            pointer = problem.text_at("/pointer").map(str::to_owned);
        }
        Ok(response)
    });
    match told {
        Err(Miss::Failed(failure)) => Err(Miss::Failed(crate::court::Failure {
            expected: format!("{} ({kind} with a wrong {path})", failure.expected),
            ..failure
        })),
        Err(other) => Err(other),
        Ok(()) => {
            let shown = format!("{pointer:?} for a wrong {path} of {kind}");
            let is_pointer = pointer.is_some_and(|pointer| pointer.is_empty() || pointer.starts_with('/'));
            ensure(is_pointer, "ENT-010", "a pointer to the member", shown)
        }
    }
}
