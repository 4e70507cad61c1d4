//! Servers that do nothing of what the text asks. No case may pass against one of them.

use std::net::{Ipv4Addr, SocketAddr};

use crate::draft::uuid;
use crate::host::message;
use crate::identity::Identity;
use crate::json::Json;
use crate::wire::{Answer, Incoming, ListenError, Listener, TlsStyle};

/// One of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Null {
    Close,
    Hang,
    Drip,
    EmptyObject,
    BadRequest,
    Unauthorised,
    NotFound,
    ServerError,
    Echo,
    RandomJson,
}

impl Null {
    /// Every one.
    pub(crate) const ALL: [Self; 10] = [
        Self::Close,
        Self::Hang,
        Self::Drip,
        Self::EmptyObject,
        Self::BadRequest,
        Self::Unauthorised,
        Self::NotFound,
        Self::ServerError,
        Self::Echo,
        Self::RandomJson,
    ];

    /// Starts it on a free port of loopback.
    pub(crate) fn start(self, identity: &Identity) -> Result<Listener, ListenError> {
        let socket = Listener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        Listener::start(socket, identity, TlsStyle::STRICT, move |incoming| self.answer(incoming))
    }

    fn answer(self, incoming: &Incoming) -> Answer {
        let of = |status: u16, content: &str| Answer::Bytes(message(status, "application/json", "", content));
        match self {
            Self::Close => Answer::Close,
            Self::Hang => Answer::Hang,
            Self::Drip => Answer::Drip,
            Self::EmptyObject => of(200, "{}"),
            Self::BadRequest => of(400, "{}"),
            Self::Unauthorised => of(401, "{}"),
            Self::NotFound => of(404, "{}"),
            Self::ServerError => of(500, "{}"),
            Self::Echo => of(200, &String::from_utf8_lossy(&incoming.request.content)),
            Self::RandomJson => {
                of(201, &Json::object([("receipt", uuid().into()), ("next", uuid().into())]).plain())
            }
        }
    }
}
