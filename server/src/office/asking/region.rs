//! The regions of England, by name or code.

use crate::office::OfficeError;

/// Codes of the Office for National Statistics. The names are those of the register of authorities, which a test
/// compares.
const REGIONS: [(&str, &str); 9] = [
    ("E12000001", "North East"),
    ("E12000002", "North West"),
    ("E12000003", "Yorkshire and The Humber"),
    ("E12000004", "East Midlands"),
    ("E12000005", "West Midlands"),
    ("E12000006", "East of England"),
    ("E12000007", "London"),
    ("E12000008", "South East"),
    ("E12000009", "South West"),
];

/// The name of a region in the register of authorities, from its name in any case, or its code.
pub fn region(text: &str) -> Result<String, OfficeError> {
    let wanted = text.trim();
    let named = REGIONS
        .iter()
        .find(|(code, name)| code.eq_ignore_ascii_case(wanted) || name.eq_ignore_ascii_case(wanted));
    named.map(|(_, name)| (*name).to_owned()).ok_or_else(|| OfficeError::UnknownRegion(names()))
}

fn names() -> String {
    REGIONS.map(|(_, name)| name).join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use cme_spec::authority_register::AuthorityRegister;

    use super::*;

    #[test]
    fn the_regions_are_those_of_the_register() {
        let listed: BTreeSet<&str> = REGIONS.iter().map(|(_, name)| *name).collect();
        let rows = AuthorityRegister::england().rows().iter();
        let registered: BTreeSet<&str> =
            rows.filter(|row| row.code.is_some()).map(|row| row.region.as_str()).collect();
        assert_eq!(listed, registered);
    }

    #[test]
    fn a_region_is_known_by_name_or_code_in_any_case() {
        for text in ["West Midlands", "west midlands", " e12000005 "] {
            assert_eq!(region(text).unwrap(), "West Midlands");
        }
        let said = region("Atlantis").unwrap_err().to_string();
        assert!(said.contains("Yorkshire and The Humber"), "{said}");
    }
}
