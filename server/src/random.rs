//! The only reader of the machine's random source.

use cme_spec::body::Salt;
use cme_spec::instant::{EntryId, Instant, ResponsibilityId, TransferId};
use ring::rand::{SecureRandom as _, SystemRandom};
use uuid::Uuid;

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

/// A new salt. Implements: ENT-009
pub(crate) fn salt() -> Salt {
    Salt::from_random(bytes())
}

/// A new Ed25519 key as PKCS#8.
///
/// # Panics
/// As [`bytes`].
pub(crate) fn signing_key_pkcs8() -> Vec<u8> {
    let document = ring::signature::Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
    document.expect("the operating system gives random bytes").as_ref().to_vec()
}

/// Spreads retries.
pub(crate) fn spread() -> u32 {
    u32::from_le_bytes(bytes())
}
