//! Calls about queries and notices, each answer proven.

use cme_spec::digest::Digest;
use cme_spec::directory::Directory;
use cme_spec::envelope::{Envelope, Signed};
use cme_spec::instant::{NoticeId, QueryId};
use cme_spec::notice::{Acknowledgement, Notice};
use cme_spec::operation::put_query::QueryAnswers;
use cme_spec::operation::{put_acknowledgement, put_answer, put_notice, put_query, withdraw_query};
use cme_spec::query::{self, Answer, Asked, Query, check_answer};
use cme_spec::receipt::{Stored, StoredKind};

use super::PeerClient;
use crate::error::{ClientError, Unproven};

/// The answers to a query so far, each proven and in its place.
#[derive(Clone, Debug)]
pub struct Answers(Vec<Signed<Answer>>);

impl Answers {
    /// The answers in order, from number 0; never empty.
    pub fn all(&self) -> &[Signed<Answer>] {
        &self.0
    }

    /// The newest answer, which counts.
    ///
    /// # Panics
    /// Never: there is always an answer of number 0.
    pub fn newest(&self) -> &Answer {
        self.0.last().expect("an answer of number 0").content()
    }
}

impl PeerClient {
    /// Asks whether the peer knows a child. The answers are those to this query, by this authority, in an order
    /// that the text allows. Implements: QRY-013
    pub async fn put_query(&self, query: &Query) -> Result<Answers, ClientError> {
        let url = self.url(&format!("/v1/queries/{}", query.header().query));
        let bytes = query.to_json().canonical_bytes();
        let answer = self.call(&put_query::OPERATION, &url, Some(bytes)).await?;
        let listed = self.proven(QueryAnswers::read(&answer.json).map_err(Unproven::from))?;
        let directory = self.directory()?;
        let mut answers = Vec::with_capacity(listed.answers.len());
        for json in &listed.answers {
            let envelope = self.proven(Envelope::read(json).map_err(Unproven::from))?;
            answers.push(self.proven(proven_answer(query, envelope, &answers, directory))?);
        }
        Ok(Answers(answers))
    }

    /// Brings the peer a later answer to its query. Implements: QRY-018
    pub async fn put_answer(&self, answer: &Envelope<Answer>) -> Result<Signed<Stored>, ClientError> {
        let Answer { query, number, .. } = answer.content();
        let url = self.url(&format!("/v1/queries/{query}/answers/{number}"));
        let sent = Some(answer.canonical_text().into_bytes());
        let told = self.call(&put_answer::OPERATION, &url, sent).await?;
        self.stored(&told.json, StoredKind::Answer, &query.to_string(), answer.digest())
    }

    /// Asks the peer no more: `digest` is that of the query's header. Implements: STQ-012
    pub async fn withdraw_query(
        &self,
        query: QueryId,
        digest: Digest,
    ) -> Result<Signed<Stored>, ClientError> {
        let url = self.url(&format!("/v1/queries/{query}"));
        let told = self.call(&withdraw_query::OPERATION, &url, None).await?;
        self.stored(&told.json, StoredKind::Withdrawal, &query.to_string(), digest)
    }

    /// Tells the peer a fact about a child of its area.
    pub async fn put_notice(&self, notice: &Notice) -> Result<Signed<Stored>, ClientError> {
        let id: NoticeId = notice.header().notice;
        let url = self.url(&format!("/v1/notices/{id}"));
        let sent = Some(notice.to_json().canonical_bytes());
        let told = self.call(&put_notice::OPERATION, &url, sent).await?;
        self.stored(&told.json, StoredKind::Notice, &id.to_string(), notice.header_digest())
    }

    /// Tells the peer that a person has read its notice.
    pub async fn put_acknowledgement(
        &self,
        said: &Envelope<Acknowledgement>,
    ) -> Result<Signed<Stored>, ClientError> {
        let id = said.content().notice;
        let url = self.url(&format!("/v1/notices/{id}/acknowledgement"));
        let sent = Some(said.canonical_text().into_bytes());
        let told = self.call(&put_acknowledgement::OPERATION, &url, sent).await?;
        self.stored(&told.json, StoredKind::Acknowledgement, &id.to_string(), said.digest())
    }

    /// The peer's storage receipt, when it is one for what was sent. Implements: RCP-012
    fn stored(
        &self,
        json: &cme_spec::canonical::Json,
        kind: StoredKind,
        id: &str,
        digest: Digest,
    ) -> Result<Signed<Stored>, ClientError> {
        let stored: Signed<Stored> =
            self.document(json, |stored: &Stored| (stored.by, stored.received_at))?;
        let said = stored.content();
        let fits = said.kind == kind && said.id == id && said.digest == digest && said.by == self.code;
        if fits { Ok(stored) } else { self.proven(Err(Unproven::OtherMatter)) }
    }
}

/// The answer, when a key of the authority that was asked signed it, and it fits the query and what came before.
///
/// For whoever receives an answer, in the answer to the query or pushed later. Implements: QRY-012, QRY-013
pub fn proven_answer(
    query: &Query,
    answer: Envelope<Answer>,
    before: &[Signed<Answer>],
    directory: &Directory,
) -> Result<Signed<Answer>, Unproven> {
    let body = query::check(query).map_err(|_| Unproven::OtherMatter)?;
    let fields = body.subject.fields();
    let asked = Asked { header: query.header(), digest: query.header_digest(), fields: &fields };
    let before: Vec<Answer> = before.iter().map(|answer| answer.content().clone()).collect();
    check_answer(answer.content(), &asked, &before)?;
    let (by, at) = (answer.content().by, answer.content().answered_at);
    Ok(directory.check_document(answer, by, at)?)
}

#[cfg(test)]
mod tests;
