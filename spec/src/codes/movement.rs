//! Where a child moved and how that is known.

use super::{THIS_PROTOCOL, code_list};

code_list! {
    /// Kind of evidence that a child moved to an area.
    MoveEvidence, source: THIS_PROTOCOL;
    Tenancy = "tenancy", "Tenancy or housing record";
    ParentStatement = "parent-statement", "Statement of a parent or carer";
    SchoolRecordsRequest = "school-records-request", "Request for records by a school";
    Benefits = "benefits", "Benefits record";
    HealthRegistration = "health-registration", "Registration with a health service";
    AdmissionsApplication = "admissions-application", "Application for a school place";
    Sighting = "sighting", "The child was seen";
    OtherAgency = "other-agency", "Information from another agency";
    Other = "other", "Other evidence";
}

code_list! {
    /// What sort of place an address is.
    AddressKind, source: THIS_PROTOCOL;
    Residential = "residential", "Home address";
    Temporary = "temporary", "Temporary accommodation";
    NoFixedAbode = "no-fixed-abode", "No fixed abode; a place where the child may be met";
    Overseas = "overseas", "Outside the United Kingdom";
    NotStated = "not-stated", "Not known";
}

code_list! {
    /// How a child is housed. No kind is a ground for refusing responsibility, and none says that a place is
    /// a refuge.
    ResidenceKind, source: THIS_PROTOCOL;
    Settled = "settled", "Settled home";
    Temporary = "temporary", "Temporary accommodation";
    WithFamilyOrFriends = "with-family-or-friends", "With family or friends";
    NoFixedAbode = "no-fixed-abode", "No fixed abode";
    NotStated = "not-stated", "Not stated";
}
