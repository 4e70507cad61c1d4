//! Ways in which a server can break the text, each of one requirement.

macro_rules! faults {
    ($($fault:ident $name:literal $breaks:literal),+ $(,)?) => {
        /// One way to break one requirement.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Fault {
            $($fault),+
        }

        impl Fault {
            /// Every fault.
            pub(crate) const ALL: &[Self] = &[$(Self::$fault),+];

            /// What it is called.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Self::$fault => $name),+
                }
            }

            /// The requirement that it breaks.
            pub(crate) const fn breaks(self) -> &'static str {
                match self {
                    $(Self::$fault => $breaks),+
                }
            }
        }
    };
}

faults! {
    ComparesTimesAsText "compares-times-as-text" "IDN-002",
    TakesAnyUpnLetter "takes-upns-with-any-check-letter" "IDN-003",
    TakesUpnsOfAnyLength "takes-upns-of-any-length" "IDN-003",
    RefusesTemporaryUpns "refuses-temporary-upns" "IDN-003",
    TakesAnyNhsCheckDigit "takes-nhs-numbers-with-any-check-digit" "IDN-004",
    TakesByteOrderMarks "takes-byte-order-marks" "CAN-001",
    TakesTextAfterTheValue "takes-text-after-the-value" "CAN-001",
    ReadsLoosely "takes-the-last-of-duplicate-members" "CAN-002",
    TakesFractions "takes-numbers-with-fractions" "CAN-003",
    DigestsTypedValues "digests-typed-values" "CAN-004",
    SortsByUtf8 "sorts-members-by-utf-8" "CAN-004",
    DropsUnknownMembers "drops-unknown-members" "CAN-005",
    TakesLooseBase64 "takes-base64url-with-trailing-bits" "CAN-006",
    RefusesLargeEntries "refuses-entries-of-more-than-32-kib" "CAN-007",
    TakesAnyLength "takes-content-of-any-length" "CAN-008",
    HidesItsLimit "hides-its-limit" "CAN-008",
    TakesAnyDepth "takes-any-depth" "CAN-009",
    TakesLongStrings "takes-long-strings" "CAN-009",
    TakesLongArrays "takes-long-arrays" "CAN-009",
    TakesWideObjects "takes-wide-objects" "CAN-009",
    CountsBytesOfStrings "counts-the-bytes-of-strings" "CAN-009",
    SignsAsEd25519 "signs-with-alg-ed25519" "SIG-001",
    SignsOtherBytes "signs-members-as-they-stand" "SIG-001",
    TakesAnyAlg "takes-any-alg" "SIG-002",
    TakesAnyTyp "takes-any-typ" "SIG-002",
    TakesUnknownHeaderMembers "takes-critical-header-members" "SIG-002",
    VerifiesNothing "verifies-nothing" "SIG-003",
    TakesHighS "takes-an-s-above-the-group-order" "SIG-003",
    TakesAnybodysKey "takes-a-key-of-any-authority" "SIG-004",
    TakesRetiredKeys "takes-retired-keys" "SIG-005",
    TakesRevokedKeys "takes-revoked-keys" "SIG-005",
    TakesKeysToCome "takes-keys-to-come" "SIG-005",
    TakesCapitalsInUuids "takes-uuids-of-any-writing" "ENT-001",
    TakesAnyTimeZone "takes-times-with-an-offset" "ENT-001",
    MissesNoMember "takes-headers-without-clock-class" "ENT-001",
    TakesTwoReceiptsOfOne "takes-two-receipts-by-one-party" "ENT-001",
    TakesErasedAtBesideBody "takes-erased-at-beside-a-body" "ENT-001",
    TakesNoBody "takes-proposals-without-body" "ENT-002",
    TakesOtherBodies "takes-bodies-of-another-digest" "ENT-003",
    TakesOtherClockClass "takes-another-clock-class" "ENT-004",
    TakesOtherResponsibility "takes-another-responsibility" "ENT-004",
    TakesLinksAnywhere "takes-links-anywhere" "ENT-004",
    TakesAnyCode "takes-codes-outside-the-lists" "ENT-010",
    TakesAnyRequired "takes-bodies-without-required-members" "ENT-010",
    TakesEmptyText "takes-empty-text" "ENT-010",
    PointsNowhere "points-to-no-member" "ENT-010",
    RefusesNulls "refuses-null-for-left-out" "ENT-010",
    CountsTextBytes "counts-the-bytes-of-text" "ENT-010",
    KeysByTransferAlone "keys-ledgers-by-transfer-alone" "LED-001",
    AppendsAnywhere "appends-at-any-sequence" "LED-002",
    IgnoresPrevious "ignores-previous" "LED-002",
    OverwritesHeads "overwrites-an-entry-at-its-place" "LED-002",
    RewritesHeaders "writes-headers-anew" "LED-004",
    LetsAnybodyWrite "lets-either-party-write-anything" "LED-005",
    AllowsAnyStage "allows-everything-in-every-stage" "LED-006",
    HidesTheStage "hides-the-stage" "LED-006",
    TakesAnyFirstEntry "takes-any-first-entry" "LED-006",
    NeverWithdraws "does-not-move-to-withdrawn" "LED-007",
    ReopensByCorrection "reopens-a-ledger-by-a-correction" "LED-007",
    ActsOnSilence "withdraws-after-a-second-of-silence" "LED-008",
    ReceiptsAnew "makes-a-receipt-for-each-repeat" "RCP-002",
    ForgetsReceiptsInReads "leaves-receipts-out-of-reads" "RCP-002",
    GoesBackInTime "makes-receipts-that-go-back-in-time" "RCP-003",
    TakesCounterReceiptsAlone "takes-the-authors-receipt-alone" "RCP-005",
    TakesAnyReceipt "takes-any-receipt-unread" "RCP-006",
    ReceiptsOwnAnew "receipts-again-what-it-receipted" "RCP-008",
    TakesTheFuture "takes-entries-of-the-future" "RCP-010",
    AllowsNoSkew "allows-no-skew" "RCP-010",
    TakesDisorder "takes-entries-out-of-order" "RCP-011",
    RefusesTheOld "refuses-old-entries" "RCP-011",
    TakesEndedAuthorities "takes-offers-of-ended-authorities" "DIR-011",
    TakesAuthoritiesToCome "takes-offers-of-authorities-to-come" "DIR-011",
    AsksForNoCertificate "asks-for-no-certificate" "TRN-001",
    ResumesSessions "resumes-sessions" "TRN-002",
    TakesStrangers "takes-strangers" "TRN-003",
    BelievesClientCert "believes-client-cert-of-anybody" "TRN-006",
    MindsFieldCase "minds-the-case-of-fields" "TRN-007",
    RefusesChunks "refuses-content-in-chunks" "TRN-007",
    LetsRefusalsBeStored "lets-refusals-be-stored" "TRN-008",
    LetsReceiptsBeStored "lets-receipts-be-stored" "TRN-008",
    RefusesUnknownQueries "refuses-unknown-query-members" "TRN-012",
    LacksReconciliation "lacks-reconciliation" "TRN-013",
    DigestsOpenLedgersAlone "reconciles-open-ledgers-alone" "TRN-013",
    TellsStrangers "tells-strangers-of-a-ledger" "TRN-014",
    ShowsStrangers "shows-a-ledger-to-strangers" "TRN-014",
    GivesTooMany "gives-more-entries-than-asked-for" "TRN-015",
    NeverMore "never-says-more" "TRN-015",
    TakesAnyLimit "takes-any-limit" "TRN-015",
    ChecksPlaceFirst "checks-the-place-before-the-body" "TRN-017",
    ChecksPathLate "checks-the-path-after-the-parties" "TRN-017",
    ChecksTypeLate "checks-the-type-after-the-parties" "TRN-017",
    RefusesRepeats "refuses-repeats" "TRN-018",
    ForgetsIds "appends-a-decision-twice" "TRN-018",
    StoresRefused "stores-what-it-refuses" "TRN-019",
    RefusesAsJson "refuses-as-application-json" "TRN-020",
    ForgetsStatus "leaves-status-out-of-problems" "TRN-020",
    ForgetsHead "leaves-the-head-out-of-problems" "TRN-020",
    ReadsNothing "reads-nothing-after-a-gap" "DLV-012",
    StoresWhatItReads "stores-what-it-reads-unchecked" "DLV-013",
    CallsAnyServer "calls-servers-that-are-not-pinned" "TRN-005",
    TellsNoIncarnation "tells-no-incarnation" "TRN-009",
    FollowsRedirects "follows-redirects" "TRN-010",
    PutsAuthorsIntoUrls "puts-other-members-into-urls" "TRN-011",
    TakesOldIncarnations "takes-older-incarnations" "RCV-002",
    ReadsNoHeads "reads-no-heads-of-a-restored-peer" "RCV-003",
    ListsOpenLedgersAlone "lists-open-ledgers-alone" "RCV-004",
    ListsEverybodys "lists-everybodys-ledgers" "RCV-004",
    ListsOnce "lists-a-ledger-once" "RCV-005",
    TakesAnyCursor "takes-any-cursor" "RCV-006",
    QuotesValues "quotes-values-of-the-body" "PRV-002",
    RefusesErased "refuses-erased-bodies" "PRV-006",
    LosesErased "drops-receipts-of-what-comes-back-erased" "PRV-006",
}
