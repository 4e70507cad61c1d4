//! Section 3: signatures and the lifetime of keys.

use super::{CORE, Case};
use crate::court::{Court, Found, Miss, ensure};
use crate::json::Json;
use crate::jws::{protected, with_high_s};
use crate::world::stray_kid;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "sig-signs-receipts-and-heads-with-ed25519",
        claim: "Receipts, heads and the reconciliation are signed with EdDSA in the form of section 3.1.",
        checks: &["SIG-001"],
        run: signs,
        ..CORE
    },
    Case {
        name: "sig-refuses-other-forms",
        claim: "A signature with another alg, a strange or missing member, a wrong typ or another form is invalid.",
        checks: &["SIG-002"],
        run: forms,
        ..CORE
    },
    Case {
        name: "sig-verifies-as-rfc-8032-says",
        claim: "A signature over another header, or with S not below the group order, is invalid.",
        checks: &["SIG-003"],
        run: verifies,
        ..CORE
    },
    Case {
        name: "sig-takes-keys-of-the-author-alone",
        claim: "A kid of nobody, or of another authority, is an unknown key.",
        checks: &["SIG-004"],
        run: keys_of_the_author,
        ..CORE
    },
    Case {
        name: "sig-refuses-keys-outside-their-lifetime",
        claim: "A key that is retired, revoked or not yet valid signs no proposal.",
        checks: &["SIG-005"],
        run: lifetimes,
        ..CORE
    },
];

fn signs(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let entry = court.draft(&peer).sealed(&peer.key);
    let response = court.put(&peer, &entry)?;
    if response.status != 201 {
        return Err(Miss::Unexercised("a good offer was not taken".into()));
    }
    let receipt = Json::read(&response.content).unwrap_or(Json::Null);
    let told = court.check_signed(&receipt, "receipt", "cme-receipt", "/receivedAt");
    ensure(
        told.is_ok(),
        "SIG-001",
        "a receipt signed by a key of the directory",
        told.err().unwrap_or_default(),
    )?;
    let page = court.read_ledger(&peer, entry.text_at("/header/transfer").unwrap_or_default())?;
    let head = page.member("head").cloned().unwrap_or(Json::Null);
    let told = court.check_signed(&head, "head", "cme-head", "/at");
    ensure(
        told.is_ok(),
        "SIG-001",
        "a head signed by a key of the directory",
        told.err().unwrap_or_default(),
    )?;
    let reconciliation = court.read(&peer, "/v1/reconciliation")?;
    let told = court.check_signed(&reconciliation, "reconciliation", "cme-reconciliation", "/at");
    ensure(told.is_ok(), "SIG-001", "a signed reconciliation", told.err().unwrap_or_default())
}

fn forms(court: &mut Court<'_>) -> Found<()> {
    // Each is signed over its own protected header, so that its form alone is wrong.
    let headers: [fn(&str) -> String; 8] = [
        |kid| format!(r#"{{"alg":"Ed25519","kid":"{kid}"}}"#),
        |kid| format!(r#"{{"alg":"none","kid":"{kid}"}}"#),
        |kid| format!(r#"{{"kid":"{kid}"}}"#),
        |_| r#"{"alg":"EdDSA"}"#.to_owned(),
        |kid| format!(r#"{{"alg":"EdDSA","kid":"{kid}","crit":["b64"],"b64":true}}"#),
        |kid| format!(r#"{{"alg":"EdDSA","kid":"{kid}","typ":"cme-receipt"}}"#),
        |kid| format!(r#"{{"alg":"EdDSA","kid":"{kid}","kid":"{kid}"}}"#),
        |kid| format!(r#"{{"alg":"EdDSA","kid":"{kid}"}} x"#),
    ];
    for header in headers {
        court.refuses_entry("SIG-002", &["signature-invalid"], |mut draft, peer| {
            draft.header.set("/bodyDigest", crate::encoding::digest(&draft.body));
            let signature = peer.key.sign_with(&header(&peer.key.kid()), &draft.header);
            draft.with_signature(&signature)
        })?;
    }
    let forms: [fn(&str) -> String; 4] = [
        |right| right.replace("..", ".e30."),
        |right| right.replace("..", "."),
        |right| format!("{right}."),
        |right| right[..right.len() - 2].to_owned(),
    ];
    for form in forms {
        court.refuses_entry("SIG-002", &["signature-invalid"], |draft, peer| {
            let mut entry = draft.sealed(&peer.key);
            let right = entry.text_at("/signature").unwrap_or_default().to_owned();
            entry.set("/signature", form(&right));
            entry
        })?;
    }
    // The typ that the table gives may be there.
    let peer = court.peer()?;
    let mut draft = court.draft(&peer);
    draft.header.set("/bodyDigest", crate::encoding::digest(&draft.body));
    let header = format!(r#"{{"alg":"EdDSA","kid":"{}","typ":"cme-entry"}}"#, peer.key.kid());
    let signature = peer.key.sign_with(&header, &draft.header);
    let entry = draft.with_signature(&signature);
    let response = court.put(&peer, &entry)?;
    let told = court.receipted(&response, &entry, 201);
    ensure(told.is_ok(), "SIG-002", "201 with typ cme-entry", told.err().unwrap_or_default())
}

fn verifies(court: &mut Court<'_>) -> Found<()> {
    court.refuses_entry("SIG-003", &["signature-invalid"], |draft, peer| {
        let mut entry = draft.sealed(&peer.key);
        entry.set("/header/conformanceExtra", 1);
        entry
    })?;
    court.refuses_entry("SIG-003", &["signature-invalid"], |draft, peer| {
        let mut entry = draft.sealed(&peer.key);
        let right = entry.text_at("/signature").and_then(with_high_s);
        entry.set("/signature", right.unwrap_or_default());
        entry
    })
}

fn keys_of_the_author(court: &mut Court<'_>) -> Found<()> {
    let other = court.peer()?;
    court.refuses_entry("SIG-004", &["key-unknown"], |draft, _| draft.sealed(&other.key))?;
    court.refuses_entry("SIG-004", &["key-unknown"], |mut draft, peer| {
        draft.header.set("/bodyDigest", crate::encoding::digest(&draft.body));
        let signature = peer.key.sign_with(&protected(&stray_kid()), &draft.header);
        draft.with_signature(&signature)
    })
}

fn lifetimes(court: &mut Court<'_>) -> Found<()> {
    court.refuses_entry("SIG-005", &["key-not-valid"], |draft, peer| draft.sealed(&peer.retired))?;
    court.refuses_entry("SIG-005", &["key-not-valid"], |draft, peer| draft.sealed(&peer.revoked))?;
    court.refuses_entry("SIG-005", &["key-not-valid"], |draft, peer| draft.sealed(&peer.to_come))
}
