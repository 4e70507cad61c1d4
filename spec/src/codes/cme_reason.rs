//! Why a child is missing education.

use super::{DFE_DATA_DICTIONARY, code_list};

code_list! {
    /// Main reason for which a child is missing education: the Department for Education's twenty, since
    /// autumn 2025.
    CmeReason, source: DFE_DATA_DICTIONARY;
    MovedInFromAnotherLa = "moved-in-from-another-la", "Moved in from another local authority";
    MovedInFromAnotherCountry = "moved-in-from-another-country", "Moved in from another country";
    ApplicationAwaitingOutcome = "application-awaiting-outcome", "School application awaiting outcome";
    OfferedNotAccepted = "offered-not-accepted", "Offered school place but not yet accepted";
    WaitingSchoolStart = "waiting-school-start", "Waiting school start";
    NoPreferenceMet = "no-preference-met", "Did not get school preference";
    UnsuitableEhe = "unsuitable-ehe", "Unsuitable elective home education";
    DifficultyAccessingPlace = "difficulty-accessing-place", "Difficulty accessing suitable school place";
    DissatisfactionGeneral = "dissatisfaction-general", "School dissatisfaction general";
    DissatisfactionSend = "dissatisfaction-send", "School dissatisfaction SEND";
    MentalHealth = "mental-health", "Mental health";
    PhysicalHealth = "physical-health", "Physical health";
    ParentalDecisionNotToRegister = "parental-decision-not-to-register", "Parental decision not to register at school";
    DidNotApplyAtCsa = "did-not-apply-at-csa", "Did not apply for school place at compulsory school age";
    ChallengingSao = "challenging-sao", "Challenging school attendance order";
    BelievedMovedToAnotherLa = "believed-moved-to-another-la", "Believed to have moved to another local authority";
    BelievedMovedToAnotherCountry = "believed-moved-to-another-country", "Believed to have moved to another country";
    Unknown = "unknown", "Unknown";
    NotRecorded = "not-recorded", "Not recorded";
    Other = "other", "Other";
}
