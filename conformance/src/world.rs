//! The invented network around the subject: authorities with keys and certificates, and their directory.

mod directory;
mod file;
mod subject;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use crate::identity::{Identity, IdentityError};
use crate::jws::{KeyError, SigningKey};

pub(crate) use self::directory::{CLOCK_SKEW_SECONDS_MAX, stray_kid};
pub(crate) use self::file::FileError;
pub(crate) use self::subject::{RecordError, Subject};

/// Ordinary authorities that a directory of the suite holds: each hostile case takes a fresh one.
pub(crate) const ORDINARY: usize = 480;

/// Authorities of each other kind.
pub(crate) const OF_EACH_KIND: usize = 8;

/// What sets an authority of the suite apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing.
    Ordinary,
    /// It ended two days ago; its residuary successor is an ordinary one.
    Ended,
    /// It begins in a month.
    ToCome,
    /// Its base URL shows a certificate that is not among its server pins.
    WrongPin,
    /// It was restored often: its incarnation is told by the clock.
    Restored,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] =
        [Self::Ordinary, Self::Ended, Self::ToCome, Self::WrongPin, Self::Restored];

    /// Its place among them.
    pub(crate) const fn index(self) -> usize {
        self as usize
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::Ended => "ended",
            Self::ToCome => "to-come",
            Self::WrongPin => "wrong-pin",
            Self::Restored => "restored",
        }
    }
}

/// An authority that the suite plays.
pub(crate) struct Authority {
    pub(crate) code: String,
    pub(crate) kind: Kind,
    pub(crate) client: Identity,
    /// The key in its lifetime.
    pub(crate) key: SigningKey,
    /// A key that was retired an hour ago.
    pub(crate) retired: SigningKey,
    /// A key that was revoked an hour ago.
    pub(crate) revoked: SigningKey,
    /// A key that is valid from next month on.
    pub(crate) to_come: SigningKey,
}

/// Everything that `init` makes but the directory, which is the subject's to load.
pub(crate) struct World {
    pub(crate) authorities: Vec<Arc<Authority>>,
    /// What the listener that plays them all shows.
    pub(crate) server: Identity,
    pub(crate) root: SigningKey,
    /// Where they are reached: `https://host:port`.
    pub(crate) base_url: String,
    /// Codes by the pins of their certificates, worked out once.
    codes: OnceLock<BTreeMap<String, String>>,
}

/// Why no world can be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorldError {
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Authority {
    /// A new authority with everything.
    pub(crate) fn generate(code: String, kind: Kind) -> Result<Self, WorldError> {
        let client = Identity::generate(&format!("conformance peer {code}"), &[])?;
        Ok(Self {
            code,
            kind,
            client,
            key: SigningKey::generate()?,
            retired: SigningKey::generate()?,
            revoked: SigningKey::generate()?,
            to_come: SigningKey::generate()?,
        })
    }
}

impl World {
    /// A new network beside an authority of that code.
    pub(crate) fn generate(subject: &str, base_url: &str) -> Result<Self, WorldError> {
        Self::of_size(subject, base_url, ORDINARY)
    }

    /// A new network with that many ordinary authorities.
    pub(crate) fn of_size(subject: &str, base_url: &str, ordinary: usize) -> Result<Self, WorldError> {
        let kinds = Kind::ALL.into_iter().flat_map(|kind| {
            let count = if kind == Kind::Ordinary { ordinary } else { OF_EACH_KIND };
            std::iter::repeat_n(kind, count)
        });
        // No English authority has a code of this range today.
        let codes = (1..).map(|number: u32| format!("{number:03}")).filter(|code| code != subject);
        let authorities = codes
            .zip(kinds)
            .map(|(code, kind)| Authority::generate(code, kind).map(Arc::new))
            .collect::<Result<_, _>>()?;
        let host = host_of(base_url).unwrap_or("localhost").to_owned();
        let server = Identity::generate("conformance peers", &[host])?;
        Ok(Self {
            authorities,
            server,
            root: SigningKey::generate()?,
            base_url: base_url.to_owned(),
            codes: OnceLock::new(),
        })
    }

    /// The authority that shows a certificate of that pin.
    pub(crate) fn code_of(&self, pin: &str) -> Option<&str> {
        let pinned =
            |authority: &Arc<Authority>| Some((authority.client.pin().ok()?, authority.code.clone()));
        let codes = self.codes.get_or_init(|| self.authorities.iter().filter_map(pinned).collect());
        codes.get(pin).map(String::as_str)
    }

    /// Where an authority of the suite is reached.
    pub(crate) fn base_url_of(&self, code: &str) -> String {
        format!("{}/{code}", self.base_url)
    }
}

/// The host of an `https` URL, without brackets.
pub(crate) fn host_of(url: &str) -> Option<&str> {
    let authority = url.strip_prefix("https://")?.split('/').next()?;
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => authority.split(':').next()?,
    };
    (!host.is_empty()).then_some(host)
}
