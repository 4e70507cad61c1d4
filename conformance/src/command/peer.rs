//! `peer`: a reference peer that stands alone, sound or with a fault, for somebody to try a server or the suite on.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::{Trouble, judge, terminal};
use crate::adapter::Line;
use crate::declaration::Declaration;
use crate::encoding::{base64url, from_base64url};
use crate::host::recorded;
use crate::identity::Identity;
use crate::json::Json;
use crate::jws::SigningKey;
use crate::reference::{Fault, Reference, Role, record};
use crate::wire::Listener;
use crate::world::WorldError;

/// Code of the authority that a peer of its own plays.
const CODE: &str = "330";

const RECORD: &str = "330.record.json";
const KEYS: &str = "peer.json";
const DIRECTORY: &str = "directory.json";

/// Which peer is wanted.
pub(super) struct PeerWish<'a> {
    pub(super) folder: &'a Path,
    pub(super) authority: Option<&'a str>,
    pub(super) home: Option<&'a Path>,
    pub(super) listen: SocketAddr,
    pub(super) fault: Option<&'a str>,
    pub(super) adapter: bool,
}

/// Runs until the program is told to end; or makes the peer's folder, and says what comes next.
pub(super) fn peer(wish: &PeerWish<'_>) -> Result<String, Trouble> {
    let fault = wish.fault.map(named).transpose()?;
    if let (Some(home), true) = (wish.home, wish.adapter) {
        return adapt(home, fault);
    }
    let (role, directory, listen) = match wish.home {
        None => of_suite(wish)?,
        Some(home) if home.join(DIRECTORY).exists() => of_its_own(home)?,
        Some(home) if home.join(KEYS).exists() => return Ok(next(home)),
        Some(home) => {
            make(home, wish.listen)?;
            return Ok(next(home));
        }
    };
    let code = role.code.clone();
    let named = code.clone();
    let socket = Listener::bind(listen)?;
    let peer =
        Reference::on(socket, Arc::new(role), Arc::new(directory), (fault, None), move |asked, said| {
            judge::progress(&terminal::served(&recorded(&named, asked, said, Instant::now())));
        })?;
    let broken = fault.map_or("sound".to_owned(), |fault| {
        format!("it {}, which breaks {}", fault.name().replace('-', " "), fault.breaks())
    });
    judge::progress(&format!("authority {code} at https://{}/{code}: {broken}\nuntil Ctrl-C", peer.address));
    loop {
        std::thread::park();
    }
}

/// Runs as long as the suite speaks, with the directory that its first line brings.
fn adapt(home: &Path, fault: Option<Fault>) -> Result<String, Trouble> {
    let (role, listen) = keys_of(home)?;
    let mut role = Some(role);
    let mut running: Option<(Reference, Box<dyn Line>)> = None;
    for line in std::io::stdin().lines() {
        let line = Json::read(line?.as_bytes()).map_err(|_| Trouble::AdapterLine)?;
        if let Some(role) = role.take() {
            let directory = line.member("directory").cloned().ok_or(Trouble::AdapterLine)?;
            let socket = Listener::bind(listen)?;
            let ways = (fault, None);
            let peer = Reference::on(socket, Arc::new(role), Arc::new(directory), ways, |_, _| {})?;
            let officer = peer.officer();
            running = Some((peer, officer));
        }
        let Some((_, officer)) = &mut running else { return Err(Trouble::AdapterLine) };
        let answer = officer.exchange(&line).map_err(|_| Trouble::AdapterLine)?;
        let mut out = std::io::stdout();
        out.write_all((answer.plain() + "\n").as_bytes()).and_then(|()| out.flush())?;
    }
    Ok(String::new())
}

fn named(name: &str) -> Result<Fault, Trouble> {
    let fault = Fault::ALL.iter().find(|fault| fault.name() == name);
    fault.copied().ok_or_else(|| Trouble::UnknownFault(name.to_owned()))
}

