//! Those who are told, small and real: a mail relay and a webhook's receiver, each on a socket of its own.

use std::collections::{HashMap, VecDeque};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::support::{PATIENCE, free_address};

/// A certification authority of its own, and what a server under it shows for 127.0.0.1.
pub(crate) struct Authority {
    pub(crate) pem: String,
    pub(crate) server: Arc<ServerConfig>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let (ca_key, key) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let root = params.self_signed(&ca_key).unwrap();
        let issuer = rcgen::Issuer::new(params, ca_key);
        let leaf = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let leaf = leaf.signed_by(&key, &issuer).unwrap();
        let key = rustls::pki_types::PrivatePkcs8KeyDer::from(key.serialize_der());
        let server = ServerConfig::builder_with_provider(cme_client::tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], key.into())
            .unwrap();
        Self { pem: root.pem(), server: Arc::new(server) }
    }
}

trait Conversation: Read + Write + Send {}

impl<T: Read + Write + Send> Conversation for T {}

fn secured(stream: TcpStream, config: &Arc<ServerConfig>) -> Box<dyn Conversation> {
    Box::new(StreamOwned::new(ServerConnection::new(Arc::clone(config)).unwrap(), stream))
}

/// A line without its end; nothing when the other side has left.
fn line(stream: &mut dyn Conversation) -> Option<String> {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(b"\r\n") {
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        text.push(byte[0]);
    }
    text.truncate(text.len() - 2);
    String::from_utf8(text).ok()
}

/// Serves each connection on a thread of its own.
fn serve(handle: impl Fn(TcpStream) + Send + Clone + 'static) -> SocketAddr {
    let address = free_address();
    let listener = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let handle = handle.clone();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            std::thread::spawn(move || handle(stream));
        }
    });
    address
}

/// How a relay protects its connections.
#[derive(Clone)]
pub(crate) enum Protection {
    None,
    Starttls(Arc<ServerConfig>),
    Tls(Arc<ServerConfig>),
}

/// A letter that was taken, and whether it came under TLS from a known account.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) text: String,
    pub(crate) secured: bool,
    pub(crate) account: Option<String>,
}

impl Letter {
    /// A header field.
    pub(crate) fn field(&self, name: &str) -> &str {
        let start = format!("{name}: ");
        let found = self.text.lines().find_map(|line| line.strip_prefix(&start));
        found.unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }
}

/// A mail relay.
#[derive(Clone)]
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    state: Arc<RelayState>,
}

struct RelayState {
    protection: Protection,
    letters: Mutex<Vec<Letter>>,
    commands: Mutex<Vec<String>>,
    answers: Mutex<HashMap<String, VecDeque<String>>>,
}

