//! The only reader of the machine's random source.

use std::sync::Arc;

use cme_spec::body::Salt;
use cme_spec::instant::{BroadcastId, EntryId, Instant, NoticeId, QueryId, ResponsibilityId, TransferId};
use ring::rand::{SecureRandom as _, SystemRandom};
use uuid::Uuid;

use crate::store::leases::Holder;

/// Gives random bytes, and what is made of them. Everything that a deployment draws comes from one of these.
#[derive(Clone)]
pub struct Random(Arc<Fill>);

type Fill = dyn Fn(&mut [u8]) + Send + Sync;

impl Random {
    /// The machine's source.
    ///
    /// # Panics
    /// When the operating system has none: nothing signed or salted could be trusted then.
    pub fn system() -> Self {
        Self::from_fn(|bytes| {
            SystemRandom::new().fill(bytes).expect("the operating system gives random bytes");
        })
    }

    /// A source that a simulation repeats.
    pub fn from_fn(fill: impl Fn(&mut [u8]) + Send + Sync + 'static) -> Self {
        Self(Arc::new(fill))
    }

    /// Random bytes.
    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }

    /// A version 7 UUID (RFC 9562) of that instant.
    fn uuid(&self, now: Instant) -> Uuid {
        let millis = u64::try_from(now.milliseconds()).unwrap_or_default();
        uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes()).into_uuid()
    }

    /// A new transfer. Implements: IDN-001
    pub(crate) fn transfer_id(&self, now: Instant) -> TransferId {
        TransferId::new(self.uuid(now)).expect("made as version 7")
    }

    /// A new decision. Implements: IDN-001
    pub(crate) fn entry_id(&self, now: Instant) -> EntryId {
        EntryId::new(self.uuid(now)).expect("made as version 7")
    }

    /// A new responsibility. Implements: IDN-001
    pub(crate) fn responsibility_id(&self, now: Instant) -> ResponsibilityId {
        ResponsibilityId::new(self.uuid(now)).expect("made as version 7")
    }

    /// A new notice. Implements: NTC-001
    pub(crate) fn notice_id(&self, now: Instant) -> NoticeId {
        NoticeId::new(self.uuid(now)).expect("made as version 7")
    }

    /// A new query. Implements: QRY-001
    pub(crate) fn query_id(&self, now: Instant) -> QueryId {
        QueryId::new(self.uuid(now)).expect("made as version 7")
    }

    /// A new broadcast.
    pub(crate) fn broadcast_id(&self, now: Instant) -> BroadcastId {
        BroadcastId::new(self.uuid(now)).expect("made as version 7")
    }

    /// A new message to an escalation contact, or a process that sends them.
    pub(crate) fn message_id(&self, now: Instant) -> Uuid {
        self.uuid(now)
    }

    /// A new salt. Implements: ENT-009
    pub(crate) fn salt(&self) -> Salt {
        Salt::from_random(self.bytes())
    }

    /// A new Ed25519 key as PKCS#8 of version 1 (RFC 8410, section 7): the form that every other tool reads.
    pub(crate) fn signing_key_pkcs8(&self) -> Vec<u8> {
        const ED25519_VERSION_1: [u8; 16] =
            [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
        let seed: [u8; 32] = self.bytes();
        [&ED25519_VERSION_1[..], &seed[..]].concat()
    }

    /// The name of a process.
    pub(crate) fn holder(&self) -> Holder {
        Holder::from_random(self.bytes())
    }

    /// Spreads retries.
    pub(crate) fn spread(&self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Random")
    }
}
