//! Whether the audit of an authority is whole: each record holds the digest of the one before.

use cme_spec::canonical::{Json, Limits};
use cme_spec::digest::Digest;
use cme_spec::ids::AuthorityCode;

use crate::node::Node;
use crate::store::StoreError;
use crate::store::audit;

/// Records that are read at one time.
const RECORDS_AT_ONCE: u32 = 500;

/// Why an audit is not whole.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// A record is not canonical JSON.
    #[error("record {0} is not a record")]
    Form(i64),
    /// A record is missing, or stands elsewhere.
    #[error("record {0} is missing")]
    Missing(i64),
    /// The chain is broken.
    #[error("record {0} was changed, or the one before it")]
    Broken(i64),
    /// A record does not have the digest that was noted elsewhere.
    #[error("record {0} does not have the digest that you expect")]
    Unexpected(i64),
    /// There are fewer records than there were.
    #[error("there is no record {0}: the audit ends before it")]
    Ends(i64),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A chain of records that is followed from its first.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    place: i64,
    digest: Option<Digest>,
}

impl Chain {
    /// The records so far, and the digest of the last: to be noted elsewhere, as records could be taken from the end.
    pub const fn head(&self) -> (i64, Option<Digest>) {
        (self.place, self.digest)
    }

    /// The next record; in its place, and after the one before. Implements: QRY-028
    pub fn follow(&mut self, record: &Json) -> Result<(), AuditError> {
        let place = self.place + 1;
        let said = record.value();
        let (Some(told), Some(previous)) = (said["place"].as_i64(), said.get("previous")) else {
            return Err(AuditError::Form(place));
        };
        if told != place {
            return Err(AuditError::Missing(place));
        }
        let expected = self.digest.map(|digest| digest.to_string());
        if previous.as_str() != expected.as_deref() {
            return Err(AuditError::Broken(place));
        }
        *self = Self { place, digest: Some(record.digest()) };
        Ok(())
    }
}

/// The record of a line of an export.
pub fn record(line: &str, place: i64) -> Result<Json, AuditError> {
    Json::decode(line.as_bytes(), &Limits::COLLECTION).map_err(|_| AuditError::Form(place))
}

/// Follows the audit of a hosted authority and hands each record on. Implements: QRY-028
pub async fn follow<E: From<AuditError>>(
    node: &Node,
    hosted: AuthorityCode,
    mut each: impl FnMut(&Json, &Chain) -> Result<(), E>,
) -> Result<Chain, E> {
    let mut chain = Chain::default();
    loop {
        let (place, _) = chain.head();
        let read = node.store().read(move |tx| audit::after(tx, hosted, place, RECORDS_AT_ONCE));
        let records = read.await.map_err(AuditError::from)?;
        if records.is_empty() {
            return Ok(chain);
        }
        for held in &records {
            chain.follow(&held.record)?;
            if chain.head() != (held.place, Some(held.digest)) {
                return Err(AuditError::Broken(held.place).into());
            }
            each(&held.record, &chain)?;
        }
    }
}
