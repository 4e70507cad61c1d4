//! Stages and transitions by the table of section 5.3.

/// Types that the receiving authority alone writes.
pub(crate) const RECEIVING: [&str; 7] =
    ["acknowledge", "accept", "decline", "uphold", "redirect", "outcome", "retract"];

/// Types that the originating authority alone writes.
pub(crate) const ORIGINATING: [&str; 3] = ["offer", "contest", "withdraw"];

/// The stage after an entry of that type, where the table allows one.
pub(crate) fn next(stage: &'static str, kind: &str, acknowledged_anew: bool) -> Option<&'static str> {
    let open = matches!(stage, "offered" | "acknowledged" | "contested");
    match (kind, stage) {
        ("correct", _) => Some(stage),
        ("acknowledge", "offered") => Some("acknowledged"),
        ("acknowledge", "contested") if !acknowledged_anew => Some("contested"),
        ("request-information" | "supply-information", _) if open || stage == "accepted" => Some(stage),
        ("accept", _) if open => Some("accepted"),
        ("decline", "offered" | "acknowledged") => Some("declined"),
        ("contest", "declined") => Some("contested"),
        ("uphold", "contested") => Some("upheld"),
        ("redirect", _) if open => Some("redirected"),
        ("withdraw", _) if open || stage == "declined" => Some("withdrawn"),
        ("outcome", "accepted") => Some("settled"),
        ("retract", "settled") => Some("accepted"),
        _ => None,
    }
}

/// Whether a transfer in that stage waits for the receiving authority, or for a contest.
pub(crate) fn is_undecided(stage: &str) -> bool {
    matches!(stage, "offered" | "acknowledged" | "declined" | "contested")
}
