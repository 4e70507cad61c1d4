//! Whether two queries are about one child, as far as the authority that asks can tell.

use super::Subject;

impl Subject {
    /// Whether the two may be one child, so that their queries are counted together: they share a number, or agree
    /// in a family name and in whatever both have of given name and date of birth, as far as it is known.
    ///
    /// A detail that was left out or written in another way makes no other child, as leaving one out would be a
    /// way past the limit. Two that both have numbers of a kind and share none are two children, unless their
    /// names and dates agree in full: a number can be wrong. Implements: QRY-014
    pub fn may_be(&self, other: &Self) -> bool {
        let shares_upn = self.upns.iter().any(|upn| other.upns.contains(upn));
        let shares_nhs_number = self.nhs_number.is_some() && self.nhs_number == other.nhs_number;
        shares_upn || shares_nhs_number || self.agrees_in_names_and_date(other)
    }

    fn agrees_in_names_and_date(&self, other: &Self) -> bool {
        let given = both(self.given_name.as_deref(), other.given_name.as_deref())
            .is_none_or(|(one, two)| plain(one) == plain(two));
        let (one, two) = (self.date_of_birth.as_ref(), other.date_of_birth.as_ref());
        let born = both(one, two).is_none_or(|(one, two)| {
            let (one, two) = (one.to_string(), two.to_string());
            one.starts_with(&two) || two.starts_with(&one)
        });
        let family = self.family_names().any(|one| other.family_names().any(|two| plain(one) == plain(two)));
        family && given && born
    }

    fn family_names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.family_name).chain(&self.former_family_names).map(String::as_str)
    }
}

fn both<T>(one: Option<T>, two: Option<T>) -> Option<(T, T)> {
    one.zip(two)
}

/// Letters alone, in lower case: spaces, hyphens and apostrophes are written in many ways.
fn plain(name: &str) -> String {
    name.chars().filter(|character| character.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::canonical::Json;
    use crate::example;

    fn subject(change: impl FnOnce(&mut Value)) -> Subject {
        let mut subject = example::query_body().into_value()["subject"].take();
        change(&mut subject);
        Json::from_typed(&subject).unwrap().read().unwrap()
    }

    #[test]
    fn a_child_stays_one_whatever_is_left_out_or_written_in_another_way() {
        let child = subject(|_| {});
        for same in [
            subject(|_| {}),
            subject(|other| drop(other.as_object_mut().unwrap().remove("upns"))),
            subject(|other| other["dateOfBirth"] = json!("2016")),
            subject(|other| other["familyName"] = json!("TEST-case")),
            subject(|other| other["familyName"] = json!("Example")),
            subject(|other| drop(other.as_object_mut().unwrap().remove("givenName"))),
            subject(|other| {
                other["familyName"] = json!("Quite");
                other["givenName"] = json!("Another");
            }),
        ] {
            assert!(child.may_be(&same) && same.may_be(&child));
        }
    }

    #[test]
    fn two_children_are_told_apart_by_given_name_or_date_of_birth() {
        let without_number = |other: &mut Value| drop(other.as_object_mut().unwrap().remove("upns"));
        let child = subject(without_number);
        let twin = subject(|other| {
            without_number(other);
            other["givenName"] = json!("Bilal");
        });
        let elder = subject(|other| {
            without_number(other);
            other["dateOfBirth"] = json!("2014-04-09");
        });
        let of_other_name = subject(|other| {
            without_number(other);
            other["familyName"] = json!("Specimen");
            other["formerFamilyNames"] = json!([]);
        });
        for other in [twin, elder, of_other_name] {
            assert!(!child.may_be(&other) && !other.may_be(&child));
        }
    }

    #[test]
    fn a_shared_number_is_one_child_whatever_the_names() {
        let with = |number: &'static str| {
            move |other: &mut Value| {
                let members = other.as_object_mut().unwrap();
                members.remove("lastPostcode");
                members.remove("upns");
                members.insert("familyName".to_owned(), json!(number));
                members.insert("formerFamilyNames".to_owned(), json!([]));
                members.insert("nhsNumber".to_owned(), json!("9990000018"));
            }
        };
        assert!(subject(with("One")).may_be(&subject(with("Two"))));
    }
}
