//! How a case ends.

use super::{THIS_PROTOCOL, code_list};

code_list! {
    /// Outcome that settles a transfer. Checks that found nothing are none: such a case stays open under
    /// review.
    OutcomeKind, source: THIS_PROTOCOL;
    OnRollAttending = "on-roll-attending", "On a school's roll and attendance begun";
    HomeEducationSuitable = "home-education-suitable", "Home education, assessed as suitable";
    OtherProvision = "other-provision", "Other suitable provision";
    MovedOn = "moved-on", "Moved on, and the next authority has accepted";
    LeftEngland = "left-england", "Left England";
    Deceased = "deceased", "Deceased";
    OverCompulsorySchoolAge = "over-compulsory-school-age", "Over compulsory school age";
    Duplicate = "duplicate", "Duplicate of another case";
}

code_list! {
    /// Where a child who left England went.
    LeftEnglandDestination, source: THIS_PROTOCOL;
    Wales = "wales", "Wales";
    Scotland = "scotland", "Scotland";
    NorthernIreland = "northern-ireland", "Northern Ireland";
    Overseas = "overseas", "Outside the United Kingdom";
}

code_list! {
    /// Evidence that a child left England. What somebody has heard is none: such a case stays open.
    LeftEnglandEvidence, source: THIS_PROTOCOL;
    WrittenAcceptance = "written-acceptance", "Written acceptance by a named body at the destination";
    TravelEvidence = "travel-evidence", "Evidence of travel";
}

code_list! {
    /// Suitable provision other than on a school's roll or at home.
    OtherProvisionKind, source: THIS_PROTOCOL;
    AlternativeProvision = "alternative-provision", "Alternative provision";
    Section19 = "section-19", "Provision under section 19 of the Education Act 1996";
    Eotas = "eotas", "Education otherwise than at school under an education, health and care plan";
    FurtherEducation = "further-education", "Further education";
}
