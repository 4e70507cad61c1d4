//! The network on disk: `peers.json`, which holds the private keys of invented authorities.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Authority, Kind, World};
use crate::encoding::{base64url, from_base64url};
use crate::identity::Identity;
use crate::json::{Json, ParseError};
use crate::jws::SigningKey;

/// Why the file can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("{}: {cause}", path.display())]
    Io { path: PathBuf, cause: std::io::Error },
    #[error("{}: {cause}", path.display())]
    Json { path: PathBuf, cause: ParseError },
    #[error("{} is not a file of peers: run `cme-conformance init` again", .0.display())]
    Form(PathBuf),
}

impl World {
    /// The network as text.
    pub(crate) fn to_text(&self) -> String {
        let authorities = self.authorities.iter().map(|authority| {
            let key = |key: &SigningKey| base64url(key.pkcs8()).into();
            Json::object([
                ("code", authority.code.as_str().into()),
                ("kind", authority.kind.name().into()),
                ("client", identity(&authority.client)),
                ("key", key(&authority.key)),
                ("retired", key(&authority.retired)),
                ("revoked", key(&authority.revoked)),
                ("toCome", key(&authority.to_come)),
            ])
        });
        let world = Json::object([
            ("baseUrl", self.base_url.as_str().into()),
            ("server", identity(&self.server)),
            ("root", base64url(self.root.pkcs8()).into()),
            ("authorities", authorities.collect::<Vec<_>>().into()),
        ]);
        world.plain()
    }

    /// The network that `init` wrote.
    pub(crate) fn load(path: &Path) -> Result<Self, FileError> {
        let bytes = std::fs::read(path).map_err(|cause| FileError::Io { path: path.to_owned(), cause })?;
        let json = Json::read(&bytes).map_err(|cause| FileError::Json { path: path.to_owned(), cause })?;
        Self::from_json(&json).ok_or_else(|| FileError::Form(path.to_owned()))
    }

    fn from_json(json: &Json) -> Option<Self> {
        let authorities = json.member("authorities")?.items().iter().map(authority);
        Some(Self {
            authorities: authorities.collect::<Option<_>>()?,
            server: read_identity(json.member("server")?)?,
            root: read_key(json, "/root")?,
            base_url: json.text_at("/baseUrl")?.to_owned(),
            codes: std::sync::OnceLock::new(),
        })
    }
}

fn authority(json: &Json) -> Option<Arc<Authority>> {
    let kind = json.text_at("/kind")?;
    Some(Arc::new(Authority {
        code: json.text_at("/code")?.to_owned(),
        kind: Kind::ALL.into_iter().find(|held| held.name() == kind)?,
        client: read_identity(json.member("client")?)?,
        key: read_key(json, "/key")?,
        retired: read_key(json, "/retired")?,
        revoked: read_key(json, "/revoked")?,
        to_come: read_key(json, "/toCome")?,
    }))
}

fn identity(identity: &Identity) -> Json {
    Json::object([
        ("certificate", base64url(&identity.certificate).into()),
        ("key", base64url(&identity.key).into()),
    ])
}

fn read_identity(json: &Json) -> Option<Identity> {
    let bytes = |member| json.text_at(member).and_then(from_base64url);
    Some(Identity { certificate: bytes("/certificate")?, key: bytes("/key")? })
}

fn read_key(json: &Json, member: &str) -> Option<SigningKey> {
    SigningKey::from_pkcs8(&json.text_at(member).and_then(from_base64url)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_comes_back_from_its_file() {
        let world = World::of_size("330", "https://127.0.0.1:9443", 2).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("peers.json");
        std::fs::write(&path, world.to_text()).unwrap();
        let back = World::load(&path).unwrap();
        assert_eq!(back.to_text(), world.to_text());
        let last = &back.authorities[back.authorities.len() - 1];
        assert_eq!(back.code_of(&last.client.pin().unwrap()), Some(last.code.as_str()));
        assert_eq!(back.code_of("a stranger's"), None);
        std::fs::write(&path, "{}").unwrap();
        assert!(matches!(World::load(&path), Err(FileError::Form(_))));
    }
}