impl Relay {
    pub(crate) fn start(protection: Protection) -> Self {
        let state = Arc::new(RelayState {
            protection,
            letters: Mutex::default(),
            commands: Mutex::default(),
            answers: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        let address = serve(move |stream| {
            let _ = shared.converse(stream);
        });
        Self { address, state }
    }

    /// The next time it hears that command, it answers so.
    pub(crate) fn answer(&self, command: &str, answer: &str) {
        let mut answers = self.state.answers.lock().unwrap();
        answers.entry(command.to_owned()).or_default().push_back(answer.to_owned());
    }

    pub(crate) fn letters(&self) -> Vec<Letter> {
        self.state.letters.lock().unwrap().clone()
    }

    /// Every command that it heard.
    pub(crate) fn commands(&self) -> Vec<String> {
        self.state.commands.lock().unwrap().clone()
    }
}

impl RelayState {
    /// The answer to a command, and whether the command was taken.
    fn say(&self, stream: &mut dyn Conversation, verb: &str, otherwise: &str) -> Option<bool> {
        let told = self.answers.lock().unwrap().get_mut(verb).and_then(VecDeque::pop_front);
        let answer = told.unwrap_or_else(|| otherwise.to_owned());
        stream.write_all(format!("{answer}\r\n").as_bytes()).ok()?;
        stream.flush().ok()?;
        Some(answer.starts_with(['2', '3']))
    }

    fn converse(&self, tcp: TcpStream) -> Option<()> {
        let plain = tcp.try_clone().unwrap();
        let (mut stream, mut is_secured): (Box<dyn Conversation>, bool) = match &self.protection {
            Protection::Tls(config) => (secured(tcp, config), true),
            _ => (Box::new(tcp), false),
        };
        self.say(&mut *stream, "CONNECT", "220 relay.example ESMTP")?;
        let (mut account, mut from, mut to) = (None, String::new(), String::new());
        loop {
            let command = line(&mut *stream)?;
            self.commands.lock().unwrap().push(command.clone());
            let verb = command.split([' ', ':']).next()?.to_owned();
            let argument = || command.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
            match verb.as_str() {
                "EHLO" => {
                    let starttls = matches!(self.protection, Protection::Starttls(_)) && !is_secured;
                    let more = if starttls { "250-STARTTLS\r\n" } else { "250-AUTH PLAIN LOGIN\r\n" };
                    self.say(&mut *stream, "EHLO", &format!("250-relay.example\r\n{more}250 8BITMIME"))?;
                }
                "STARTTLS" => {
                    let Protection::Starttls(config) = &self.protection else { return None };
                    self.say(&mut *stream, "STARTTLS", "220 go ahead")?;
                    stream = secured(plain.try_clone().unwrap(), config);
                    is_secured = true;
                }
                "AUTH" => {
                    let secret = command.rsplit(' ').next()?;
                    let secret = base64::engine::general_purpose::STANDARD.decode(secret).ok()?;
                    account = Some(String::from_utf8(secret).ok()?.replace('\0', "/"));
                    self.say(&mut *stream, "AUTH", "235 welcome")?;
                }
                "MAIL" => {
                    from = argument();
                    self.say(&mut *stream, "MAIL", "250 fine")?;
                }
                "RCPT" => {
                    to = argument();
                    self.say(&mut *stream, "RCPT", "250 fine")?;
                }
                "DATA" => {
                    if !self.say(&mut *stream, "DATA", "354 go ahead")? {
                        continue;
                    }
                    let mut text = String::new();
                    while let Some(part) = line(&mut *stream).filter(|part| part != ".") {
                        text += part.strip_prefix('.').unwrap_or(&part);
                        text.push('\n');
                    }
                    if self.say(&mut *stream, "END", "250 queued")? {
                        let (from, to, account) = (from.clone(), to.clone(), account.clone());
                        let letter = Letter { from, to, text, secured: is_secured, account };
                        self.letters.lock().unwrap().push(letter);
                    }
                }
                "QUIT" => return self.say(&mut *stream, "QUIT", "221 bye").map(|_| ()),
                _ => drop(self.say(&mut *stream, &verb, "502 unknown")?),
            }
        }
    }
}

/// A document that was posted.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) fields: HashMap<String, String>,
    pub(crate) body: String,
}

impl Post {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// A webhook's receiver.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    posts: Arc<Mutex<Vec<Post>>>,
    answers: Arc<Mutex<VecDeque<Answer>>>,
}

/// What a receiver does with the next post.
#[derive(Clone, Copy)]
pub(crate) enum Answer {
    Status(u16),
    /// It reads and says nothing.
    Silence,
}

impl Receiver {
    pub(crate) fn start(tls: Option<Arc<ServerConfig>>) -> Self {
        let posts: Arc<Mutex<Vec<Post>>> = Arc::default();
        let answers: Arc<Mutex<VecDeque<Answer>>> = Arc::default();
        let (taken, told) = (Arc::clone(&posts), Arc::clone(&answers));
        let address = serve(move |stream| {
            let mut stream = match &tls {
                Some(config) => secured(stream, config),
                None => Box::new(stream),
            };
            while let Some(post) = read_post(&mut *stream) {
                taken.lock().unwrap().push(post);
                let answer = told.lock().unwrap().pop_front().unwrap_or(Answer::Status(204));
                let Answer::Status(status) = answer else {
                    // Until the other side gives up.
                    let _ = stream.read(&mut [0]);
                    return;
                };
                let head = format!("HTTP/1.1 {status} said\r\ncontent-length: 0\r\n\r\n");
                if stream.write_all(head.as_bytes()).and_then(|()| stream.flush()).is_err() {
                    return;
                }
            }
        });
        Self { address, posts, answers }
    }

    pub(crate) fn answer(&self, answer: Answer) {
        self.answers.lock().unwrap().push_back(answer);
    }

    pub(crate) fn posts(&self) -> Vec<Post> {
        self.posts.lock().unwrap().clone()
    }
}

fn read_post(stream: &mut dyn Conversation) -> Option<Post> {
    let first = line(stream)?;
    assert!(first.starts_with("POST /told?by=cme HTTP/1.1"), "{first}");
    let mut fields = HashMap::new();
    loop {
        let field = line(stream)?;
        if field.is_empty() {
            break;
        }
        let (name, value) = field.split_once(": ").unwrap();
        fields.insert(name.to_lowercase(), value.to_owned());
    }
    let mut body = vec![0; fields["content-length"].parse().unwrap()];
    stream.read_exact(&mut body).ok()?;
    Some(Post { fields, body: String::from_utf8(body).unwrap() })
}
