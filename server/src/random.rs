//! The only reader of the machine's random source.

use cme_spec::body::Salt;
use cme_spec::instant::{EntryId, Instant, ResponsibilityId, TransferId};
use ring::rand::{SecureRandom as _, SystemRandom};
use uuid::Uuid;

use crate::store::leases::Holder;

/// Random bytes.
///
/// # Panics
/// When the operating system has none: nothing signed or salted could be trusted then.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A version 7 UUID (RFC 9562) of that instant.
fn uuid(now: Instant) -> Uuid {
    let millis = u64::try_from(now.milliseconds()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &bytes()).into_uuid()
}

/// A new transfer. Implements: IDN-001
pub(crate) fn transfer_id(now: Instant) -> TransferId {
    TransferId::new(uuid(now)).expect("made as version 7")
}

/// A new decision. Implements: IDN-001
pub(crate) fn entry_id(now: Instant) -> EntryId {
    EntryId::new(uuid(now)).expect("made as version 7")
}

/// A new responsibility. Implements: IDN-001
pub(crate) fn responsibility_id(now: Instant) -> ResponsibilityId {
    ResponsibilityId::new(uuid(now)).expect("made as version 7")
}

/// A new message to an escalation contact, or a process that sends them.
pub(crate) fn message_id(now: Instant) -> Uuid {
    uuid(now)
}

/// A new salt. Implements: ENT-009
pub(crate) fn salt() -> Salt {
    Salt::from_random(bytes())
}

/// A new Ed25519 key as PKCS#8 of version 1 (RFC 8410, section 7): the form that every other tool reads.
pub(crate) fn signing_key_pkcs8() -> Vec<u8> {
    const ED25519_VERSION_1: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let seed: [u8; 32] = bytes();
    [&ED25519_VERSION_1[..], &seed[..]].concat()
}

/// The name of a process.
pub(crate) fn holder() -> Holder {
    Holder::from_random(bytes())
}

/// Spreads retries.
pub(crate) fn spread() -> u32 {
    u32::from_le_bytes(bytes())
}
