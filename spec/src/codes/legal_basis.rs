//! By which law information is shared.

use jiff::civil::{Date, date};

use super::code_list;

code_list! {
    /// Legal basis on which an authority shares information. Consent is not among them.
    LegalBasis, source: "legislation.gov.uk; privacy notices of local authorities";
    EducationAct1996S436a = "education-act-1996-s436a", "Education Act 1996, section 436A: arrangements to identify children not receiving education",
        source: "legislation.gov.uk/ukpga/1996/56/section/436A";
    ChildrenAct2004S10 = "children-act-2004-s10", "Children Act 2004, section 10: co-operation to improve well-being",
        source: "Children Act 2004, section 10; named in Knowsley Council's privacy notice";
    ChildrenAct2004S11 = "children-act-2004-s11", "Children Act 2004, section 11: arrangements to safeguard and promote welfare",
        source: "Children Act 2004, section 11; named in Knowsley Council's privacy notice";
    ChildrenAct2004S16la = "children-act-2004-s16la", "Children Act 2004, section 16LA: duty to share information",
        source: "Children's Wellbeing and Schools Act 2026, section 4 (legislation.gov.uk/ukpga/2026/21/section/4/enacted)";
    ChildrenAct1989S17 = "children-act-1989-s17", "Children Act 1989, section 17: children in need",
        source: "Children Act 1989, section 17; named in Devon County Council's privacy notice";
    ChildrenAct1989S47 = "children-act-1989-s47", "Children Act 1989, section 47: duty to investigate",
        source: "Children Act 1989, section 47; named in Devon County Council's privacy notice";
    EducationAct1996S436f = "education-act-1996-s436f", "Education Act 1996, section 436F: use of information in the register",
        source: "Children's Wellbeing and Schools Act 2026, section 38 (heading read, text unconfirmed)";
    UkGdprArt6C = "uk-gdpr-art6-1-c", "UK GDPR, Article 6(1)(c): legal obligation",
        source: "UK GDPR, Article 6(1)(c); named in Ealing Council's privacy notice";
    UkGdprArt6E = "uk-gdpr-art6-1-e", "UK GDPR, Article 6(1)(e): public task",
        source: "UK GDPR, Article 6(1)(e); mapping to this use unconfirmed";
}

/// Whether a legal basis is law on a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InForce {
    /// It is in force.
    Yes,
    /// It is not.
    No,
    /// Nobody has confirmed it either way: an officer must check before relying on it.
    Unconfirmed,
}

/// Royal Assent of the Children's Wellbeing and Schools Act 2026.
const ACT_OF_2026_PASSED: Date = date(2026, 4, 29);

/// First whole day of the UK GDPR, the youngest of the settled bases.
const SETTLED_BASES_IN_FORCE: Date = date(2021, 1, 1);

impl LegalBasis {
    /// Whether the basis is in force on `on`.
    ///
    /// Sections 16LA and 436F were enacted on 29 April 2026 and need commencement regulations, of which none
    /// was known in November 2026 (section 78 of the Act): not in force before that day, unconfirmed from it.
    /// For the settled bases the days before 2021 were not looked up and are unconfirmed; the protocol has no
    /// entries that old.
    pub fn in_force(self, on: Date) -> InForce {
        match self {
            Self::ChildrenAct2004S16la | Self::EducationAct1996S436f => {
                if on < ACT_OF_2026_PASSED {
                    InForce::No
                } else {
                    InForce::Unconfirmed
                }
            }
            Self::EducationAct1996S436a
            | Self::ChildrenAct2004S10
            | Self::ChildrenAct2004S11
            | Self::ChildrenAct1989S17
            | Self::ChildrenAct1989S47
            | Self::UkGdprArt6C
            | Self::UkGdprArt6E => {
                if on < SETTLED_BASES_IN_FORCE {
                    InForce::Unconfirmed
                } else {
                    InForce::Yes
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_not_commenced_are_no_law_before_the_act_and_unconfirmed_since() {
        for basis in [LegalBasis::ChildrenAct2004S16la, LegalBasis::EducationAct1996S436f] {
            assert_eq!(basis.in_force(date(2026, 4, 28)), InForce::No);
            assert_eq!(basis.in_force(date(2026, 4, 29)), InForce::Unconfirmed);
            assert_eq!(basis.in_force(date(2026, 11, 24)), InForce::Unconfirmed);
        }
    }

    #[test]
    fn settled_bases_are_in_force() {
        let settled =
            LegalBasis::ALL.iter().filter(|basis| basis.in_force(date(2026, 11, 24)) == InForce::Yes);
        assert_eq!(settled.count(), 7);
    }
}
