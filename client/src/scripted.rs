//! A transport for tests: each request is answered by a function, and counted while it is in flight.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cme_spec::canonical::Json;
use cme_spec::directory::{Archive, Directory};
use cme_spec::envelope::Envelope;
use cme_spec::example;
use cme_spec::problem::{MEDIA_TYPE, Problem, ProblemType};

use crate::transport::{BoxFuture, Request, Response, Transport, TransportError, Whole};
use crate::{Client, RetryPolicy, SharedDirectory};

/// Times that a request lets others run before it is answered.
const TURNS: usize = 20;

type Answer = Result<(u16, Json), TransportError>;

pub(crate) struct Scripted {
    answer: Box<dyn Fn(&Request) -> Answer + Send + Sync>,
    retry_after: Option<String>,
    flying: AtomicUsize,
    /// The most requests that were in flight at one time.
    pub(crate) most: AtomicUsize,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl Scripted {
    pub(crate) fn new(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self::answering(answer))
    }

    /// Refuses everything for its quota, and asks to wait for so many seconds.
    pub(crate) fn asking_to_wait(seconds: &str) -> Arc<Self> {
        let refuses = Self::answering(|_| Ok(refusal(ProblemType::QuotaExceeded)));
        Arc::new(Self { retry_after: Some(seconds.to_owned()), ..refuses })
    }

    fn answering(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let [flying, most] = [0, 0].map(AtomicUsize::new);
        Self { answer: Box::new(answer), retry_after: None, flying, most }
    }
}

impl Transport for Scripted {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            let flying = self.flying.fetch_add(1, Ordering::SeqCst) + 1;
            self.most.fetch_max(flying, Ordering::SeqCst);
            for _ in 0..TURNS {
                tokio::task::yield_now().await;
            }
            self.flying.fetch_sub(1, Ordering::SeqCst);
            let (status, json) = (self.answer)(&request)?;
            let content_type = if status < 300 { "application/json" } else { MEDIA_TYPE };
            Ok(Response {
                status,
                content_type: Some(content_type.to_owned()),
                retry_after: self.retry_after.clone(),
                body: Box::new(Whole::new(json.canonical_bytes())),
            })
        })
    }
}

/// A refusal of that kind.
pub(crate) fn refusal(kind: ProblemType) -> (u16, Json) {
    (kind.status(), Json::from_typed(&Problem::new(kind)).unwrap())
}

/// The example directory after a change, in use.
pub(crate) fn directory(change: impl Fn(&mut Directory)) -> SharedDirectory {
    let mut directory = example::directory();
    change(&mut directory);
    let signed = Envelope::sign(directory, &example::root_key()).to_json();
    SharedDirectory::new(Archive::start(&signed, None).unwrap())
}

/// Sheffield's client over a scripted transport, one attempt for each call.
pub(crate) fn client(transport: &Arc<Scripted>, directory: SharedDirectory) -> Client {
    let transport: Arc<dyn Transport> = Arc::<Scripted>::clone(transport);
    Client::over(transport, example::code("373"), directory).with_retry(RetryPolicy::once())
}
