//! Finds what is to be told, notes it and queues its messages.

use std::time::Duration;

use cme_spec::directory::Directory;
use cme_spec::envelope::Signed;
use cme_spec::ids::AuthorityCode;
use cme_spec::instant::Instant;
use cme_spec::ledger::due::Due;
use cme_spec::working_days::{WorkingDays, london_date};
use jiff::civil::Date;
use tokio::sync::watch;

use super::channel::ChannelKind;
use super::word::{About, Matter, Named, Recipient, Word};
use crate::node::Node;
use crate::office::clocks;
use crate::random::Random;
use crate::store::escalations::{self, Event, NewTask, Occasion, Subject, Told, Untold};
use crate::store::ledgers::LedgerKey;
use crate::store::{StoreError, ledgers};

/// Ledgers, or events, that are looked at in one go.
const PAGE: u32 = 256;

/// Looks now and then until `stop` turns true.
pub(super) async fn run(node: Node, mut stop: watch::Receiver<bool>) {
    let pause = Duration::from_millis(node.config().escalation.look_every_ms);
    while !*stop.borrow() {
        if let Err(error) = look(&node).await {
            tracing::error!(%error, "what is to be escalated can't be looked at");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => return,
        }
    }
}

/// Notes everything that was not told before, or is to be told again, with its messages; gives the number.
pub async fn look(node: &Node) -> Result<u64, StoreError> {
    let mut told = 0;
    for hosted in node.all_hosted() {
        told += look_at_clocks(node, hosted.code).await?;
        for event in Event::ALL {
            told += look_at_events(node, hosted.code, event).await?;
        }
    }
    Ok(told)
}

async fn look_at_clocks(node: &Node, code: AuthorityCode) -> Result<u64, StoreError> {
    let followed = node.store().read(move |tx| ledgers::followed(tx, code)).await?;
    let reminders = Reminders::of(node);
    let (mut told, mut after) = (0, 0);
    loop {
        let page = node.store().read(move |tx| ledgers::with_clocks_after(tx, code, after, PAGE)).await?;
        let Some(newest) = page.last().map(|held| held.changed) else { return Ok(told) };
        after = newest;
        let now = node.now();
        let overdue: Vec<(LedgerKey, Occasion, Due)> = page
            .iter()
            .flat_map(|held| clocks(node, held, &followed).due.into_iter().map(|due| (held.key, due)))
            .filter(|(_, due)| due.is_overdue(now))
            .map(|(key, due)| (key, of_clock(key, &due), due))
            .collect();
        let occasions: Vec<Occasion> = overdue.iter().map(|(_, occasion, _)| occasion.clone()).collect();
        let known = node.store().read(move |tx| {
            occasions.iter().map(|occasion| escalations::told(tx, occasion)).collect::<Result<Vec<_>, _>>()
        });
        for ((key, occasion, due), known) in overdue.into_iter().zip(known.await?) {
            if known.is_none_or(|known| reminders.are_due(known, now)) {
                told += u64::from(tell_overdue(node, (key, occasion), &due, known).await?);
            }
        }
    }
}

fn of_clock(key: LedgerKey, due: &Due) -> Occasion {
    Occasion {
        subject: Subject::Ledger(key),
        matter: due.clock.code().to_owned(),
        detail: due.due_on.to_string(),
    }
}

/// When word of a clock that is still out is sent again.
struct Reminders {
    calendar: WorkingDays,
    days: u32,
}

impl Reminders {
    /// Past the last known bank holiday weekdays are counted: a reminder is no deadline, and better a day early
    /// than never.
    fn of(node: &Node) -> Self {
        let archive = node.archive();
        let holidays = archive.newest().map(|issue| issue.content().policy.bank_holidays.as_slice());
        let holidays = holidays.unwrap_or_default().iter().copied();
        let days = node.config().escalation.reminder_working_days;
        Self { calendar: WorkingDays::new(holidays, Date::MAX), days }
    }

    fn are_due(&self, known: Told, now: Instant) -> bool {
        let day = self.calendar.add(london_date(known.last_at.timestamp()), self.days);
        self.days > 0 && day.is_ok_and(|day| london_date(now.timestamp()) >= day)
    }
}

async fn tell_overdue(
    node: &Node,
    (key, occasion): (LedgerKey, Occasion),
    due: &Due,
    known: Option<Told>,
) -> Result<bool, StoreError> {
    let reminder = known.map_or(0, |known| known.reminders.saturating_add(1));
    let matter = Matter::Overdue { clock: due.clock, due_on: due.due_on, turn: due.owner, reminder };
    let (clock, due_on, turn) = (due.clock.code(), due.due_on, due.owner);
    let told = tell(node, (key, occasion), &matter, known).await?;
    if told {
        tracing::warn!(transfer = %key.transfer, clock, owner = %turn, %due_on, authority = %key.hosted, reminder,
                       contact = contact(node, key.hosted), "a clock has run out");
    }
    Ok(told)
}

