//! Section 2: canonical form and limits.

use super::{CORE, Case, OFFERING};
use crate::court::{Court, Found, Miss, ensure, failed};
use crate::draft::Draft;
use crate::encoding::digest;
use crate::json::Json;

/// Bytes of an entry that every server takes.
const ENTRY_BYTES: usize = 65_536;

pub(super) const CASES: &[Case] = &[
    Case {
        name: "can-refuses-what-is-not-one-object",
        claim: "Content that is not one JSON object in UTF-8 is malformed.",
        checks: &["CAN-001"],
        run: not_one_object,
        ..CORE
    },
    Case {
        name: "can-refuses-duplicate-members",
        claim: "An object with two members of one name, however they are escaped, is malformed.",
        checks: &["CAN-002"],
        run: duplicates,
        ..CORE
    },
    Case {
        name: "can-refuses-numbers-that-are-no-integers",
        claim: "A number with a fraction, an exponent, as -0 or out of range is malformed.",
        checks: &["CAN-003"],
        run: numbers,
        ..CORE
    },
    Case {
        name: "can-digests-the-value-as-received",
        claim: "Digests are of the value as received, whatever its members' order, escapes and unknown members.",
        checks: &["CAN-004"],
        run: digests,
        ..CORE
    },
    Case {
        name: "can-keeps-unknown-members",
        claim: "Unknown members of header and body are given back as they came, and change nothing.",
        checks: &["CAN-005"],
        run: unknown_members,
        ..CORE
    },
    Case {
        name: "can-refuses-loose-base64url",
        claim: "base64url with padding, foreign characters or trailing bits is refused where it stands.",
        checks: &["CAN-006"],
        run: base64url,
        ..CORE
    },
    Case {
        name: "can-takes-an-entry-of-65536-bytes",
        claim: "An entry of 65,536 bytes is not refused for its size.",
        checks: &["CAN-007"],
        run: large,
        ..CORE
    },
    Case {
        name: "can-refuses-more-than-entry-bytes-max",
        claim: "Content one byte longer than entryBytesMax is too large, and the problem names the limit.",
        checks: &["CAN-008"],
        run: too_large,
        ..CORE
    },
    Case {
        name: "can-refuses-beyond-the-limits",
        claim: "Depth 17, a string of 16,385 characters, an array of 257 and an object of 129 are refused, one less is not.",
        checks: &["CAN-009"],
        run: limits,
        ..CORE
    },
    Case {
        name: "can-leaves-room-for-receipts",
        claim: "An offer of more than 61,440 bytes is not sent to a recipient that takes 65,536, and a shorter one is.",
        checks: &["CAN-010"],
        run: leaves_room,
        ..OFFERING
    },
];

