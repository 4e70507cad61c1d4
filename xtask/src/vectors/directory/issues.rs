//! The issues that the cases name.

use std::collections::BTreeMap;

use cme_spec::canonical::Json;
use cme_spec::digest::Digest;
use cme_spec::directory::{Availability, Directory, Key, Successor};
use cme_spec::envelope::Envelope;
use cme_spec::example::{self, code, instant};
use cme_spec::signature::SigningKey;

use crate::vectors::mutation::canonical;

/// Signed issues by name.
pub(super) struct Issues(BTreeMap<&'static str, Json>);

impl Issues {
    pub(super) fn all() -> Self {
        let mut issues = Self(BTreeMap::new());
        issues.firsts();
        issues.seconds();
        issues.thirds();
        issues
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }

    pub(super) fn signed(&self, name: &str) -> &Json {
        self.0.get(name).unwrap_or_else(|| panic!("no issue {name}"))
    }

    fn add(&mut self, name: &'static str, key: &SigningKey, issue: Directory) {
        self.0.insert(name, Envelope::sign(issue, key).to_json());
    }

    /// A first issue with one change, signed by the root key.
    fn first(&mut self, name: &'static str, change: impl FnOnce(&mut Directory)) {
        let mut issue = first();
        change(&mut issue);
        self.add(name, &example::root_key(), issue);
    }

    /// The issue after `before` with one change, signed by `key`.
    fn after(
        &mut self,
        before: &str,
        name: &'static str,
        key: &SigningKey,
        change: impl FnOnce(&mut Directory),
    ) {
        let held = self.signed(before).member("directory").expect("a signed directory has its directory");
        let mut issue: Directory = held.read().expect("an issue made here has its form");
        issue.issue += 1;
        issue.previous = Some(held.digest());
        issue.issued_at = issue.issued_at.plus_seconds(30 * 86_400);
        issue.expires_at = issue.expires_at.plus_seconds(30 * 86_400);
        change(&mut issue);
        self.add(name, key, issue);
    }

    fn firsts(&mut self) {
        self.first("first", |_| {});
        self.add("first-by-stranger", &stranger(), first());
        let mut altered = self.signed("first").value().clone();
        altered["directory"]["graceDays"] = 365.into();
        self.0.insert("first-altered", canonical(&altered));
        let mut without = self.signed("first").value().clone();
        if let Some(directory) = without["directory"].as_object_mut() {
            directory.remove("policy");
        }
        self.0.insert("no-policy", canonical(&without));
        self.first("contact-only", |issue| {
            let authority = &mut issue.authorities[1];
            authority.availability = Availability::ContactOnly;
            authority.base_url = None;
            (authority.server_pins, authority.client_pins, authority.keys) = (vec![], vec![], vec![]);
        });
        self.successors();
        self.first("pin-shared", |issue| {
            issue.authorities[1].client_pins = issue.authorities[0].client_pins.clone();
        });
        self.first("authority-twice", |issue| issue.authorities.push(issue.authorities[0].clone()));
        self.first("kid-wrong", |issue| issue.authorities[0].keys[0].kid = stranger().id());
        self.first("key-shared", |issue| issue.authorities[1].keys = issue.authorities[0].keys.clone());
        self.first("no-root-key", |issue| issue.root_keys.clear());
        self.first("times", |issue| issue.expires_at = issue.issued_at);
        self.first("plain-http", |issue| {
            issue.authorities[0].base_url = Some("http://cme.council.example/373".to_owned());
        });
        self.first("trailing-slash", |issue| {
            issue.authorities[0].base_url = Some("https://cme.council.example/373/".to_owned());
        });
        self.first("no-keys", |issue| issue.authorities[0].keys.clear());
        self.first("format", |issue| "cme-directory/2".clone_into(&mut issue.format));
        self.first("policy", |issue| issue.policy.review_working_days = 0);
        self.first("first-with-previous", |issue| {
            issue.previous = Some(Digest::of(b"an issue before the first"));
        });
    }

    fn successors(&mut self) {
        let mut with = |name, successors: &[(&str, bool)]| {
            let successors = successors
                .iter()
                .map(|(next, residuary)| Successor { code: code(next), residuary: *residuary });
            let successors: Vec<Successor> = successors.collect();
            self.first(name, |issue| {
                issue.authorities[2].successors = successors;
                issue.authorities[2].valid_to = Some(jiff::civil::date(2027, 3, 31));
            });
        };
        with("successors", &[("373", true), ("330", false)]);
        with("two-residuaries", &[("373", true), ("330", true)]);
        with("no-residuary", &[("373", false), ("330", false)]);
        with("successor-unknown", &[("373", true), ("001", false)]);
        with("successor-itself", &[("383", true)]);
    }

    fn seconds(&mut self) {
        let root = example::root_key();
        self.after("first", "second", &root, |_| {});
        self.after("first", "second-keys", &root, |issue| {
            issue.authorities[0].keys[0].retired_at = Some(instant("2026-12-01T00:00:00Z"));
            let key = example::signing_key("373, the second key");
            issue.authorities[0].keys.push(Key {
                kid: key.id(),
                public_key: key.public(),
                valid_from: instant("2026-11-01T00:00:00Z"),
                retired_at: None,
                revoked_at: None,
            });
        });
        self.after("first", "second-revoked", &root, |issue| {
            issue.authorities[0].keys[0].revoked_at = Some(instant("2026-09-20T00:00:00Z"));
        });
        self.after("first", "second-new-root", &root, |issue| issue.root_keys = vec![new_root().public()]);
        self.after("first", "second-by-stranger", &stranger(), |_| {});
        self.after("first", "second-broken-chain", &root, |issue| {
            issue.previous = Some(Digest::of(b"another issue"));
        });
        self.after("first", "second-without-previous", &root, |issue| issue.previous = None);
        self.after("first", "second-authority-removed", &root, |issue| drop(issue.authorities.pop()));
        self.after("first", "second-key-removed", &root, |issue| {
            let key = example::signing_key("373, the second key");
            issue.authorities[0].keys[0].kid = key.id();
            issue.authorities[0].keys[0].public_key = key.public();
        });
        self.after("first", "second-key-moved", &root, |issue| {
            issue.authorities[0].keys[0].valid_from = instant("2026-01-01T00:00:00Z");
        });
        self.after("first", "second-too-early", &root, |issue| {
            issue.issued_at = instant("2026-08-31T23:59:59Z");
        });
    }

    fn thirds(&mut self) {
        let root = example::root_key();
        self.after("second-new-root", "third-by-new-root", &new_root(), |_| {});
        self.after("second-new-root", "third-by-old-root", &root, |_| {});
        self.after("second-revoked", "third-unrevoked", &root, |issue| {
            issue.authorities[0].keys[0].revoked_at = None;
        });
        self.after("second-revoked", "third-revoked-earlier", &root, |issue| {
            issue.authorities[0].keys[0].revoked_at = Some(instant("2026-09-10T00:00:00Z"));
        });
        self.after("second-revoked", "third-revoked-later", &root, |issue| {
            issue.authorities[0].keys[0].revoked_at = Some(instant("2026-09-21T00:00:00Z"));
        });
    }
}

/// The example directory with few holidays, to keep the file short.
fn first() -> Directory {
    let mut issue = example::directory();
    issue.policy.bank_holidays.retain(|day| day.year() == 2027);
    issue.policy.holidays_through = jiff::civil::date(2027, 12, 31);
    issue
}

fn stranger() -> SigningKey {
    example::signing_key("a stranger")
}

fn new_root() -> SigningKey {
    example::signing_key("the second root key")
}
