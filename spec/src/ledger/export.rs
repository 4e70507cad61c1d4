//! The file in which a ledger travels to someone who verifies it.

use super::verify::FORMAT;
use crate::canonical::Json;
use crate::entry::Entry;
use crate::envelope::Envelope;
use crate::instant::Instant;
use crate::receipt::Head;

/// An export: the entries with their receipts, and the exporter's own signed word on where its copy ends.
#[derive(Clone, Debug)]
pub struct Export<'a> {
    /// All entries, in order.
    pub entries: &'a [Entry],
    /// The exporter's signed head. It names the ledger and its parties.
    pub head: &'a Envelope<Head>,
    /// Signed heads of the other party, as far as they are held.
    pub peer_heads: &'a [Envelope<Head>],
    /// Other branches of a forked ledger, each from the place where it parts.
    pub forks: &'a [Vec<Entry>],
    /// When the export was made.
    pub exported_at: Instant,
}

impl Export<'_> {
    /// The file's text: one line for each entry, everything in canonical form, so that a changed byte is a
    /// changed value.
    ///
    /// Implements: VER-001, RCV-012
    pub fn to_text(&self) -> String {
        let head = self.head.content();
        let lines = |items: &[Entry]| items.iter().map(Entry::canonical_text).collect::<Vec<_>>().join(",\n");
        let heads: Vec<String> = self.peer_heads.iter().map(Envelope::canonical_text).collect();
        let forks: Vec<String> =
            self.forks.iter().map(|branch| format!("{{\"entries\":[\n{}\n]}}", lines(branch))).collect();
        let text = |value: String| Json::text(value).canonical_text();
        format!(
            "{{\"format\":{},\"transfer\":{},\"originating\":{},\"receiving\":{},\"exportedBy\":{},\"exportedAt\":{},\n\"entries\":[\n{}\n],\n\"head\":{},\n\"peerHeads\":[{}],\n\"forks\":[{}]}}\n",
            text(FORMAT.to_owned()),
            text(head.transfer.to_string()),
            text(head.originating.to_string()),
            text(head.receiving.to_string()),
            text(head.by.to_string()),
            text(self.exported_at.to_string()),
            lines(self.entries),
            self.head.canonical_text(),
            heads.join(",\n"),
            forks.join(",\n"),
        )
    }
}
