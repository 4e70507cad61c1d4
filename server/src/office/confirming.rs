//! Cases that a restore touched, until an officer has looked at them.

use cme_spec::ids::AuthorityCode;
use cme_spec::instant::TransferId;

use super::OfficeError;
use crate::node::Node;
use crate::store::pairs;

/// An officer has looked at a case that a restore touched: it is as the ledger says. Implements: RCV-011
pub async fn confirm(node: &Node, by: AuthorityCode, transfer: TransferId) -> Result<(), OfficeError> {
    let now = node.now();
    let confirmed = node.store().write(move |tx| pairs::confirm(tx, by, transfer, now)).await?;
    if confirmed { Ok(()) } else { Err(OfficeError::NothingToConfirm(transfer)) }
}
