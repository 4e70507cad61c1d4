//! The rule that decided a child's status, so that the decision can be explained.

use super::code_list;

const DFE_DEFINITION: &str = "Education Act 1996, section 436A; DfE methodology, Children missing education (explore-education-statistics)";

code_list! {
    /// Rule by which a child is missing education.
    CmeRule, source: DFE_DEFINITION;
    WhereaboutsInconclusive = "whereabouts-inconclusive", "Not on roll nor known to be suitably educated, and whereabouts are unknown or unclear";
    HomeEducationUnsuitable = "home-education-unsuitable", "Receives home education that was assessed as unsuitable";
    ApplyingForPlace = "applying-for-place", "In the process of applying for a school place";
    OfferedFutureStart = "offered-future-start", "Offered a school place for a future date and not started";
    NotInEducation = "not-in-education", "Not on roll nor known to be suitably educated otherwise";
}

code_list! {
    /// Rule by which a child is not missing education, in this authority's area.
    NotCmeRule, source: DFE_DEFINITION;
    BelowCompulsorySchoolAge = "below-compulsory-school-age", "Below compulsory school age";
    OverCompulsorySchoolAge = "over-compulsory-school-age", "Over compulsory school age";
    RegisteredAtSchool = "registered-at-school", "Registered at a school, even if persistently or severely absent";
    HomeEducationSuitable = "home-education-suitable", "Receives home education that was assessed as suitable";
    HomeEducationNotYetAssessed = "home-education-not-yet-assessed", "Receives home education whose suitability the authority has not yet assessed";
    OtherProvisionSuitable = "other-provision-suitable", "Receives other suitable provision";
    LivesElsewhere = "lives-elsewhere", "Known to live outside the area";
}
