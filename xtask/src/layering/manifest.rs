//! What each crate's manifest may name.

use toml::Table;

use super::Violation;
use crate::Trouble;
use crate::tree::TextFile;

/// A crate of this workspace, and which of the others it may depend on.
pub(crate) struct Crate {
    /// Its package name.
    pub(crate) package: &'static str,
    /// Its folder.
    pub(crate) folder: &'static str,
    may: &'static [&'static str],
}

/// Every crate.
pub(crate) const CRATES: &[Crate] = &[
    Crate { package: "cme-spec", folder: "spec", may: &[] },
    Crate { package: "cme-matching", folder: "matching", may: &[] },
    Crate { package: "cme-client", folder: "client", may: &["cme-spec"] },
    Crate { package: "cme-server", folder: "server", may: &["cme-spec", "cme-client", "cme-matching"] },
    Crate { package: "cme-conformance", folder: "conformance", may: &[] },
    Crate { package: "xtask", folder: "xtask", may: &["cme-spec"] },
];

/// Crates that are pure.
const PURE: [&str; 2] = ["cme-spec", "cme-matching"];

/// Packages that do I/O, read a clock or make randomness; a pure crate has none of them.
const IMPURE: [&str; 10] = [
    "tokio",
    "reqwest",
    "actix-web",
    "actix-tls",
    "actix-rt",
    "rusqlite",
    "postgres",
    "rand",
    "getrandom",
    "tempfile",
];

/// The dependencies that the crate may not have.
pub(super) fn violations(of: &Crate, manifest: &TextFile) -> Result<Vec<Violation>, Trouble> {
    let table: Table = manifest
        .text
        .parse()
        .map_err(|cause| Trouble::Toml { path: manifest.path.clone(), cause: Box::new(cause) })?;
    let violation = |name: &str, key: &str, why: &str| Violation {
        path: manifest.path.clone(),
        line: line_of(&manifest.text, key),
        rule: format!("{} must not depend on {name}: {why}", of.package),
    };
    let mut found = Vec::new();
    for (key, name, development) in dependencies(&table) {
        let ours = CRATES.iter().any(|other| other.package == name);
        if ours && !of.may.contains(&name.as_str()) {
            let allowed = if of.may.is_empty() { "none of ours".to_owned() } else { of.may.join(", ") };
            found.push(violation(&name, &key, &format!("it may depend on {allowed}")));
        }
        if PURE.contains(&of.package) && !development && IMPURE.contains(&name.as_str()) {
            found.push(violation(&name, &key, &format!("{} is pure", of.folder)));
        }
    }
    Ok(found)
}

/// Every dependency: the key, the package behind it, and whether it is one of development only.
fn dependencies(manifest: &Table) -> Vec<(String, String, bool)> {
    let targets = manifest.get("target").and_then(|targets| targets.as_table());
    let places = std::iter::once(manifest).chain(
        targets.into_iter().flat_map(|targets| targets.values()).filter_map(|target| target.as_table()),
    );
    let mut found = Vec::new();
    for place in places {
        for kind in ["dependencies", "build-dependencies", "dev-dependencies"] {
            let Some(list) = place.get(kind).and_then(|list| list.as_table()) else { continue };
            for (key, value) in list {
                let renamed = value.get("package").and_then(|package| package.as_str());
                found.push((key.clone(), renamed.unwrap_or(key).to_owned(), kind == "dev-dependencies"));
            }
        }
    }
    found
}

fn line_of(text: &str, key: &str) -> usize {
    let index = text.lines().position(|line| {
        let rest = line.trim_start().trim_start_matches('"').strip_prefix(key);
        rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=', '"']))
    });
    index.map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(package: &str, text: &str) -> Vec<String> {
        let of = CRATES.iter().find(|held| held.package == package).unwrap();
        let manifest = TextFile { path: "Cargo.toml".to_owned(), text: text.to_owned() };
        let told = |violation: &Violation| format!("{}: {}", violation.line, violation.rule);
        violations(of, &manifest).unwrap().iter().map(told).collect()
    }

    #[test]
    fn each_crate_may_name_what_the_design_lets_it() {
        let of_spec = "[dependencies]\ncme-spec.workspace = true\n";
        assert!(check("cme-client", of_spec).is_empty());
        assert!(
            check("cme-server", "[dependencies]\ncme-spec = \"1\"\ncme-client = { path = \"x\" }\n")
                .is_empty()
        );
        assert!(check("cme-conformance", "[dependencies]\nserde = \"1\"\n").is_empty());
        assert!(
            check("cme-spec", "[dependencies]\nring = \"1\"\n[dev-dependencies]\ntempfile = \"3\"\n")
                .is_empty()
        );
    }

    #[test]
    fn finds_each_edge_that_is_not_allowed() {
        let server = "[package]\nname = \"x\"\n[dependencies]\ncme-server.workspace = true\n";
        assert_eq!(
            check("cme-client", server),
            ["4: cme-client must not depend on cme-server: it may depend on cme-spec"]
        );
        assert_eq!(check("cme-conformance", "[dev-dependencies]\ncme-spec = \"1\"\n").len(), 1);
        assert_eq!(check("cme-spec", "[build-dependencies]\ncme-client = \"1\"\n").len(), 1);
        assert_eq!(check("cme-server", "[dependencies]\ncme-conformance = \"1\"\n").len(), 1);
    }

    #[test]
    fn finds_an_edge_under_another_name_or_for_one_target_only() {
        let renamed = "[dependencies]\nhidden = { package = \"cme-server\", path = \"../server\" }\n";
        assert_eq!(check("cme-client", renamed).len(), 1);
        assert_eq!(check("cme-client", "[target.'cfg(unix)'.dependencies]\ncme-server = \"1\"\n").len(), 1);
    }

    #[test]
    fn finds_a_dependency_that_makes_a_pure_crate_impure() {
        for package in PURE {
            for name in IMPURE {
                assert_eq!(check(package, &format!("[dependencies]\n{name} = \"1\"\n")).len(), 1, "{name}");
            }
        }
    }
}
