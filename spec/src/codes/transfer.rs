//! Words of the entries of a transfer.

use super::{THIS_PROTOCOL, code_list};

code_list! {
    /// Capacity in which the originating authority offers.
    Capacity, source: THIS_PROTOCOL;
    Residence = "residence", "The child lived in its area";
    SchoolArea = "school-area", "The school that reported is in its area; the child lives elsewhere";
}

code_list! {
    /// Which of the directory's clocks run for a transfer.
    ClockClass, source: THIS_PROTOCOL;
    Standard = "standard", "Standard clocks";
    Urgent = "urgent", "Shorter clocks: a social worker, a child at risk, a shielded child";
}

code_list! {
    /// Ground for declining an offer. Temporary accommodation is none, and neither are checks that found
    /// nothing.
    DeclineReason, source: THIS_PROTOCOL;
    ChildNotResidentHere = "child-not-resident-here", "The child is not resident in this area";
    NeverResidentHere = "never-resident-here", "The child never lived in this area";
    MovedOn = "moved-on", "The child lived in this area and has moved on";
    NotCompulsorySchoolAge = "not-compulsory-school-age", "The child is not of compulsory school age";
    OnRollHereAttending = "on-roll-here-attending", "The child is on roll in this area and attending";
    InsufficientIdentification = "insufficient-identification", "The offer does not identify a child";
    OtherAuthorityResponsible = "other-authority-responsible", "Another authority is responsible";
    DuplicateOfOpenTransfer = "duplicate-of-open-transfer", "The offer repeats an open transfer";
}

code_list! {
    /// Ground for upholding a decline that the originating authority contested.
    UpholdReason, source: THIS_PROTOCOL;
    EvidenceDoesNotShowResidence = "evidence-does-not-show-residence", "The new evidence does not show that the child lives in this area";
    ChildTracedElsewhere = "child-traced-elsewhere", "The child was traced in another area";
    MovedOnBeforeOffer = "moved-on-before-offer", "The child had left this area before the offer";
    NotCompulsorySchoolAge = "not-compulsory-school-age", "The child is not of compulsory school age";
    OnRollHereAttending = "on-roll-here-attending", "The child is on roll in this area and attending";
}

code_list! {
    /// Ground for withdrawing an offer.
    WithdrawReason, source: THIS_PROTOCOL;
    ChildFound = "child-found", "The child was found in the originating authority's area";
    OfferedInError = "offered-in-error", "Offered in error";
    Duplicate = "duplicate", "Duplicate of another transfer";
    ReturnedToRoll = "returned-to-roll", "The child returned to a school's roll";
    MovedElsewhere = "moved-elsewhere", "The child moved to another area than was thought";
}

code_list! {
    /// Subject of a request for information.
    InformationTopic, source: THIS_PROTOCOL;
    Identity = "identity", "Who the child is";
    Residence = "residence", "Where the child lives or lived";
    EducationHistory = "education-history", "Where the child was educated";
    EnquiriesMade = "enquiries-made", "Which enquiries were made";
    SafeguardingContact = "safeguarding-contact", "Whom to call about safeguarding";
    Other = "other", "Something else";
}
