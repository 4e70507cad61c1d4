//! Which key of an authority may speak at which instant.

use super::{Directory, Key};
use crate::entry::Entry;
use crate::envelope::{Document, Envelope, Signed};
use crate::ids::AuthorityCode;
use crate::instant::Instant;
use crate::problem::ProblemType;
use crate::signature::{KeyId, PublicKey, SignatureError};
use crate::statement::{Statement, StatementHeader};

/// Why a signature does not speak for an authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The directory has no such key for this authority.
    #[error("authority {0} has no such key in this directory")]
    Unknown(AuthorityCode),
    /// The key was not yet, or no longer, valid at that instant.
    #[error("the key of authority {0} was not valid at that time")]
    NotValid(AuthorityCode),
    /// The key did not make the signature.
    #[error("the signature of authority {0} does not hold")]
    Signature(AuthorityCode),
}

impl KeyError {
    /// The problem that a peer is told.
    pub const fn problem(self) -> ProblemType {
        match self {
            Self::Unknown(_) => ProblemType::KeyUnknown,
            Self::NotValid(_) => ProblemType::KeyNotValid,
            Self::Signature(_) => ProblemType::SignatureInvalid,
        }
    }
}

/// What a key's standing at an instant means for what it signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyStanding {
    /// It spoke for the authority.
    Valid,
    /// It was retired by then, or not yet published.
    OutOfTerm,
    /// It was revoked by then.
    Revoked,
}

impl Key {
    /// What the key is worth for something received at `at`. Implements: SIG-005
    pub fn standing(&self, at: Instant) -> KeyStanding {
        if self.revoked_at.is_some_and(|revoked| at >= revoked) {
            KeyStanding::Revoked
        } else if at < self.valid_from || self.retired_at.is_some_and(|retired| at >= retired) {
            KeyStanding::OutOfTerm
        } else {
            KeyStanding::Valid
        }
    }
}

impl Directory {
    /// The key of that name that speaks for `authority`: its own, or its residuary successor's.
    ///
    /// Implements: SIG-004, DIR-010
    pub fn key(&self, authority: AuthorityCode, id: KeyId) -> Option<&Key> {
        self.line(authority).flat_map(|holder| &holder.keys).find(|key| key.kid == id)
    }

    /// Holds when the author's key made the entry's signature and was valid at `received_at`.
    ///
    /// Implements: SIG-004, SIG-005
    pub fn check_entry(&self, entry: &Entry, received_at: Instant) -> Result<(), KeyError> {
        let author = entry.header().author;
        let key = self.speaking(author, entry.signature().key(), received_at)?;
        entry.verify(key).map_err(|_: SignatureError| KeyError::Signature(author))
    }

    /// Holds when the author's key made the statement's signature and is valid at `now`.
    ///
    /// Implements: SIG-004, SIG-005
    pub fn check_statement<H: StatementHeader>(
        &self,
        statement: &Statement<H>,
        now: Instant,
    ) -> Result<(), KeyError> {
        let author = statement.header().author();
        let key = self.speaking(author, statement.signature().key(), now)?;
        statement.verify(key).map_err(|_: SignatureError| KeyError::Signature(author))
    }

    /// The document, when a key of `authority` that was valid at `at` signed it.
    ///
    /// Implements: SIG-004, SIG-005
    pub fn check_document<T: Document>(
        &self,
        document: Envelope<T>,
        authority: AuthorityCode,
        at: Instant,
    ) -> Result<Signed<T>, KeyError> {
        let key = self.speaking(authority, document.key(), at)?;
        document.verify(key).map_err(|_| KeyError::Signature(authority))
    }

    fn speaking(&self, authority: AuthorityCode, id: KeyId, at: Instant) -> Result<&PublicKey, KeyError> {
        let key = self.key(authority, id).ok_or(KeyError::Unknown(authority))?;
        match key.standing(at) {
            KeyStanding::Valid => Ok(&key.public_key),
            KeyStanding::OutOfTerm | KeyStanding::Revoked => Err(KeyError::NotValid(authority)),
        }
    }
}
