//! What went over the wire while a case was heard, bounded in size, so that a failure can be shown.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ring::digest::{Context, SHA256};
use serde::{Deserialize, Serialize};

use crate::encoding::base64url;
use crate::identity::Identity;
use crate::json::Json;

/// Most exchanges that a hearing keeps: the first half of them, and the newest.
pub(crate) const EXCHANGES_MAX: usize = 48;

/// Most bytes of a message that are kept as text; its length and digest are of all of it.
pub(crate) const SHOWN_BYTES_MAX: usize = 6 << 10;

/// Who called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Direction {
    ToSubject,
    ToSuite,
}

/// What an exchange is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Part {
    /// A step on the way, or after.
    Step,
    /// The same as the question in everything but one thing, and right.
    Twin,
    Question,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Message {
    /// Its length.
    pub(crate) bytes: usize,
    /// SHA-256 of it, base64url.
    pub(crate) digest: String,
    /// Its beginning. What is no UTF-8 in it is replaced.
    pub(crate) text: String,
    /// Whether the text is shorter than the message.
    pub(crate) cut: bool,
}

impl Message {
    /// The record of these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        let mut capture = Capture::new();
        capture.add(bytes);
        capture.message()
    }

    /// The request line or status line.
    pub(crate) fn first_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// What follows the head.
    pub(crate) fn content(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, content)| content)
    }
}

/// A message that is being received.
#[derive(Clone)]
pub(crate) struct Capture {
    bytes: usize,
    context: Context,
    shown: Vec<u8>,
}

impl Capture {
    /// Nothing so far.
    pub(crate) fn new() -> Self {
        Self { bytes: 0, context: Context::new(&SHA256), shown: Vec::new() }
    }

    /// More of it.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len();
        self.context.update(bytes);
        let room = SHOWN_BYTES_MAX - self.shown.len();
        self.shown.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The record of what came.
    pub(crate) fn message(self) -> Message {
        Message {
            bytes: self.bytes,
            digest: base64url(self.context.finish().as_ref()),
            cut: self.shown.len() < self.bytes,
            text: String::from_utf8_lossy(&self.shown).into_owned(),
        }
    }

    /// The record, if anything came.
    pub(crate) fn some(self) -> Option<Message> {
        (self.bytes > 0).then(|| self.message())
    }
}

/// A request and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Exchange {
    /// Milliseconds since the hearing began.
    pub(crate) at: u64,
    /// Milliseconds that it took.
    pub(crate) milliseconds: u64,
    pub(crate) direction: Direction,
    /// The authority that the suite played; or what it showed instead of a certificate of one.
    pub(crate) peer: String,
    pub(crate) part: Part,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) request: Option<Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) response: Option<Message>,
    /// Why there is no whole response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

impl Exchange {
    /// What it asked: method and target.
    pub(crate) fn asked(&self) -> &str {
        let line = self.request.as_ref().map_or("(no connection)", Message::first_line);
        line.strip_suffix(" HTTP/1.1").unwrap_or(line)
    }

    /// What it came to, in a few words: the status with the name of a problem, or why there is none.
    pub(crate) fn outcome(&self) -> String {
        let Some(response) = self.response.as_ref().filter(|_| self.error.is_none()) else {
            return self.error.clone().unwrap_or_else(|| "no answer yet".to_owned());
        };
        let status = response.first_line().split(' ').nth(1).unwrap_or_default();
        let document = Json::read(response.content().as_bytes()).ok();
        let name = document.as_ref().and_then(|problem| problem.text_at("/type"));
        let name = name.and_then(|name| name.rsplit(':').next()).unwrap_or_default();
        format!("{status} {name}").trim_end().to_owned()
    }
}

/// The exchanges of a hearing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Recording {
    pub(crate) exchanges: Vec<Exchange>,
    /// How many are left out after the first half.
    pub(crate) left_out: usize,
    /// Place among the requests to the subject, from 1, of the one that the case turns on.
    pub(crate) question: Option<usize>,
}

/// A request that was held back, as it would have gone out.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) bytes: Vec<u8>,
    pub(crate) identity: Option<Identity>,
}

