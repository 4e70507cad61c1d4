//! Section 11.3: forks. The suite is the sequencer that signs two entries for one place.

use super::next_incarnation;
use crate::cases::{Case, DECIDING, OFFERING};
use crate::court::{Court, Found, Miss, Played, ensure, header_digest, problem_of, refused, wishes};
use crate::json::Json;
use crate::world::Kind;

pub(in crate::cases) const CASES: &[Case] = &[
    Case {
        name: "rcv-keeps-every-branch-of-a-fork",
        claim: "A second entry of the sequencer at one place is answered forked, and both branches are given in a read.",
        checks: &["RCV-012"],
        run: keeps_branches,
        ..OFFERING
    },
    Case {
        name: "rcv-adds-nothing-to-a-forked-ledger",
        claim: "Further entries are refused as forked, and the subject writes none of its own.",
        checks: &["RCV-013"],
        run: adds_nothing,
        ..DECIDING
    },
    Case {
        name: "rcv-delivers-every-branch-of-a-fork",
        claim: "An entry of a branch that is new is delivered, until it is answered forked, and again when heads are read.",
        checks: &["RCV-016"],
        profile: "recovery",
        slow: true,
        run: delivers_branches,
        ..OFFERING
    },
    Case {
        name: "rcv-carries-a-forked-case-on-in-a-successor",
        claim: "An offer after a fork names the newest header of each branch in successorOf, with the right epoch.",
        checks: &["RCV-014"],
        profile: "recovery",
        run: successor,
        ..OFFERING
    },
    Case {
        name: "rcv-supersedes-only-who-is-unavailable",
        claim: "No offer supersedes a transfer whose receiving authority the directory does not list as unavailable.",
        checks: &["RCV-015"],
        profile: "recovery",
        run: supersedes,
        ..OFFERING
    },
];

/// A ledger of the subject's with two entries of the sequencer at place 1, and the answer to the second.
fn forked(court: &mut Court<'_>, kinds: [&str; 2]) -> Found<(Played, String, [Json; 2], String)> {
    let played = court.play()?;
    forked_by(court, played, kinds)
}

fn forked_by(
    court: &mut Court<'_>,
    played: Played,
    kinds: [&str; 2],
) -> Found<(Played, String, [Json; 2], String)> {
    let transfer = court.offered_by_subject(&played)?.transfer;
    let branch = played.next_receipted(&transfer, kinds[1], |_, _| {});
    let main = played.append(&transfer, kinds[0]);
    court.delivered(&played, &main)?;
    played.store_branch(&transfer, branch.clone());
    let response = court.put(&played.peer, &branch)?;
    let told = problem_of(&response).unwrap_or_else(|| response.status.to_string());
    Ok((played, transfer, [main, branch], told))
}

fn has(page: &Json, path: &str, entry: &Json) -> bool {
    let held = page.at(path).map(Json::items).unwrap_or_default();
    held.iter().any(|one| {
        header_digest(one) == header_digest(entry)
            && one.text_at("/signature") == entry.text_at("/signature")
            && one.at("/receipts/0").is_some_and(|receipt| {
                entry.at("/receipts/0").is_some_and(|given| crate::court::same_receipt(receipt, given))
            })
    })
}

fn keeps_branches(court: &mut Court<'_>) -> Found<()> {
    let (played, transfer, [main, branch], told) = forked(court, ["acknowledge", "accept"])?;
    ensure(told == "forked", "RCV-012", "forked", told)?;
    let page = court.read_ledger(&played.peer, &transfer)?;
    ensure(has(&page, "/entries", &main), "RCV-012", "the first branch in entries", page.plain())?;
    let forks = page.member("forks").map(Json::items).unwrap_or_default();
    let kept = forks.iter().any(|fork| has(fork, "/entries", &branch));
    let actual = page.member("forks").map(Json::plain).unwrap_or_default();
    ensure(kept, "RCV-012", "the second branch in forks, with its receipt", actual)
}

