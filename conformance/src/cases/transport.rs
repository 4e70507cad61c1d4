//! Section 9: TLS, identity and HTTP.

pub(super) mod bounds;
pub(super) mod puts;
pub(super) mod reads;

use super::{CORE, Case};
use crate::court::{Court, Found, Miss, ensure, failed, problem_of, refused};
use crate::encoding::standard_base64;
use crate::identity::Identity;
use crate::wire::{Connection, Request, WireError};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "trn-demands-a-client-certificate",
        claim: "TLS 1.3 is spoken, and nobody is answered who shows no certificate.",
        checks: &["TRN-001"],
        run: demands_certificate,
        ..CORE
    },
    Case {
        name: "trn-resumes-no-session",
        claim: "A second connection is a full handshake, although the client remembers the first.",
        checks: &["TRN-002"],
        run: no_resumption,
        ..CORE
    },
    Case {
        name: "trn-knows-callers-by-their-pin",
        claim: "A certificate whose key is not pinned is an unknown peer; any certificate of a pinned key is known.",
        checks: &["TRN-003"],
        run: by_pin,
        ..CORE
    },
    Case {
        name: "trn-takes-no-identity-from-the-request",
        claim: "Header fields and query members make nobody of an unknown caller, and nobody else of a known one.",
        checks: &["TRN-006"],
        run: no_other_identity,
        ..CORE
    },
    Case {
        name: "trn-speaks-http-1-1",
        claim: "Requests are answered in HTTP/1.1, several on a connection, with fields in any case and content in chunks.",
        checks: &["TRN-007"],
        run: http,
        ..CORE
    },
    Case {
        name: "trn-forbids-storing",
        claim: "Every response, success and refusal, has Cache-Control: no-store.",
        checks: &["TRN-008"],
        run: no_store,
        ..CORE
    },
];

fn stranger() -> Found<Identity> {
    Identity::generate("conformance stranger", &[]).map_err(|error| Miss::Suite(error.to_string()))
}

fn demands_certificate(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let request = Request::get(court.bench.subject.target("/v1/capabilities"));
    court.offered(&peer)?;
    let target = court.target();
    let config = target.config(None, false).map_err(Miss::Unreachable)?;
    // In TLS 1.3 the client has finished before the server has seen that a certificate is missing.
    let answer = Connection::open(&target, config).and_then(|mut connection| connection.exchange(&request));
    court.offered(&peer)?;
    match answer {
        Ok(response) => failed("TRN-001", "no response without a certificate", response.status.to_string()),
        Err(WireError::Timeout(_)) => failed("TRN-001", "the handshake refused", "silence"),
        Err(_) => Ok(()),
    }
}

fn no_resumption(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    court.offered(&peer)?;
    let request = Request::get(court.bench.subject.target("/v1/capabilities"));
    let target = court.target();
    let config = target.config(Some(&peer.client), true).map_err(Miss::Unreachable)?;
    for _ in 0..3 {
        let mut connection = Connection::open(&target, config.clone()).map_err(Miss::Unreachable)?;
        let response = connection.exchange(&request).map_err(Miss::Unreachable)?;
        if response.status != 200 {
            return Err(Miss::Unexercised(format!("capabilities: {}", response.status)));
        }
        ensure(!connection.is_resumed(), "TRN-002", "a full handshake", "a session taken up again")?;
    }
    Ok(())
}

fn by_pin(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let request = Request::get(court.bench.subject.target("/v1/capabilities"));
    court.read(&peer, "/v1/capabilities")?;
    // It bears the name of a known authority, which means nothing.
    let stranger = Identity::generate(&format!("conformance peer {}", peer.code), &[]);
    let stranger = stranger.map_err(|error| Miss::Suite(error.to_string()))?;
    let response = court.ask_as("a stranger", &stranger, &request)?;
    court.read(&peer, "/v1/capabilities")?;
    refused("TRN-003", &["peer-unknown"], &response)?;
    let renamed = peer.client.renamed("another name").map_err(|error| Miss::Suite(error.to_string()))?;
    let response = court.ask_as("renamed", &renamed, &request)?;
    let actual = response.status.to_string();
    ensure(response.status == 200, "TRN-003", "200 for another certificate of a pinned key", actual)
}

