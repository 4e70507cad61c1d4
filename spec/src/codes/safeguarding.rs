//! Risk, social care and how far a location may be told.

use super::{THIS_PROTOCOL, code_list};

code_list! {
    /// Risk known to the authority that offers. Says that there is one, not what happened.
    RiskFlag, source: THIS_PROTOCOL;
    ChildProtectionPlan = "child-protection-plan", "Child protection plan";
    ChildInNeed = "child-in-need", "Child in need";
    LookedAfter = "looked-after", "Looked after by a local authority";
    MissingFromHome = "missing-from-home", "Missing from home or care";
    Exploitation = "exploitation", "Risk of exploitation";
    DomesticAbuse = "domestic-abuse", "Domestic abuse";
    HonourBasedAbuse = "honour-based-abuse", "Honour-based abuse or forced marriage";
    PrivateFostering = "private-fostering", "Private fostering";
    PreviouslyKnownToSocialCare = "previously-known-to-social-care", "Previously known to children's social care";
    RestrictedLocation = "restricted-location", "The child's location may not be disclosed";
}

code_list! {
    /// What children's social care of the authority has to do with a child.
    SocialCareStatus, source: "CME transfer protocol, version 1, after the episode types of data-to-insight/dfe-csc-api-data-flows (41e6f19d245c)";
    None = "none", "Not known to children's social care";
    EarlyHelp = "early-help", "Early help";
    ReferralOpen = "referral-open", "Referral open";
    ChildInNeedPlan = "child-in-need-plan", "Child in need plan";
    Section47 = "section-47", "Enquiry under section 47 of the Children Act 1989";
    ChildProtectionPlan = "child-protection-plan", "Child protection plan";
    LookedAfter = "looked-after", "Looked after";
    CareLeaver = "care-leaver", "Care leaver";
    PreviouslyKnown = "previously-known", "Previously known";
    NotChecked = "not-checked", "Not checked";
    Withheld = "withheld", "Withheld";
}

code_list! {
    /// How far a child's location may be told.
    LocationSensitivity, source: THIS_PROTOCOL;
    Standard = "standard", "No restriction beyond the protocol's own";
    Restricted = "restricted", "To a named contact only, by telephone";
    Withheld = "withheld", "Not at all";
}
