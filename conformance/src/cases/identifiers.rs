//! Section 1: identifiers, each in one written form.

use super::{CORE, Case};
use crate::court::{Court, Found, ensure};
use crate::draft::{Draft, bodies};
use crate::instant::{now, written};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "idn-timestamps-are-instants",
        claim: "Timestamps are compared as instants, however many digits their fraction has.",
        checks: &["IDN-002"],
        run: timestamps_are_instants,
        ..CORE
    },
    Case {
        name: "idn-refuses-upns-that-are-none",
        claim: "A UPN with a wrong check letter, a letter of no UPN or another length is refused; a temporary one is taken.",
        checks: &["IDN-003"],
        run: upns,
        ..CORE
    },
    Case {
        name: "idn-refuses-nhs-numbers-that-are-none",
        claim: "An NHS number with a wrong check digit, one digit throughout or another length is refused.",
        checks: &["IDN-004"],
        run: nhs_numbers,
        ..CORE
    },
];

fn timestamps_are_instants(court: &mut Court<'_>) -> Found<()> {
    let peer = court.peer()?;
    let second = written(now())[..19].to_owned();
    // Each pair is one instant; compared as text the second would be the earlier one.
    for (first, then) in [("Z", ".000Z"), (".5Z", ".500Z"), (".25Z", ".250000000Z"), (".000Z", "Z")] {
        let mut offer = court.draft(&peer);
        offer.header.set("/createdAt", format!("{second}{first}"));
        let entry = offer.sealed(&peer.key);
        let receipt = court.taken(&peer, &entry)?;
        let ledger = crate::draft::Ledger::begun(&entry, receipt);
        let mut next = Draft::next(&ledger, "supply-information", bodies::of("supply-information"));
        next.header.set("/createdAt", format!("{second}{then}"));
        let next = next.sealed(&peer.key);
        let response = court.put(&peer, &next)?;
        let told = court.receipted(&response, &next, 201);
        ensure(told.is_ok(), "IDN-002", "201, for the two are one instant", told.err().unwrap_or_default())?;
    }
    Ok(())
}

fn upns(court: &mut Court<'_>) -> Found<()> {
    // Wrong check letter, letters I, O and S, lower case, too short, too long, a letter that is not the last.
    let wrong = [
        "A373000020001",
        "I373000020001",
        "O373000020001",
        "B37300002000S",
        "b373000020001",
        "B37300002000",
        "B3730000200011",
        "B37300002A001",
        "",
    ];
    for upn in wrong {
        court.refuses_draft("IDN-003", &["body-invalid"], |draft| draft.body.set("/child/upn", upn))?;
    }
    court.refuses_draft("IDN-003", &["body-invalid"], |draft| {
        draft.body.set("/child/formerUpns", vec!["A373000020001".into()]);
    })?;
    let peer = court.peer()?;
    for upn in ["B373000020001", &temporary_upn()] {
        let mut draft = court.draft(&peer);
        draft.body.set("/child/upn", upn);
        let entry = draft.sealed(&peer.key);
        let response = court.put(&peer, &entry)?;
        let told = court.receipted(&response, &entry, 201);
        ensure(told.is_ok(), "IDN-003", &format!("201, for {upn} is a UPN"), told.err().unwrap_or_default())?;
    }
    Ok(())
}

/// A temporary UPN: a letter stands in position 13.
fn temporary_upn() -> String {
    const LETTERS: &[u8] = b"ABCDEFGHJKLMNPQRTUVWXYZ";
    let rest = "37300002000A";
    let value = |byte: u8| match LETTERS.iter().position(|letter| *letter == byte) {
        Some(index) => index,
        None => usize::from(byte - b'0'),
    };
    let sum: usize = rest.bytes().enumerate().map(|(index, byte)| (index + 2) * value(byte)).sum();
    format!("{}{rest}", char::from(LETTERS[sum % LETTERS.len()]))
}

fn nhs_numbers(court: &mut Court<'_>) -> Found<()> {
    for number in ["9990000019", "9999999999", "999000001", "99900000180", "999 000 0018", "999000001X"] {
        court.refuses_draft("IDN-004", &["body-invalid"], |draft| {
            draft.body.set("/child/nhsNumber", number);
        })?;
    }
    Ok(())
}
