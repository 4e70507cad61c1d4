//! How long a child has been missing education.

use super::{DFE_DATA_DICTIONARY, code_list};

code_list! {
    /// Time for which a child has been missing education, in the Department for Education's eight bands.
    DurationBand, source: DFE_DATA_DICTIONARY;
    LessThanTwoWeeks = "less-than-2-weeks", "Less than 2 weeks";
    TwoToFourWeeks = "2-to-4-weeks", "2 to 4 weeks";
    FourToEightWeeks = "4-to-8-weeks", "4 to 8 weeks";
    EightToTwelveWeeks = "8-to-12-weeks", "8 to 12 weeks";
    TwelveToTwentySixWeeks = "12-to-26-weeks", "12 to 26 weeks";
    TwentySixToFiftyTwoWeeks = "26-to-52-weeks", "26 to 52 weeks";
    OverFiftyTwoWeeks = "over-52-weeks", "Over 52 weeks";
    Unknown = "unknown", "Unknown";
}
