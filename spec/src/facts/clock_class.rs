//! Which clocks an offer needs.

use crate::body::Offer;
use crate::codes::{ClockClass, LocationSensitivity, RiskFlag, SocialCareStatus};

/// The clock class that the facts of an offer ask for. An author may choose `urgent` for other reasons, never
/// `standard` where this says `urgent`.
///
/// Implements: ENT-008
pub fn clock_class_for(offer: &Offer) -> ClockClass {
    let at_risk = offer.risks.iter().any(|risk| *risk != RiskFlag::PreviouslyKnownToSocialCare);
    let shielded = offer.circumstances.location_sensitivity != LocationSensitivity::Standard;
    let in_care = matches!(
        offer.circumstances.social_care,
        Some(
            SocialCareStatus::ChildInNeedPlan
                | SocialCareStatus::Section47
                | SocialCareStatus::ChildProtectionPlan
                | SocialCareStatus::LookedAfter
        )
    );
    if at_risk || shielded || in_care { ClockClass::Urgent } else { ClockClass::Standard }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::EntryType;
    use crate::example;

    fn offer() -> Offer {
        let mut offer: Offer = example::body(EntryType::Offer).read().unwrap();
        offer.risks.clear();
        offer
    }

    #[test]
    fn any_risk_but_an_old_acquaintance_with_social_care_is_urgent() {
        assert_eq!(clock_class_for(&offer()), ClockClass::Standard);
        for risk in RiskFlag::ALL {
            let expected = match risk {
                RiskFlag::PreviouslyKnownToSocialCare => ClockClass::Standard,
                _ => ClockClass::Urgent,
            };
            assert_eq!(clock_class_for(&Offer { risks: vec![*risk], ..offer() }), expected, "{risk}");
        }
    }

    #[test]
    fn a_shielded_child_and_one_with_a_social_worker_are_urgent() {
        for sensitivity in [LocationSensitivity::Restricted, LocationSensitivity::Withheld] {
            let mut shielded = offer();
            shielded.circumstances.location_sensitivity = sensitivity;
            assert_eq!(clock_class_for(&shielded), ClockClass::Urgent);
        }
        let urgent = SocialCareStatus::ALL.iter().filter(|status| {
            let mut known = offer();
            known.circumstances.social_care = Some(**status);
            clock_class_for(&known) == ClockClass::Urgent
        });
        let codes: Vec<_> = urgent.map(|status| status.code()).collect();
        assert_eq!(codes, ["child-in-need-plan", "section-47", "child-protection-plan", "looked-after"]);
    }
}