fn adds_nothing(court: &mut Court<'_>) -> Found<()> {
    let (played, transfer, _, _) = forked(court, ["acknowledge", "request-information"])?;
    let further = played.append(&transfer, "accept");
    let response = court.put(&played.peer, &further)?;
    // The barrier, and the good twin: another ledger of the same two goes on.
    let twin = court.offered_by_subject(&played)?.transfer;
    let entry = played.append(&twin, "accept");
    court.delivered(&played, &entry)?;
    refused("RCV-013", &["forked"], &response)?;
    let before = played.puts(&transfer).len();
    let kind = "supply-information";
    let wish = vec![("transfer", transfer.as_str().into()), ("type", kind.into()), ("body", wishes(kind))];
    court.wish("trigger", "decide", wish)?;
    court.made_to_decide(&twin, "supply-information")?;
    court.puts(&played, &twin, 2, 1)?;
    let own = |played: &Played| {
        let puts = played.puts(&transfer);
        let by_subject = |put: &&crate::court::Put| {
            put.entry.text_at("/header/author") == Some(&court.bench.subject.code)
                && put.entry.integer_at("/header/sequence") != Some(0)
        };
        puts.iter().skip(before).find(by_subject).map(|put| put.entry.plain())
    };
    played.wait(court.bench.waits.quiet, |played| own(played).is_some());
    let actual = own(&played);
    ensure(actual.is_none(), "RCV-013", "no entry of the subject's own", actual.unwrap_or_default())
}

fn delivers_branches(court: &mut Court<'_>) -> Found<()> {
    let peer = court.authority(Kind::Restored)?;
    let (played, first) = (court.play_as(&peer), next_incarnation());
    court.bench.reincarnate(&played, first);
    let (played, transfer, [_, branch], told) = forked_by(court, played, ["acknowledge", "accept"])?;
    if told != "forked" {
        return Err(Miss::Unexercised(format!("the second branch was answered {told}")));
    }
    let digest = header_digest(&branch);
    let told = |played: &Played| {
        let puts = played.puts_of(&transfer, 1);
        puts.iter().filter(|put| header_digest(&put.entry) == digest).count()
    };
    let (act, quiet) = (court.bench.waits.act, court.bench.waits.quiet);
    let came = played.wait(act, |played| told(played) > 0);
    ensure(came, "RCV-016", "the entry of the branch delivered to the other party", "nothing")?;
    // Each time that the subject reads the heads, it may bring the branch once more.
    let reads = |court: &Court<'_>| court.bench.host.seen(&peer.code, "/v1/heads").len();
    played.wait(quiet, |played| told(played) > 1 + reads(court));
    let (puts, read) = (told(&played), reads(court));
    let expected = format!("no more than {} deliveries: `forked` ends each", 1 + read);
    ensure(puts <= 1 + read, "RCV-016", &expected, puts.to_string())?;
    court.bench.reincarnate(&played, first + 1);
    court.read(&peer, "/v1/capabilities")?;
    if !played.wait(act, |_| reads(court) > read) {
        return Err(Miss::Unexercised("a higher incarnation made the subject read no heads".into()));
    }
    let again = played.wait(act, |played| told(played) > puts);
    ensure(again, "RCV-016", "the branch delivered again after the heads were read", "nothing")
}

fn successor(court: &mut Court<'_>) -> Found<()> {
    let (_, transfer, [main, branch], told) = forked(court, ["acknowledge", "request-information"])?;
    if told != "forked" {
        return Err(Miss::Unexercised(format!("the second branch was answered {told}")));
    }
    let next = court.play()?;
    let offered = court.made_to_offer_with(&next, vec![("successorOf", transfer.as_str().into())])?;
    let links = offered.entry.at("/header/successorOf").cloned().unwrap_or(Json::Null);
    for entry in [&main, &branch] {
        let named = links.items().iter().any(|link| {
            link.text_at("/headerDigest") == Some(&header_digest(entry))
                && link.text_at("/transfer") == Some(&transfer)
                && link.integer_at("/sequence") == Some(1)
        });
        ensure(named, "RCV-014", "the newest header of each branch in successorOf", links.plain())?;
    }
    let two = links.items().len();
    ensure(two == 2, "RCV-014", "two links", two.to_string())?;
    let epoch = offered.entry.integer_at("/header/responsibility/epoch");
    ensure(epoch == Some(1), "RCV-014", "epoch 1: no branch holds an accept", format!("{epoch:?}"))
}

fn supersedes(court: &mut Court<'_>) -> Found<()> {
    let played = court.play()?;
    let transfer = court.offered_by_subject(&played)?.transfer;
    let other = court.play()?;
    let wish = vec![("supersedes", transfer.as_str().into())];
    let sent = court.trigger_offer(&other.peer.code, wish)?;
    // The good twin, to the same authority.
    court.offered_by_subject(&other)?;
    let Some(sent) = sent else { return Ok(()) };
    other.wait(court.bench.waits.quiet, |other| !other.puts(&sent).is_empty());
    let found = other.puts(&sent).into_iter().find(|put| put.entry.at("/header/supersedes").is_some());
    let actual = found.map(|put| put.entry.member("header").map(Json::plain).unwrap_or_default());
    let expected = "no offer that supersedes one to an authority that is available";
    ensure(actual.is_none(), "RCV-015", expected, actual.unwrap_or_default())
}
