//! The facts from which a child's status is worked out.

use super::{THIS_PROTOCOL, code_list};

code_list! {
    /// Whether a child lives in the authority's area.
    AreaResidence, source: THIS_PROTOCOL;
    Resident = "resident", "Lives in the area";
    NotResident = "not-resident", "Lives elsewhere";
    Unknown = "unknown", "Not known";
}

code_list! {
    /// Whether a child is a registered pupil at a school, however seldom the child attends.
    SchoolRegistration, source: THIS_PROTOCOL;
    Registered = "registered", "Registered at a school";
    NotRegistered = "not-registered", "Not registered at a school";
    Unknown = "unknown", "Not known";
}

code_list! {
    /// Education that a child receives otherwise than at school.
    EducationOtherwise, source: THIS_PROTOCOL;
    None = "none", "No education otherwise than at school";
    HomeEducationSuitable = "home-education-suitable", "Home education, assessed as suitable";
    HomeEducationUnsuitable = "home-education-unsuitable", "Home education, assessed as unsuitable";
    HomeEducationNotYetAssessed = "home-education-not-yet-assessed", "Home education, not yet assessed";
    OtherProvisionSuitable = "other-provision-suitable", "Other suitable provision";
    Unknown = "unknown", "Not known";
}

code_list! {
    /// Whether the authority knows where a child is.
    Whereabouts, source: THIS_PROTOCOL;
    Known = "known", "Whereabouts known";
    Unknown = "unknown", "Whereabouts unknown";
    Unclear = "unclear", "Whereabouts unclear: checks disagree or were inconclusive";
}

code_list! {
    /// How far a place at a school has come.
    PlaceSought, source: THIS_PROTOCOL;
    None = "none", "No place applied for";
    Applying = "applying", "In the process of applying for a place";
    OfferedFutureStart = "offered-future-start", "Offered a place for a future date, not started";
    Unknown = "unknown", "Not known";
}