fn no_other_identity(court: &mut Court<'_>) -> Found<()> {
    let (peer, other) = (court.peer()?, court.peer()?);
    let ledger = court.offered(&peer)?;
    let path = format!("/v1/transfers/{}/entries", ledger.transfer);
    let certificate = standard_base64(&peer.client.certificate);
    let claims = [
        ("Client-Cert", format!(":{certificate}:")),
        ("X-Forwarded-Client-Cert", format!("Subject=\"CN={}\"", peer.code)),
        ("X-SSL-Client-Cert", certificate.clone()),
        ("CME-Authority", peer.code.clone()),
        ("From", peer.code.clone()),
    ];
    let stranger = stranger()?;
    for (name, value) in claims {
        let target = court.bench.subject.target(&format!("{path}?authority={}", peer.code));
        let request = Request::get(target).with(name, &value);
        let response = court.ask_as("a stranger", &stranger, &request)?;
        court.read_ledger(&peer, &ledger.transfer)?;
        refused("TRN-006", &["peer-unknown"], &response)?;
        let response = court.ask(&other, request)?;
        refused("TRN-006", &["ledger-unknown"], &response)?;
    }
    Ok(())
}

fn http(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    court.offered(&peer)?;
    let target = court.target();
    let config = target.config(Some(&peer.client), false).map_err(Miss::Unreachable)?;
    let host = target.authority();
    let path = court.bench.subject.target("/v1/capabilities");
    let reads = [
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"),
        format!("GET {path} HTTP/1.1\r\nhOsT:{host}\r\naccept: */*\r\ncme-incarnation: 1\r\n\r\n"),
    ];
    for text in reads {
        let mut connection = Connection::open(&target, config.clone()).map_err(Miss::Unreachable)?;
        let answer = connection.send(text.as_bytes()).and_then(|()| connection.receive());
        let told = answer.map_or_else(|error| error.to_string(), |response| response.status.to_string());
        ensure(told == "200", "TRN-007", "200 in HTTP/1.1", told)?;
    }
    let entry = court.draft(&peer).sealed(&peer.key);
    let transfer = entry.text_at("/header/transfer").unwrap_or_default();
    let path = court.bench.subject.target(&format!("/v1/transfers/{transfer}/entries/0"));
    let head = format!(
        "PUT {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: Application/JSON; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let mut bytes = head.into_bytes();
    for chunk in entry.plain().as_bytes().chunks(97) {
        bytes.extend([format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    }
    bytes.extend(b"0\r\n\r\n");
    let mut connection = Connection::open(&target, config).map_err(Miss::Unreachable)?;
    let answer = connection.send(&bytes).and_then(|()| connection.receive());
    court.offered(&peer)?;
    let told = match answer {
        Ok(response) => court.receipted(&response, &entry, 201).err(),
        Err(error) => Some(error.to_string()),
    };
    ensure(told.is_none(), "TRN-007", "201 for a put in chunks", told.unwrap_or_default())
}

fn no_store(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let ledger = court.offered(&peer)?;
    let fresh = court.draft(&peer).sealed(&peer.key);
    let mut bare = ledger.entries[0].clone();
    bare.remove("/receipts");
    let mut spoilt = court.draft(&peer).sealed(&peer.key);
    spoilt.set("/signature", "x");
    let mut answers = Vec::new();
    for entry in [&fresh, &bare, &spoilt] {
        answers.push(court.put(&peer, entry)?);
    }
    let ledger = format!("/v1/transfers/{}/entries", ledger.transfer);
    let unknown = format!("/v1/transfers/{}/entries", crate::draft::uuid());
    for path in [
        "/v1/capabilities",
        &ledger,
        &unknown,
        "/v1/heads",
        "/v1/reconciliation",
        "/v1/heads?after=x",
        "/v1/no",
    ] {
        answers.push(court.get(&peer, path)?);
    }
    let request = Request::get(court.bench.subject.target("/v1/capabilities"));
    let stranger = stranger()?;
    answers.push(court.ask_as("a stranger", &stranger, &request)?);
    for response in answers {
        let field = response.field("cache-control").unwrap_or("none").to_owned();
        let stored = field.split(',').any(|part| part.trim().eq_ignore_ascii_case("no-store"));
        let about = problem_of(&response).unwrap_or_default();
        ensure(stored, "TRN-008", &format!("no-store with {} {about}", response.status), field)?;
    }
    Ok(())
}
