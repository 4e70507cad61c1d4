//! Facts about a pupil.

use super::{DFE_DATA_DICTIONARY, code_list};

const SSD_PERSON: &str =
    "Standard Safeguarding Dataset (data-to-insight/ssd-data-model, ssd_person, 4987c73f5369)";
const SSD_SEND: &str =
    "Standard Safeguarding Dataset (data-to-insight/ssd-data-model, ssd_send, 4987c73f5369)";

code_list! {
    /// Sex as recorded on a birth certificate or gender recognition certificate.
    Sex, source: SSD_PERSON;
    Female = "F", "Female";
    Male = "M", "Male";
    Unknown = "U", "Unknown";
}

code_list! {
    /// Why a child has no known unique pupil number.
    UpnUnknownReason, source: SSD_PERSON;
    Un1 = "UN1", "Not of school age / under 6 and not yet assigned a UPN";
    Un2 = "UN2", "Never attended a maintained or state-funded school in England";
    Un3 = "UN3", "Educated outside England and not assigned a UPN";
    Un4 = "UN4", "Newly looked after; UPN not yet known";
    Un5 = "UN5", "Sources show name/DOB discrepancies preventing reliable matching";
    Un6 = "UN6", "Unborn (label from memory)", source: "data-to-insight/CIN-validator rule 8770Q, which lists the code only; label unconfirmed";
    Un7 = "UN7", "Referral with no further action", source: "data-to-insight/CIN-validator rule 8772";
    Un8 = "UN8", "Person is new to LA and the UPN or ULN is not yet known", source: SSD_SEND;
    Un9 = "UN9", "Never attended a state-funded school or FE setting in England; no UPN or ULN", source: SSD_SEND;
    Un10 = "UN10", "Request for assessment resulted in no further action before UPN or ULN known", source: SSD_SEND;
}

code_list! {
    /// National Curriculum year.
    NcYear, source: "DfE, code tables of review-school-college-data (uk-gov-mirror/DFE-Digital.review-school-college-data, d8f6b786cd56)";
    NurseryFirst = "N1", "Nursery first year";
    NurserySecond = "N2", "Nursery second year";
    Reception = "R", "Reception";
    Year1 = "1", "Year 1";
    Year2 = "2", "Year 2";
    Year3 = "3", "Year 3";
    Year4 = "4", "Year 4";
    Year5 = "5", "Year 5";
    Year6 = "6", "Year 6";
    Year7 = "7", "Year 7";
    Year8 = "8", "Year 8";
    Year9 = "9", "Year 9";
    Year10 = "10", "Year 10";
    Year11 = "11", "Year 11";
    Year12 = "12", "Year 12";
    Year13 = "13", "Year 13";
    Year14 = "14", "Year 14";
    NotFollowed = "X", "National Curriculum not followed";
}

code_list! {
    /// Kind of provision at which a child was last known: the settings of the elective home education
    /// collection.
    LastKnownProvision, source: DFE_DATA_DICTIONARY;
    Academy = "academy", "Academy";
    AlternativeProvision = "alternative-provision", "Alternative provision";
    EarlyYearsSetting = "early-years-setting", "Early years setting";
    ElsewhereUnknown = "elsewhere-unknown", "Elsewhere/Unknown";
    FreeSchool = "free-school", "Free school";
    HomeEducatedOutsideTheLocalAuthority = "home-educated-outside-the-local-authority", "Home educated outside the local authority";
    Independent = "independent", "Independent";
    LocalAuthorityMaintained = "local-authority-maintained", "Local authority maintained";
    NoPriorEstablishment = "no-prior-establishment", "No prior establishment";
    PupilReferralUnit = "pupil-referral-unit", "Pupil referral unit";
    Special = "special", "Special";
}
