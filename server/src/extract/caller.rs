//! Who calls whom: the proof that a handler needs before it looks at anything.

use std::future::Future;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use cme_spec::canonical::INTEGER_MAX;
use cme_spec::directory::{Archive, Directory};
use cme_spec::envelope::Signed;
use cme_spec::ids::AuthorityCode;
use cme_spec::operation::INCARNATION_HEADER;
use cme_spec::problem::{Problem, ProblemType};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::Fault;
use crate::append::Told;
use crate::config::Limits;
use crate::node::{Hosted, Node};
use crate::notices::Desk;
use crate::peers;
use crate::tls::ShownPin;

/// Requests of each peer in a second.
pub struct RateLimits(DefaultKeyedRateLimiter<AuthorityCode>);

impl RateLimits {
    /// The configured limits.
    pub fn new(limits: &Limits) -> Self {
        let number = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota =
            Quota::per_second(number(limits.requests_per_second)).allow_burst(number(limits.requests_burst));
        Self(RateLimiter::keyed(quota))
    }
}

/// An authority that has proven itself, calling an authority that is hosted here.
///
/// The caller is known by its certificate's key alone: nothing in the request can change who it is. The pin
/// is looked up on every request, so a key that has left the directory is out on open connections too.
///
/// Implements: TRN-003, TRN-004, TRN-006, TRN-021
pub struct Caller {
    /// The deployment.
    pub node: Node,
    /// The authority that calls.
    pub authority: AuthorityCode,
    /// The authority that is called.
    hosted: AuthorityCode,
    /// The incarnation that the caller tells, if it tells one.
    incarnation: Option<u64>,
    /// The directory under which this request is judged.
    pub archive: Arc<Archive>,
}

impl Caller {
    /// The authority that is called.
    pub fn hosted(&self) -> Result<&Hosted, Fault> {
        self.node.hosted(self.hosted).ok_or_else(|| ProblemType::HostedUnknown.into())
    }

    /// The authority that is called, if its key may sign now: for an answer that holds its signed word.
    ///
    /// Implements: SIG-007
    pub fn signer(&self) -> Result<&Hosted, Fault> {
        let hosted = self.hosted()?;
        if let Err(error) = hosted.check_key(self.directory()?, self.node.now()) {
            tracing::error!(%error, "no head can be signed");
            return Err(ProblemType::Unavailable.into());
        }
        Ok(hosted)
    }

    /// The directory under which this request is judged.
    pub fn directory(&self) -> Result<&Directory, Fault> {
        self.archive.newest().map(Signed::content).ok_or_else(|| ProblemType::Unavailable.into())
    }

    /// Where what this request brings is judged.
    pub fn desk(&self) -> Result<Desk<'_>, Fault> {
        let directory = self.directory()?;
        Ok(Desk { node: &self.node, directory, hosted: self.hosted, caller: self.authority })
    }

    /// The incarnation under which an entry of this request comes.
    pub fn told(&self) -> Option<Told> {
        let told = |incarnation| Told { hosted: self.hosted, peer: self.authority, incarnation };
        self.incarnation.map(told)
    }

    /// Implements: RCV-002
    async fn hear(&self, incarnation: u64) -> Result<(), Fault> {
        let current = peers::hear(&self.node, self.hosted, self.authority, incarnation).await?;
        if current { Ok(()) } else { Err(ProblemType::IncarnationStale.into()) }
    }

    fn of(request: &HttpRequest) -> Result<Self, Fault> {
        let node = request.app_data::<web::Data<Node>>().ok_or(ProblemType::Internal)?.get_ref().clone();
        let archive = node.archive();
        let directory = archive.newest().map(Signed::content).ok_or(ProblemType::Unavailable)?;
        let shown = request.conn_data::<ShownPin>().ok_or(ProblemType::PeerUnknown)?;
        let authority = directory.caller(&shown.pin).ok_or(ProblemType::PeerUnknown)?;
        if shown.place.is_none() {
            return Err(ProblemType::RateLimited.into());
        }
        let limits = request.app_data::<web::Data<RateLimits>>().ok_or(ProblemType::Internal)?;
        limits.0.check_key(&authority).map_err(|_| ProblemType::RateLimited)?;
        let hosted: AuthorityCode = request
            .match_info()
            .get("hosted")
            .and_then(|code| code.parse().ok())
            .ok_or(ProblemType::HostedUnknown)?;
        if node.hosted(hosted).is_none() {
            return Err(ProblemType::HostedUnknown.into());
        }
        Ok(Self { node, authority, hosted, incarnation: None, archive })
    }
}

/// The incarnation that the request tells, if it tells one: a decimal integer from 1.
fn incarnation(request: &HttpRequest) -> Result<Option<u64>, Fault> {
    let Some(value) = request.headers().get(INCARNATION_HEADER) else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let number: Option<u64> = text.and_then(|text| text.parse().ok());
    let number = number.filter(|number| (1..=INTEGER_MAX.unsigned_abs()).contains(number));
    number.map(Some).ok_or_else(|| Problem::new(ProblemType::Malformed).detail("CME-Incarnation").into())
}

impl FromRequest for Caller {
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Fault>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let told = Self::of(request).and_then(|caller| Ok((caller, incarnation(request)?)));
        Box::pin(async move {
            let (caller, incarnation) = told?;
            if let Some(incarnation) = incarnation {
                caller.hear(incarnation).await?;
            }
            Ok(Self { incarnation, ..caller })
        })
    }
}
