//! The network between deployments: every request and every answer lies in it until somebody carries it on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cme_client::Transport;
use cme_client::transport::{BoxFuture, Request, Response, TransportError, Whole};
use tokio::sync::{Notify, oneshot};

use crate::wire::Answer;

/// Names a message.
pub(crate) type Number = u64;

/// Where the sender hears what came of its request.
type Waiter = oneshot::Sender<Result<Answer, TransportError>>;

/// A request on its way, then its answer on the way back.
struct Message {
    from: usize,
    request: Request,
    answer: Option<Answer>,
    /// Gone when the sender has given up, or when this is a copy that nobody waits for.
    waiter: Option<Waiter>,
}

#[derive(Default)]
struct State {
    next: Number,
    messages: BTreeMap<Number, Message>,
}

/// The network. Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Network(Arc<(Mutex<State>, Notify)>);

/// What lies on the network, for who chooses.
#[derive(Clone)]
pub(crate) struct Lying {
    pub(crate) number: Number,
    pub(crate) from: usize,
    pub(crate) request: Request,
    pub(crate) answered: bool,
    pub(crate) awaited: bool,
}

impl Network {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that lies on it, oldest first.
    pub(crate) fn lying(&self) -> Vec<Lying> {
        let lying = |(number, message): (&Number, &Message)| Lying {
            number: *number,
            from: message.from,
            request: message.request.clone(),
            answered: message.answer.is_some(),
            awaited: message.waiter.is_some(),
        };
        self.state().messages.iter().map(lying).collect()
    }

    /// How many senders of a deployment wait.
    pub(crate) fn waiting(&self, from: usize) -> usize {
        let waits = |waiter: &Waiter| !waiter.is_closed();
        let awaited = |message: &&Message| message.from == from && message.waiter.as_ref().is_some_and(waits);
        self.state().messages.values().filter(awaited).count()
    }

    /// Waits until a sender has begun to wait.
    pub(crate) async fn grown(&self) {
        self.0.1.notified().await;
    }

    /// The request has arrived and this is its answer; it lies here until it is carried back.
    pub(crate) fn answer(&self, number: Number, answer: Answer) {
        let mut state = self.state();
        match state.messages.get_mut(&number) {
            Some(message) if message.waiter.is_some() => message.answer = Some(answer),
            _ => drop(state.messages.remove(&number)),
        }
    }

    /// The answer arrives at the sender.
    pub(crate) fn bring_back(&self, number: Number) {
        let message = self.state().messages.remove(&number);
        if let Some(Message { answer: Some(answer), waiter: Some(waiter), .. }) = message {
            let _ = waiter.send(Ok(answer));
        }
    }

    /// The message is gone, and its sender hears of a failure.
    pub(crate) fn lose(&self, number: Number, error: TransportError) {
        let message = self.state().messages.remove(&number);
        if let Some(waiter) = message.and_then(|message| message.waiter) {
            let _ = waiter.send(Err(error));
        }
    }

    /// The sender waits no longer. A request that has not arrived yet still can.
    pub(crate) fn give_up(&self, number: Number) {
        let mut state = self.state();
        let Some(message) = state.messages.get_mut(&number) else { return };
        let waiter = message.waiter.take();
        if message.answer.is_some() {
            state.messages.remove(&number);
        }
        drop(state);
        if let Some(waiter) = waiter {
            let _ = waiter.send(Err(TransportError::TimedOut));
        }
    }

    /// The same request lies here once more; nobody waits for what it gives.
    pub(crate) fn repeat(&self, number: Number) {
        let mut state = self.state();
        let Some(message) = state.messages.get(&number) else { return };
        let copy =
            Message { from: message.from, request: message.request.clone(), answer: None, waiter: None };
        let next = state.next;
        state.next += 1;
        state.messages.insert(next, copy);
    }

    /// A deployment is gone: what it sent may still arrive, but nobody waits.
    pub(crate) fn forget_waiters(&self, from: usize) {
        let mut state = self.state();
        state.messages.retain(|_, message| message.from != from || message.answer.is_none());
        state.messages.values_mut().filter(|message| message.from == from).for_each(|message| {
            message.waiter = None;
        });
    }

    fn post(&self, from: usize, request: Request) -> oneshot::Receiver<Result<Answer, TransportError>> {
        let (waiter, told) = oneshot::channel();
        let mut state = self.state();
        let number = state.next;
        state.next += 1;
        state.messages.insert(number, Message { from, request, answer: None, waiter: Some(waiter) });
        drop(state);
        self.0.1.notify_one();
        told
    }
}

/// The way of one deployment into the network.
pub(crate) struct Line {
    pub(crate) network: Network,
    pub(crate) from: usize,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Line({})", self.from)
    }
}

impl Transport for Line {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            let told = self.network.post(self.from, request);
            let Answer { status, content_type, retry_after, body } =
                told.await.unwrap_or(Err(TransportError::Broken))?;
            Ok(Response { status, content_type, retry_after, body: Box::new(Whole::new(body)) })
        })
    }
}
