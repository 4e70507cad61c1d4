//! Enquiries already made.

use super::{THIS_PROTOCOL, code_list};

const GUIDANCE: &str = "DfE, Children missing education: statutory guidance for local authorities (September 2016, revised August 2024), making reasonable enquiries; wording unconfirmed";

code_list! {
    /// Check made to find a child, as the statutory guidance lists reasonable enquiries.
    EnquiryCheck, source: GUIDANCE;
    ContactParentRelativesNeighbours = "contact-parent-relatives-neighbours", "Contact with the parent, relatives and neighbours using known details";
    LocalDatabases = "local-databases", "Databases within the local authority";
    S2s = "s2s", "Key to Success (now Get Information About Pupils) or school2school";
    AgencyDatabases = "agency-databases", "Databases of other agencies: housing providers, school admissions, health services, police, refuge, Youth Justice Services, children's social care, HMRC",
        source: "Parliamentary answer UIN 128172, 22 February 2018, quoting the statutory guidance";
    UkviBorderForce = "ukvi-border-force", "UK Visas and Immigration or Border Force";
    KnownAgencies = "known-agencies", "Agencies known to be involved with the family";
    PreviousLaSchool = "previous-la-school", "The local authority and school from which the child moved originally";
    PossibleLaSchool = "possible-la-school", "Any local authority and school to which the child may have moved";
    HomeLa = "home-la", "The local authority where the child lives, where it is not the school's";
    ModCeas = "mod-ceas", "Ministry of Defence Children's Education Advisory Service, for children of service personnel";
    HomeVisit = "home-visit", "Home visit after a local risk assessment";
}

code_list! {
    /// What one check found. It describes the check and never ends a case.
    EnquiryResult, source: THIS_PROTOCOL;
    NoTrace = "no-trace", "The check found no trace";
    TracePossible = "trace-possible", "The check found a possible trace";
    TraceConfirmed = "trace-confirmed", "The check found a confirmed trace";
    Refused = "refused", "The body asked refused to answer";
    Pending = "pending", "No answer yet";
}
