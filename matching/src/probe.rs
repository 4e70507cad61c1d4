//! A query made ready for comparison: folded, coded, and looked up once.

use crate::child::{Child, PartialDate, Sex};
use crate::identifier::{NhsNumber, Postcode, Upn};
use crate::names::{Names, Token, TokenId};
use crate::normal;

/// Alternative names of one child that are looked at.
pub(crate) const ALTERNATIVES_MAX: usize = 4;

/// A token of a query; one that no child of the register bears has no place among its names.
pub(crate) struct ProbeToken {
    pub(crate) token: Token,
    pub(crate) id: Option<TokenId>,
}

/// A name of a query: places among [`Probe::tokens`].
#[derive(Default)]
pub(crate) struct ProbeName {
    pub(crate) tokens: Vec<usize>,
    pub(crate) joined: usize,
}

impl ProbeName {
    pub(crate) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Its tokens, and all of them written together.
    pub(crate) fn all(&self) -> impl Iterator<Item = usize> + '_ {
        let joined = (self.tokens.len() > 1).then_some(self.joined);
        self.tokens.iter().copied().chain(joined)
    }
}

/// A query made ready.
#[derive(Default)]
pub(crate) struct Probe {
    pub(crate) tokens: Vec<ProbeToken>,
    pub(crate) given: ProbeName,
    pub(crate) middle: ProbeName,
    pub(crate) family: ProbeName,
    pub(crate) other_given: Vec<ProbeName>,
    pub(crate) other_family: Vec<ProbeName>,
    pub(crate) date: Option<PartialDate>,
    pub(crate) sex: Option<Sex>,
    pub(crate) upn: Option<Upn>,
    pub(crate) former_upns: Vec<Upn>,
    pub(crate) nhs_number: Option<NhsNumber>,
    pub(crate) postcode: Option<Postcode>,
}

impl Probe {
    pub(crate) fn new(child: &Child, names: &Names) -> Self {
        let mut probe = Self {
            date: child.date_of_birth,
            sex: child.sex,
            upn: child.upn.as_deref().and_then(Upn::read),
            former_upns: former_upns(child).collect(),
            nhs_number: child.nhs_number.as_deref().and_then(NhsNumber::read),
            postcode: child.postcode.as_deref().and_then(Postcode::read),
            ..Self::default()
        };
        probe.given = probe.name(child.given_name.as_deref().unwrap_or_default(), names);
        probe.middle = probe.name(child.middle_names.as_deref().unwrap_or_default(), names);
        probe.family = probe.name(child.family_name.as_deref().unwrap_or_default(), names);
        for (given, family) in other_names(child) {
            let (given, family) = (probe.name(&given, names), probe.name(&family, names));
            probe.other_given.extend(Some(given).filter(|name| !name.is_empty()));
            probe.other_family.extend(Some(family).filter(|name| !name.is_empty()));
        }
        probe
    }

    fn name(&mut self, name: &str, names: &Names) -> ProbeName {
        let words = normal::tokens(name);
        let tokens: Vec<usize> = words.iter().map(|word| self.token(word, names)).collect();
        let joined = match *tokens {
            [] => 0,
            [only] => only,
            _ => self.token(&words.concat(), names),
        };
        ProbeName { tokens, joined }
    }

    fn token(&mut self, text: &str, names: &Names) -> usize {
        if let Some(place) = self.tokens.iter().position(|held| &*held.token.text == text) {
            return place;
        }
        let id = names.find(text);
        let token = id.map_or_else(|| Token::new(text), |id| names.token(id).clone());
        self.tokens.push(ProbeToken { token, id });
        self.tokens.len() - 1
    }
}

/// Former numbers that have the form of one, in bounded number.
pub(crate) fn former_upns(child: &Child) -> impl Iterator<Item = Upn> + '_ {
    child.former_upns.iter().filter_map(|upn| Upn::read(upn)).take(ALTERNATIVES_MAX)
}

/// Other names of a child as given and family name, either of them empty if unknown.
///
/// Of another name in use, the last of several words is the family name; a single word is a given name.
pub(crate) fn other_names(child: &Child) -> impl Iterator<Item = (String, String)> + '_ {
    let former = child.former_family_names.iter().take(ALTERNATIVES_MAX);
    let former = former.map(|family| (String::new(), family.clone()));
    let known_as = child.also_known_as.iter().take(ALTERNATIVES_MAX).map(|name| {
        let name = name.trim();
        let (given, family) = name.rsplit_once(' ').unwrap_or((name, ""));
        (given.to_owned(), family.to_owned())
    });
    former.chain(known_as)
}