fn not_one_object(court: &mut Court<'_>) -> Found<()> {
    type Spoil = fn(&str) -> Vec<u8>;
    let spoils: [Spoil; 8] = [
        |text| [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        |text| format!("{text} {{}}").into_bytes(),
        |text| format!("[{text}]").into_bytes(),
        |text| text[..text.len() - 1].to_owned().into_bytes(),
        |text| text.replace("\"Ada\"", "\"Ada\\ud800\"").into_bytes(),
        |text| text.replace("\"Ada\"", "'Ada'").into_bytes(),
        |text| {
            let at = text.find("Ada").unwrap_or_default();
            [&text.as_bytes()[..at], b"\xff", &text.as_bytes()[at..]].concat()
        },
        |_| Vec::new(),
    ];
    for spoil in spoils {
        court.refuses_bytes("CAN-001", &["malformed"], |draft, peer| {
            spoil(&draft.sealed(&peer.key).plain())
        })?;
    }
    Ok(())
}

fn duplicates(court: &mut Court<'_>) -> Found<()> {
    let twice =
        ["\"Ada\",\"givenName\":\"Ada\"", "\"Ada\",\"given\\u004eame\":\"Ada\"", "\"Ada\",\"x\":1,\"x\":1"];
    for spoilt in twice {
        court.refuses_bytes("CAN-002", &["malformed"], |draft, peer| {
            draft.sealed(&peer.key).plain().replacen("\"Ada\"", spoilt, 1).into_bytes()
        })?;
    }
    Ok(())
}

fn numbers(court: &mut Court<'_>) -> Found<()> {
    for number in ["1.0", "1e3", "1E0", "-0", "9007199254740992", "-9007199254740992"] {
        court.refuses_bytes("CAN-003", &["malformed"], |mut draft, peer| {
            draft.body.set("/conformanceNumber", 4_242);
            draft.sealed(&peer.key).plain().replace(":4242", &format!(":{number}")).into_bytes()
        })?;
    }
    Ok(())
}

fn digests(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    court.offered(&peer)?;
    let mut draft = court.draft(&peer);
    // RFC 8785 orders names by UTF-16 code units: the emoji before the last of these.
    for name in ["\u{fb33}", "\u{1f600}", "\u{80}", "b", "B", "1"] {
        draft.body.set(&format!("/{name}"), format!("\u{20ac}\"\\{name}\u{f}"));
        draft.header.set(&format!("/{name}"), name);
    }
    let entry = draft.sealed(&peer.key);
    // The same value in another order, with every character of one string escaped.
    let Json::Object(mut members) = entry.clone() else { return Err(Miss::Suite("no object".into())) };
    members.reverse();
    let text = Json::Object(members).plain().replace("\"Ada\"", "\"\\u0041\\u0064a\"");
    let transfer = entry.text_at("/header/transfer").unwrap_or_default().to_owned();
    let response = court.put_bytes(&peer, &transfer, 0, text.into_bytes())?;
    let told = court.receipted(&response, &entry, 201);
    ensure(
        told.is_ok(),
        "CAN-004",
        "201 with the digest of the header as sent",
        told.err().unwrap_or_default(),
    )
}

fn unknown_members(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let mut draft = court.draft(&peer);
    let unknown = Json::object([("kept", vec![Json::Null, true.into(), (-7).into(), "x".into()].into())]);
    draft.header.set("/conformanceExtra", unknown.clone());
    draft.body.set("/conformanceExtra", unknown.clone());
    draft.body.set("/child/conformanceExtra", unknown);
    let entry = draft.sealed(&peer.key);
    let response = court.put(&peer, &entry)?;
    let told = court.receipted(&response, &entry, 201);
    ensure(told.is_ok(), "CAN-005", "201, unknown members ignored", told.err().unwrap_or_default())?;
    let page = court.read_ledger(&peer, entry.text_at("/header/transfer").unwrap_or_default())?;
    for part in ["header", "body"] {
        let given = page.at(&format!("/entries/0/{part}"));
        let same = given.map(Json::canonical) == entry.member(part).map(Json::canonical);
        let actual = given.map_or("nothing".to_owned(), Json::canonical);
        ensure(same, "CAN-005", &format!("the {part} as it was sent"), actual)?;
    }
    Ok(())
}

fn base64url(court: &mut Court<'_>) -> Found<()> {
    // The last character of 43 carries two bits that have to be zero; a B sets one of them.
    let loose: [fn(&str) -> String; 3] = [
        |text| format!("{text}="),
        |text| format!("{}B", &text[..text.len() - 1]),
        |text| format!("+{}", &text[1..]),
    ];
    for loosen in loose {
        court.refuses_entry("CAN-006", &["malformed"], |mut draft, peer| {
            let right = digest(&draft.body);
            draft.header.set("/bodyDigest", loosen(&right));
            draft.signed(&peer.key)
        })?;
        court.refuses_draft("CAN-006", &["body-invalid"], |draft| {
            let right = draft.body.text_at("/salt").unwrap_or_default().to_owned();
            draft.body.set("/salt", loosen(&right));
        })?;
    }
    // The last of the 86 characters of an Ed25519 signature carries four such bits.
    for loosen in [|text: &str| format!("{text}=="), |text: &str| format!("{}B", &text[..text.len() - 1])] {
        court.refuses_entry("CAN-006", &["signature-invalid"], |draft, peer| {
            let mut entry = draft.sealed(&peer.key);
            let right = entry.text_at("/signature").unwrap_or_default().to_owned();
            entry.set("/signature", loosen(&right));
            entry
        })?;
    }
    Ok(())
}

/// An offer padded with an unknown member of the body to a number of bytes on the wire.
fn padded(mut draft: Draft, key: &crate::jws::SigningKey, bytes: usize) -> Json {
    let fill = |draft: &mut Draft, count: usize| {
        let mut left = count;
        let mut strings = Vec::new();
        while left > 0 {
            let length = left.min(8_000);
            strings.push("x".repeat(length).into());
            left -= length;
        }
        draft.body.set("/conformancePadding", Json::Array(strings));
    };
    fill(&mut draft, 0);
    let bare = draft.clone().sealed(key).plain().len();
    let missing = bytes.saturating_sub(bare);
    // Each string of up to 8,000 costs two quotes and, after the first, a comma.
    let strings = missing.div_ceil(8_003);
    fill(&mut draft, missing - (3 * strings).saturating_sub(1).min(missing));
    draft.sealed(key)
}

fn large(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    court.offered(&peer)?;
    let entry = padded(court.draft(&peer), &peer.key, ENTRY_BYTES);
    let length = entry.plain().len();
    if length != ENTRY_BYTES {
        return Err(Miss::Suite(format!("the padded entry has {length} bytes")));
    }
    let response = court.put(&peer, &entry)?;
    let told = court.receipted(&response, &entry, 201);
    ensure(told.is_ok(), "CAN-007", "201 for 65,536 bytes", told.err().unwrap_or_default())
}

fn too_large(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let capabilities = court.read(&peer, "/v1/capabilities")?;
    let told = capabilities.integer_at("/limits/entryBytesMax").and_then(|limit| usize::try_from(limit).ok());
    let Some(limit) = told.filter(|limit| (ENTRY_BYTES..4 << 20).contains(limit)) else {
        return Err(Miss::Unexercised("limits.entryBytesMax is missing, below 65,536 or above 4 MiB".into()));
    };
    let draft = court.draft(&peer);
    let transfer = draft.header.text_at("/transfer").unwrap_or_default().to_owned();
    let mut bytes = draft.sealed(&peer.key).plain().into_bytes();
    bytes.resize(limit + 1, b' ');
    let mut seen = None;
    court.between_twins(&peer, "CAN-008", &["too-large"], |court| {
        let response = court.put_bytes(&peer, &transfer, 0, bytes)?;
        seen = Json::read(&response.content).ok().and_then(|problem| problem.integer_at("/limit"));
        Ok(response)
    })?;
    if seen == i64::try_from(limit).ok() {
        Ok(())
    } else {
        failed("CAN-008", format!("a problem with limit {limit}"), format!("{seen:?}"))
    }
}

fn limits(court: &mut Court<'_>) -> Found<()> {
    // The member stands in the body of the entry, so at depth 3.
    let deep = |depth: usize| (3..depth).fold(Json::Array(Vec::new()), |value, _| Json::Array(vec![value]));
    let string = |characters: usize| Json::text("\u{e9}".repeat(characters));
    let array = |items: usize| Json::Array(vec![1.into(); items]);
    let object =
        |members: usize| Json::Object((0..members).map(|index| (format!("m{index}"), 1.into())).collect());
    let within = [deep(16), string(16_384), array(256), object(128)];
    let beyond = [deep(17), string(16_385), array(257), object(129)];
    let peer = court.peer()?;
    for value in within {
        let mut draft = court.draft(&peer);
        draft.body.set("/conformanceExtra", value);
        let entry = draft.sealed(&peer.key);
        let response = court.put(&peer, &entry)?;
        let told = court.receipted(&response, &entry, 201);
        ensure(told.is_ok(), "CAN-009", "201 at the limit", told.err().unwrap_or_default())?;
    }
    for value in beyond {
        court.refuses_draft("CAN-009", &["limit-exceeded"], |draft| {
            draft.body.set("/conformanceExtra", value);
        })?;
    }
    // A name of a member is a string too.
    court.refuses_draft("CAN-009", &["limit-exceeded"], |draft| {
        draft.body.set(&format!("/{}", "n".repeat(16_385)), 1);
    })
}

/// Bytes of header, body and signature beside which receipts have room, with a recipient that takes 65,536.
const ENTRY_BYTES_BEFORE_RECEIPTS: usize = 61_440;

/// A wish to offer with that many enquiries of the longest text.
fn long_wish(enquiries: usize) -> Json {
    let mut body = crate::court::wishes("offer");
    let mut enquiry = body.at("/enquiries/0").cloned().unwrap_or(Json::Null);
    enquiry.set("/byRole", "x".repeat(4_000));
    body.set("/enquiries", vec![enquiry; enquiries]);
    body
}

fn leaves_room(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let mut longest = 0;
    // 14 stay below the limit; 15 are above it, and below what the recipient takes.
    for enquiries in [14, 15] {
        let offered = court.trigger_offer(&played.peer.code, vec![("body", long_wish(enquiries))])?;
        let Some(transfer) = offered else {
            if enquiries == 14 {
                return Err(Miss::Unexercised("the subject refused an offer below the limit".into()));
            }
            continue;
        };
        let came = |played: &crate::court::Played| !played.puts(&transfer).is_empty();
        let wait = if enquiries == 14 { court.bench.waits.act } else { court.bench.waits.quiet };
        if !played.wait(wait, came) && enquiries == 14 {
            return Err(Miss::Unexercised("an offer below the limit did not arrive".into()));
        }
        for put in played.puts(&transfer) {
            let mut bare = put.entry;
            bare.remove("/receipts");
            longest = longest.max(bare.canonical().len());
        }
    }
    // The barrier: what is offered later arrives.
    court.offered_by_subject(&played)?;
    let expected = format!("no entry of more than {ENTRY_BYTES_BEFORE_RECEIPTS} bytes");
    ensure(longest <= ENTRY_BYTES_BEFORE_RECEIPTS, "CAN-010", &expected, format!("{longest} bytes"))
}
