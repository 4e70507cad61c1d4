//! The register of requirements.

use serde::Deserialize;

use crate::Trouble;
use crate::tree::TextFile;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Requirement {
    pub(super) id: String,
    pub(super) level: String,
    pub(super) section: String,
    pub(super) role: Vec<String>,
    pub(super) profile: String,
    pub(super) since: String,
    pub(super) summary: String,
    pub(super) testable: bool,
    pub(super) reason: Option<String>,
}

impl Requirement {
    /// Whether an implementation has no choice.
    pub(super) fn binds(&self) -> bool {
        self.level.starts_with("MUST")
    }
}

/// The whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Register {
    /// Profiles for which code is owed.
    pub(super) implemented: Vec<String>,
    /// The rows, in order.
    pub(super) requirement: Vec<Requirement>,
}

/// The register.
pub(super) fn read(file: &TextFile) -> Result<Register, Trouble> {
    toml::from_str(&file.text)
        .map_err(|cause| Trouble::Toml { path: file.path.clone(), cause: Box::new(cause) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: &str = "[[requirement]]\nid = \"LED-001\"\nlevel = \"MUST\"\nsection = \"05-ledger\"\nrole = [\"server\"]\nprofile = \"core\"\nsince = \"1.0\"\nsummary = \"s\"\ntestable = true\n";

    fn check(text: &str) -> Result<Vec<Requirement>, Trouble> {
        let text = format!("implemented = [\"core\"]\n{text}");
        read(&TextFile { path: "r.toml".to_owned(), text }).map(|register| register.requirement)
    }

    #[test]
    fn reads_rows_with_and_without_a_reason() {
        assert_eq!(check(ROW).unwrap()[0].id, "LED-001");
        let untestable = format!("{}reason = \"r\"\n", ROW.replace("true", "false"));
        assert_eq!(check(&untestable).unwrap()[0].reason.as_deref(), Some("r"));
    }

    #[test]
    fn refuses_a_row_that_lacks_a_member_or_has_one_too_many() {
        assert!(check(&ROW.replace("level = \"MUST\"\n", "")).is_err());
        assert!(check(&format!("{ROW}colour = \"red\"\n")).is_err());
    }
}
