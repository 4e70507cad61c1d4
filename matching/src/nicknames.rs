//! Names in use for one another, from a cited list (`data/README.md`).

use std::collections::HashMap;
use std::sync::LazyLock;

const LIST: &str = include_str!("../data/nicknames.txt");

/// Names that can stand for one name; what a list on paper says in one direction holds in both.
struct Relations {
    numbers: HashMap<&'static str, u16>,
    names: Vec<&'static str>,
    related: Vec<Vec<u16>>,
}

static RELATIONS: LazyLock<Relations> = LazyLock::new(|| Relations::read(LIST));

impl Relations {
    fn read(list: &'static str) -> Self {
        let mut relations = Self { numbers: HashMap::new(), names: Vec::new(), related: Vec::new() };
        // A name, and what stands for it.
        for line in list.lines() {
            let mut numbers = line.split(',').filter_map(|name| relations.number(name));
            let Some(name) = numbers.next() else { continue };
            let nicknames: Vec<u16> = numbers.filter(|&nickname| nickname != name).collect();
            for nickname in nicknames {
                relations.related[usize::from(name)].push(nickname);
                relations.related[usize::from(nickname)].push(name);
            }
        }
        for related in &mut relations.related {
            related.sort_unstable();
            related.dedup();
        }
        relations
    }

    /// The number of a name, a new one if needed; none when the numbers have run out.
    fn number(&mut self, name: &'static str) -> Option<u16> {
        if let Some(&number) = self.numbers.get(name) {
            return Some(number);
        }
        let number = u16::try_from(self.names.len()).ok()?;
        self.numbers.insert(name, number);
        self.names.push(name);
        self.related.push(Vec::new());
        Some(number)
    }
}

/// A name that has nicknames, or is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Listed(u16);

impl Listed {
    /// The list's entry for a token, if it has one.
    pub(crate) fn find(token: &str) -> Option<Self> {
        RELATIONS.numbers.get(token).copied().map(Self)
    }

    /// Whether one name stands for the other.
    pub(crate) fn stands_for(self, other: Self) -> bool {
        RELATIONS.related[usize::from(self.0)].binary_search(&other.0).is_ok()
    }

    /// The names that stand for this one, or that it stands for.
    pub(crate) fn related(self) -> impl Iterator<Item = &'static str> {
        RELATIONS.related[usize::from(self.0)].iter().map(|&number| RELATIONS.names[usize::from(number)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nickname_stands_for_its_name_in_both_directions() {
        let (william, bill) = (Listed::find("william").unwrap(), Listed::find("bill").unwrap());
        assert!(william.stands_for(bill) && bill.stands_for(william));
        assert!(william.related().any(|name| name == "bill"));
    }

    #[test]
    fn two_nicknames_of_one_name_do_not_stand_for_each_other() {
        let (alan, albert) = (Listed::find("alan").unwrap(), Listed::find("albert").unwrap());
        assert!(!alan.stands_for(albert));
    }

    #[test]
    fn the_whole_list_is_read() {
        let relations = RELATIONS.related.iter().map(Vec::len).sum::<usize>();
        assert!(relations > 4_000, "{relations}");
    }
}
