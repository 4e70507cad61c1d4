//! `GET /v1/reconciliation`.

use actix_web::HttpResponse;
use cme_spec::envelope::Envelope;
use cme_spec::receipt::{ReconciledHead, Reconciliation, reconciliation_digest};

use super::ok;
use crate::extract::{Caller, Fault};
use crate::store::ledgers;

pub(crate) async fn get_reconciliation(caller: Caller) -> Result<HttpResponse, Fault> {
    let hosted = caller.signer()?;
    let pair = (hosted.code, caller.authority);
    let heads = caller.node.store().read(move |tx| ledgers::reconciled(tx, pair)).await?;
    let ledgers = heads.len() as u64;
    let heads = heads.into_iter().map(|(transfer, sequence, header_digest)| ReconciledHead {
        transfer,
        sequence,
        header_digest,
    });
    let content = Reconciliation {
        by: hosted.code,
        with: caller.authority,
        ledgers,
        digest: reconciliation_digest(heads.collect()),
        at: caller.node.now(),
        incarnation: caller.node.incarnation(),
        directory_issue: caller.directory()?.issue,
    };
    Ok(ok(&Envelope::sign(content, &hosted.signing).to_json()))
}
