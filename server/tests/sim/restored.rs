//! A peer is restored while something of its former self is still under way. The process that deals with it has not
//! heard of the restore: another one on the same database has. What is decided in the transaction holds.

use cme_server::node::Node;
use cme_server::peers;
use cme_server::store::{ledgers, outbox};
use cme_spec::entry::EntryType;
use cme_spec::example::code;
use cme_spec::ids::AuthorityCode;

use crate::op::Op::{Carry, Decide, Exchange, Offer, Send};
use crate::world::{Hosting, World};

/// The first server's authority, and the one that sequences its offers.
const ORIGINATING: &str = "373";
const RECEIVING: &str = "330";

fn runs<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    tokio::task::LocalSet::new().block_on(&runtime.expect("a runtime"), test)
}

/// An offer that both have, and a decision to withdraw it that nobody has sent yet.
async fn withdrawing() -> World {
    let mut world = World::new(1, Hosting::Apart).await;
    world.perform(Offer { by: 0, to: 1, follow: 1 }).await;
    world.perform(Exchange { at: 0 }).await;
    assert!(world.check().is_ok());
    world.perform(Decide { by: 0, kind: EntryType::Withdraw, pick: 0 }).await;
    world
}

/// What another process does that is told of a restore.
async fn hears_elsewhere(node: &Node, hosted: AuthorityCode, peer: AuthorityCode) {
    node.store().write(move |tx| peers::hear_in(tx, hosted, peer, 2)).await.expect("it is written");
}

/// Places of the newest entries of an authority's ledgers, and its letters that wait.
async fn held(node: &Node, hosted: AuthorityCode) -> (Vec<u64>, usize) {
    let read = node.store().read(move |tx| {
        let heads = ledgers::of_hosted(tx, hosted)?;
        let heads = heads.iter().map(|held| held.ledger.head.sequence).collect();
        Ok((heads, outbox::of_hosted(tx, hosted)?.len()))
    });
    read.await.expect("it is read")
}

#[test]
fn an_entry_of_a_server_that_was_replaced_is_refused_where_it_would_be_stored() {
    runs(async {
        let mut world = withdrawing().await;
        let (ours, theirs) = (code(ORIGINATING), code(RECEIVING));
        let node = world.officers_node(theirs).expect("it is up");
        hears_elsewhere(&node, theirs, ours).await;
        let told = world.perform(Exchange { at: 0 }).await;
        assert!(told.contains("incarnation-stale"), "{told}");
        assert_eq!(held(&node, theirs).await.0, [0], "only the offer is stored");
    });
}

#[test]
fn a_receipt_of_a_server_that_was_replaced_settles_nothing() {
    runs(async {
        let mut world = withdrawing().await;
        let (ours, theirs) = (code(ORIGINATING), code(RECEIVING));
        let (asking, asked) = (world.officers_node(ours), world.officers_node(theirs));
        let (asking, asked) = (asking.expect("it is up"), asked.expect("it is up"));
        world.perform(Send { at: 0 }).await;
        world.perform(Carry { pick: 0 }).await;
        assert_eq!(held(&asked, theirs).await.0, [1], "the sequencer has taken it");
        // Its answer is under way. Meanwhile the sequencer is restored, and may have forgotten what it says.
        hears_elsewhere(&asking, ours, theirs).await;
        world.perform(Carry { pick: 0 }).await;
        assert_eq!(
            held(&asking, ours).await,
            (vec![0], 1),
            "the decision still waits for a receipt that holds"
        );
    });
}
