//! Client for the CME transfer protocol.
//!
//! A [`Client`] speaks for one authority. It takes every address, certificate pin and key from the signed
//! directory, so there is nothing to configure for a peer and nobody to trust beside the directory. Whatever
//! it returns has been verified: a receipt is a [`Signed`](cme_spec::envelope::Signed) receipt for the entry
//! that was sent, a fetched ledger was applied entry by entry.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use cme_client::{Client, Identity, SharedDirectory};
//! use cme_spec::{canonical::{Json, Limits}, directory::Archive};
//!
//! let directory = Json::decode(&std::fs::read("directory.json")?, &Limits::COLLECTION)?;
//! let directory = SharedDirectory::new(Archive::start(&directory, None)?);
//! let identity = Identity::from_pem(&std::fs::read("373.cert.pem")?, &std::fs::read("373.key.pem")?)?;
//! let client = Client::new("373".parse()?, identity, directory);
//! let capabilities = client.peer("330".parse()?)?.capabilities().await?;
//! println!("Birmingham holds {:?}", capabilities.protocols);
//! # Ok(()) }
//! ```

pub mod broadcast;
mod directory;
mod error;
mod peer;
mod retry;
#[cfg(test)]
mod scripted;
pub mod tls;
pub mod transport;

pub use self::broadcast::broadcast;
pub use self::directory::SharedDirectory;
pub use self::error::{ClientError, Unproven, Unreached};
pub use self::peer::{
    Answers, Client, Delivered, Entries, FetchedLedger, Heads, PeerClient, ReceiptStatus, proven_answer,
};
pub use self::retry::{PAUSE_MAX, RetryPolicy};
pub use self::tls::{Identity, IdentityError};
pub use self::transport::{PinnedHttps, Transport};