/// One of the suite's authorities, where the directory says that it is.
fn of_suite(wish: &PeerWish<'_>) -> Result<(Role, Json, SocketAddr), Trouble> {
    let declaration = Declaration::load(wish.folder)?;
    let world = declaration.world()?;
    let asked = |code: &str| wish.authority.is_none_or(|wanted| wanted == code);
    let authority = world.authorities.iter().find(|authority| asked(&authority.code));
    let unknown = || Trouble::UnknownAuthority(wish.authority.unwrap_or_default().to_owned());
    let authority = authority.ok_or_else(unknown)?;
    let key = SigningKey::from_pkcs8(authority.key.pkcs8()).map_err(WorldError::from)?;
    let (server, client) = (world.server.clone(), authority.client.clone());
    let retired = SigningKey::from_pkcs8(authority.retired.pkcs8()).map_err(WorldError::from)?;
    let role = Role { code: authority.code.clone(), key, retired, server, client };
    Ok((role, declaration.directory()?, declaration.listen))
}

/// A peer that stands where a vendor's server would.
fn of_its_own(home: &Path) -> Result<(Role, Json, SocketAddr), Trouble> {
    let (role, listen) = keys_of(home)?;
    Ok((role, read(&home.join(DIRECTORY))?, listen))
}

/// Whom a peer of that folder plays, and where.
fn keys_of(home: &Path) -> Result<(Role, SocketAddr), Trouble> {
    let keys = read(&home.join(KEYS))?;
    let identity = |name: &str| {
        let bytes = |part| keys.text_at(&format!("/{name}/{part}")).and_then(from_base64url);
        Some(Identity { certificate: bytes("certificate")?, key: bytes("key")? })
    };
    let parts = || {
        let key = |name: &str| SigningKey::from_pkcs8(&keys.text_at(name).and_then(from_base64url)?).ok();
        let listen = keys.text_at("/listen")?.parse().ok()?;
        Some((
            Role {
                code: CODE.to_owned(),
                key: key("/key")?,
                retired: key("/retired")?,
                server: identity("server")?,
                client: identity("client")?,
            },
            listen,
        ))
    };
    parts().ok_or_else(|| Trouble::Home(home.join(KEYS)))
}

fn read(path: &Path) -> Result<Json, Trouble> {
    let bytes = std::fs::read(path).map_err(|cause| Trouble::File { path: path.to_owned(), cause })?;
    Json::read(&bytes).map_err(|_| Trouble::Home(path.to_owned()))
}

/// Writes the peer's record for `init`, and its keys.
fn make(home: &Path, listen: SocketAddr) -> Result<(), Trouble> {
    let role = Role {
        code: CODE.to_owned(),
        key: SigningKey::generate().map_err(WorldError::from)?,
        retired: SigningKey::generate().map_err(WorldError::from)?,
        server: Identity::generate("reference peer", &[listen.ip().to_string()]).map_err(WorldError::from)?,
        client: Identity::generate("reference peer", &[]).map_err(WorldError::from)?,
    };
    let identity = |identity: &Identity| {
        Json::object([
            ("certificate", base64url(&identity.certificate).into()),
            ("key", base64url(&identity.key).into()),
        ])
    };
    let keys = Json::object([
        ("listen", listen.to_string().into()),
        ("key", base64url(role.key.pkcs8()).into()),
        ("retired", base64url(role.retired.pkcs8()).into()),
        ("server", identity(&role.server)),
        ("client", identity(&role.client)),
    ]);
    let record = record(&role, &format!("https://{listen}/{CODE}")).map_err(WorldError::from)?;
    let failed = |path: PathBuf| move |cause| Trouble::File { path, cause };
    std::fs::create_dir_all(home).map_err(failed(home.to_owned()))?;
    let write = |name: &str, document: &Json| {
        let path = home.join(name);
        crate::declaration::write_secret(&path, document.plain().as_bytes())
    };
    write(RECORD, &record)?;
    Ok(write(KEYS, &keys)?)
}

fn next(home: &Path) -> String {
    let home = home.display();
    format!(
        "{home}/{RECORD} is the record of this peer. Next:\n\
         cme-conformance init --subject {home}/{RECORD} --folder suite\n\
         cp suite/{DIRECTORY} {home}/\n\
         cme-conformance peer --home {home}\n"
    )
}