/// The record of one hearing, shared by its connections.
#[derive(Clone, Debug)]
pub(crate) struct Tape(Arc<Mutex<Reel>>);

#[derive(Debug)]
struct Reel {
    begun: Instant,
    part: Part,
    exchanges: Vec<(usize, Exchange)>,
    recorded: usize,
    left_out: usize,
    /// Requests to the subject so far.
    sent: usize,
    /// Place of the newest request that a case turned on.
    question: Option<usize>,
    /// Authorities that the hearing took.
    codes: BTreeSet<String>,
    hold_at: Option<usize>,
    held: Option<Held>,
}

impl Tape {
    /// An empty tape. With `hold_at` the request of that place is held back, and everything after it.
    pub(crate) fn new(hold_at: Option<usize>) -> Self {
        Self(Arc::new(Mutex::new(Reel {
            begun: Instant::now(),
            part: Part::Step,
            exchanges: Vec::new(),
            recorded: 0,
            left_out: 0,
            sent: 0,
            question: None,
            codes: BTreeSet::new(),
            hold_at,
            held: None,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Reel> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What follows is for that.
    pub(crate) fn part(&self, part: Part) {
        self.lock().part = part;
    }

    /// The hearing took that authority.
    pub(crate) fn takes(&self, code: &str) {
        self.lock().codes.insert(code.to_owned());
    }

    /// When the hearing began.
    pub(crate) fn begun(&self) -> Instant {
        self.lock().begun
    }

    /// The authorities that the hearing took.
    pub(crate) fn codes(&self) -> BTreeSet<String> {
        self.lock().codes.clone()
    }

    /// What was held back.
    pub(crate) fn held(&self) -> Option<Held> {
        self.lock().held.clone()
    }

    /// A request goes out, under the pin of a certificate; its number on the tape, or `None` when it has to
    /// be held back.
    pub(crate) fn sends(&self, identity: Option<&Identity>, pin: &str, bytes: &[u8]) -> Option<usize> {
        let mut reel = self.lock();
        if reel.held.is_some() {
            return None;
        }
        reel.sent += 1;
        if reel.hold_at == Some(reel.sent) {
            reel.held = Some(Held { bytes: bytes.to_vec(), identity: identity.cloned() });
            return None;
        }
        if reel.part == Part::Question {
            reel.question = Some(reel.sent);
        }
        Some(reel.record(pin, Some(Message::of(bytes))))
    }

    /// The request of that number was answered, or not.
    pub(crate) fn answered(&self, number: usize, response: Option<Message>, error: Option<String>) {
        let mut reel = self.lock();
        let now = since(reel.begun);
        if let Some((_, exchange)) = reel.exchanges.iter_mut().find(|(held, _)| *held == number) {
            exchange.milliseconds = now.saturating_sub(exchange.at);
            exchange.response = response;
            exchange.error = error;
        }
    }

    /// No connection was had.
    pub(crate) fn unconnected(&self, pin: &str, error: &str) {
        let mut reel = self.lock();
        let number = reel.record(pin, None);
        if let Some((_, exchange)) = reel.exchanges.iter_mut().find(|(held, _)| *held == number) {
            exchange.error = Some(error.to_owned());
        }
    }

    /// The newest request goes out again, on another connection: it counts once.
    pub(crate) fn again(&self) {
        let mut reel = self.lock();
        reel.sent = reel.sent.saturating_sub(1);
    }

    /// What was recorded, with what came in, in the order of time. `names` gives the name of a pin.
    pub(crate) fn finish(
        &self,
        incoming: Vec<(Instant, Exchange)>,
        names: impl Fn(&str) -> String,
    ) -> Recording {
        let reel = self.lock();
        let mut exchanges: Vec<Exchange> =
            reel.exchanges.iter().map(|(_, exchange)| exchange.clone()).collect();
        for exchange in &mut exchanges {
            exchange.peer = names(&exchange.peer);
        }
        exchanges.extend(incoming.into_iter().map(|(at, exchange)| Exchange {
            at: milliseconds(at.saturating_duration_since(reel.begun)),
            ..exchange
        }));
        exchanges.sort_by_key(|exchange| exchange.at);
        let surplus = exchanges.len().saturating_sub(EXCHANGES_MAX);
        if surplus > 0 {
            exchanges.drain(EXCHANGES_MAX / 2..EXCHANGES_MAX / 2 + surplus);
        }
        let question = reel.question.or((reel.sent > 0).then_some(reel.sent));
        Recording { exchanges, left_out: reel.left_out + surplus, question }
    }
}

impl Reel {
    fn record(&mut self, pin: &str, request: Option<Message>) -> usize {
        self.recorded += 1;
        if self.exchanges.len() == EXCHANGES_MAX {
            self.exchanges.remove(EXCHANGES_MAX / 2);
            self.left_out += 1;
        }
        let exchange = Exchange {
            at: since(self.begun),
            milliseconds: 0,
            direction: Direction::ToSubject,
            peer: pin.to_owned(),
            part: self.part,
            request,
            response: None,
            error: None,
        };
        self.exchanges.push((self.recorded, exchange));
        self.recorded
    }
}

fn since(begun: Instant) -> u64 {
    milliseconds(begun.elapsed())
}

/// A duration in whole milliseconds.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_message_is_cut_and_its_length_and_digest_are_of_all_of_it() {
        let long = vec![b'a'; SHOWN_BYTES_MAX + 10];
        let message = Message::of(&long);
        assert_eq!((message.bytes, message.text.len(), message.cut), (long.len(), SHOWN_BYTES_MAX, true));
        assert_eq!(message.digest, crate::encoding::digest_of_bytes(&long));
        let mut capture = Capture::new();
        long.chunks(7).for_each(|chunk| capture.add(chunk));
        assert_eq!(capture.message(), message);
        assert!(!Message::of(b"GET / HTTP/1.1\r\n\r\nxy").cut);
        assert_eq!(Message::of(b"GET / HTTP/1.1\r\n\r\nxy").content(), "xy");
        assert_eq!(Message::of(b"GET / HTTP/1.1\r\n\r\nxy").first_line(), "GET / HTTP/1.1");
    }

    #[test]
    fn a_tape_keeps_the_first_and_the_newest_and_says_how_many_it_left_out() {
        let tape = Tape::new(None);
        for number in 0..EXCHANGES_MAX + 20 {
            let held = tape.sends(None, "pin", number.to_string().as_bytes()).unwrap();
            tape.answered(held, Some(Message::of(b"yes")), None);
        }
        let recording = tape.finish(Vec::new(), |pin| format!("name of {pin}"));
        assert_eq!((recording.exchanges.len(), recording.left_out), (EXCHANGES_MAX, 20));
        let text = |place: usize| recording.exchanges[place].request.as_ref().unwrap().text.clone();
        assert_eq!((text(0), text(EXCHANGES_MAX - 1)), ("0".to_owned(), (EXCHANGES_MAX + 19).to_string()));
        assert!(recording.exchanges.iter().all(|exchange| exchange.response.is_some()));
        assert_eq!(recording.exchanges[0].peer, "name of pin");
    }

    #[test]
    fn the_question_is_what_stands_between_the_twins_or_else_the_last() {
        let tape = Tape::new(None);
        let question = |tape: &Tape| tape.finish(Vec::new(), str::to_owned).question;
        assert_eq!(question(&tape), None);
        tape.sends(None, "", b"1");
        assert_eq!(question(&tape), Some(1));
        for (part, bytes) in [(Part::Twin, b"2"), (Part::Question, b"3"), (Part::Twin, b"4")] {
            tape.part(part);
            tape.sends(None, "", bytes);
        }
        assert_eq!(question(&tape), Some(3));
    }

    #[test]
    fn a_request_is_held_back_at_its_place_and_nothing_follows() {
        let tape = Tape::new(Some(2));
        assert!(tape.sends(None, "", b"1").is_some());
        // A connection that had been closed: the same request once more.
        tape.again();
        assert!(tape.sends(None, "", b"1").is_some());
        assert!(tape.sends(None, "", b"2").is_none());
        assert!(tape.sends(None, "", b"3").is_none());
        assert_eq!(tape.held().unwrap().bytes, b"2");
    }
}
