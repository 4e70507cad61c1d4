//! Words of queries, answers and notices.

use super::{THIS_PROTOCOL, code_list};

code_list! {
    /// Why an authority asks whether another knows a child.
    QueryPurpose, source: THIS_PROTOCOL;
    TraceMissingChild = "trace-missing-child", "The child's whereabouts are unknown; the asking authority looks for the child";
    ConfirmArrival = "confirm-arrival", "A child has turned up in the asking authority's area; did the child come from here?";
    BackgroundForNewArrival = "background-for-new-arrival", "A child has moved into the asking authority's area; who knew the child here?";
}

code_list! {
    /// What an authority says to a query.
    AnswerOutcome, source: THIS_PROTOCOL;
    Known = "known", "The answering authority knows the child; ring the team";
    Possible = "possible", "A person will look; another answer follows";
    NotKnown = "not-known", "There is no record that may be disclosed";
    Referred = "referred", "Another authority is believed to know the child";
    Withheld = "withheld", "The authority does not answer this query; decided before the register was looked at";
}

code_list! {
    /// Field of a query that agrees with a child of the register.
    MatchedField, source: THIS_PROTOCOL;
    Name = "name", "Family name, with given name where both have one";
    OtherName = "other-name", "A former name or another name in use";
    DateOfBirth = "date-of-birth", "Date of birth, as far as it is known";
    Sex = "sex", "Sex";
    Upn = "upn", "A unique pupil number, present or former";
    NhsNumber = "nhs-number", "NHS number";
    Postcode = "postcode", "Last postcode";
}

code_list! {
    /// Fact that a notice tells.
    NoticeKind, source: THIS_PROTOCOL;
    RemovedFromRoll = "removed-from-roll", "A school took the child off its roll";
    JoinedRoll = "joined-roll", "A school put the child on its roll";
    Seen = "seen", "The child was seen";
}

code_list! {
    /// What an officer has done with a notice.
    NoticeDisposition, source: THIS_PROTOCOL;
    Read = "read", "Read by an officer";
    CaseOpened = "case-opened", "A case was opened, or one that was open has it";
    NotOfThisArea = "not-of-this-area", "The child is not of this area, as far as the officer knows";
}

impl QueryPurpose {
    /// Whether a query with this purpose may go to many authorities, or stand.
    ///
    /// The other purposes tell whom they ask that the child is now in the asking authority's area.
    pub const fn tells_nothing_of_the_child(self) -> bool {
        matches!(self, Self::TraceMissingChild)
    }
}