async fn look_at_events(node: &Node, code: AuthorityCode, event: Event) -> Result<u64, StoreError> {
    let mut told = 0;
    loop {
        let before = told;
        for untold in node.store().read(move |tx| escalations::untold(tx, code, event, PAGE)).await? {
            let key = untold.key;
            let (occasion, matter) = of_event(event, untold)?;
            if tell(node, (key, occasion), &matter, None).await? {
                told += 1;
                tracing::warn!(transfer = %key.transfer, matter = event.code(), peer = %key.counterparty,
                               authority = %key.hosted, contact = contact(node, key.hosted), "a person has to look");
            }
        }
        if told == before {
            return Ok(told);
        }
    }
}

fn of_event(event: Event, untold: Untold) -> Result<(Occasion, Matter), StoreError> {
    let Untold { key, detail, what: problem } = untold;
    let matter = match event {
        Event::Upheld => Matter::Upheld,
        Event::Forked => Matter::Forked,
        Event::LetterRefused => {
            let letter = detail.parse().map_err(|_| StoreError::Corrupt("a letter's id"))?;
            Matter::LetterRefused { letter, problem }
        }
        Event::DeliveryRefused => {
            let sequence = detail.parse().map_err(|_| StoreError::Corrupt("a sequence"))?;
            Matter::DeliveryRefused { sequence, problem }
        }
    };
    Ok((Occasion { subject: Subject::Ledger(key), matter: event.code().to_owned(), detail }, matter))
}

/// Notes the occasion and queues its messages in one transaction; false when another process was faster.
async fn tell(
    node: &Node,
    (key, occasion): (LedgerKey, Occasion),
    matter: &Matter,
    known: Option<Told>,
) -> Result<bool, StoreError> {
    let now = node.now();
    let archive = node.archive();
    let Some(directory) = archive.newest().map(Signed::content) else { return Ok(false) };
    let receiving = match matter {
        Matter::Upheld => node.store().read(move |tx| ledgers::find(tx, &key)).await?,
        _ => None,
    };
    let receiving = receiving.is_some_and(|held| held.ledger.terms.receiving == key.hosted);
    let channels = ChannelKind::configured(node.config());
    let recipients = recipients(&channels, directory, receiving);
    let tasks: Vec<NewTask> = recipients
        .map(|(channel, to)| message(node.random(), directory, (channel, to), key, matter, now))
        .collect::<Result<_, StoreError>>()?;
    node.store().write(move |tx| escalations::tell(tx, &occasion, known, &tasks, now)).await
}

/// Who is told over what. The receiving authority's server tells the arbiter that it upheld, by e-mail, if the
/// directory has an address.
fn recipients(
    channels: &[ChannelKind],
    directory: &Directory,
    upheld_here: bool,
) -> impl Iterator<Item = (ChannelKind, Recipient)> {
    let arbiter = upheld_here && channels.contains(&ChannelKind::Email);
    if arbiter && directory.arbiter.email.is_none() {
        tracing::warn!("the directory names no e-mail address of the arbiter: ring the arbiter");
    }
    let arbiter = (arbiter && directory.arbiter.email.is_some()).then_some(Recipient::Arbiter);
    let contact = channels.iter().map(|channel| (*channel, Recipient::Contact));
    contact.chain(arbiter.map(|arbiter| (ChannelKind::Email, arbiter)))
}

fn message(
    random: &Random,
    directory: &Directory,
    (channel, to): (ChannelKind, Recipient),
    key: LedgerKey,
    matter: &Matter,
    now: Instant,
) -> Result<NewTask, StoreError> {
    let (authority, transfer) = (key.hosted, key.transfer);
    let look = match (to, matter) {
        (Recipient::Arbiter, _) => None,
        (_, Matter::LetterRefused { .. } | Matter::DeliveryRefused { .. }) => {
            Some(format!("cme-server office list --as {authority}"))
        }
        _ => Some(format!("cme-server office show --as {authority} --transfer {transfer}")),
    };
    let word = Word {
        id: random.message_id(now),
        matter: matter.clone(),
        to,
        authority: Named::of(directory, authority),
        about: Some(About {
            transfer: Some(transfer),
            query: None,
            peer: Named::of(directory, key.counterparty),
        }),
        noted_at: now,
        look,
    };
    let document = serde_json::to_string(&word).map_err(|_| StoreError::Corrupt("a message"))?;
    Ok(NewTask { id: word.id, channel: channel.code(), recipient: to.code(), document })
}

/// The name of the escalation contact: a team or a role.
fn contact(node: &Node, code: AuthorityCode) -> String {
    let archive = node.archive();
    let record = archive.newest().and_then(|issue| issue.content().authority(code));
    record.map_or_else(String::new, |record| record.escalation.name.clone())
}
