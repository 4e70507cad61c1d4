//! The directory as many threads use it: read often, replaced seldom.

use std::sync::{Arc, RwLock};

use cme_spec::directory::Archive;

/// A handle on the newest directory. Clones share it.
#[derive(Clone, Debug)]
pub struct SharedDirectory(Arc<RwLock<Arc<Archive>>>);

impl SharedDirectory {
    /// Shares an archive.
    pub fn new(archive: Archive) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(archive))))
    }

    /// The archive as it is now; stays the same for who holds it.
    pub fn current(&self) -> Arc<Archive> {
        let archive = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(&archive)
    }

    /// Everyone who asks from now on gets this archive.
    pub fn replace(&self, archive: Archive) {
        let mut held = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        *held = Arc::new(archive);
    }
}
