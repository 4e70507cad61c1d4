//! Names that a register holds, each kept once, with how often it occurs.

use std::collections::HashMap;
use std::sync::Arc;

use crate::nicknames::Listed;
use crate::normal;
use crate::phonetic::Sound;

/// The place of a token among [`Names`].
pub(crate) type TokenId = u32;

/// A name of one or more tokens: nought is no name, one token stands for itself, several have a place among
/// [`Names`] of their own.
pub(crate) type PhraseId = u32;

/// Set in the [`PhraseId`] of several tokens.
const SEVERAL: PhraseId = 1 << 31;

/// What a name is used as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    Given = 0,
    Family = 1,
    Middle = 2,
}

const ROLES: usize = 3;

/// One word of a name, with what comparisons ask of it.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) text: Arc<str>,
    pub(crate) sound: Sound,
    pub(crate) listed: Option<Listed>,
    /// Which letters it has, a bit each: tells most pairs of different names apart at once.
    pub(crate) letters: u32,
    /// Children here who have it, by role.
    pub(crate) children: [u32; ROLES],
    /// Its own place, once it is among [`Names`]: the tokens of a name that has no other.
    own: [TokenId; 1],
}

impl Token {
    pub(crate) fn new(text: &str) -> Self {
        let letters = text.bytes().fold(0, |letters, letter| letters | 1 << (letter & 31));
        Self {
            text: Arc::from(text),
            sound: Sound::of(text),
            listed: Listed::find(text),
            letters,
            children: [0; ROLES],
            own: [0],
        }
    }
}

/// A name: its tokens in order, and the token that they make written together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Phrase<'n> {
    pub(crate) tokens: &'n [TokenId],
    pub(crate) joined: TokenId,
}

/// Every name that was ever put in; a name that no child bears any more stays, counted nought.
pub(crate) struct Names {
    tokens: Vec<Token>,
    token_ids: HashMap<Arc<str>, TokenId>,
    /// Names of several tokens, with the token that each makes written together.
    phrases: Vec<(Box<[TokenId]>, TokenId)>,
    phrase_ids: HashMap<Box<[TokenId]>, PhraseId>,
}

impl Default for Names {
    fn default() -> Self {
        Self {
            tokens: vec![Token::new("")],
            token_ids: HashMap::new(),
            phrases: Vec::new(),
            phrase_ids: HashMap::new(),
        }
    }
}

impl Names {
    /// The phrase of a name, put in if it is new; nought if it has no letters.
    pub(crate) fn phrase_id(&mut self, name: &str) -> PhraseId {
        let tokens = normal::tokens(name);
        match &tokens[..] {
            [] => return 0,
            [only] => return self.token_id(only),
            _ => {}
        }
        let ids: Box<[TokenId]> = tokens.iter().map(|token| self.token_id(token)).collect();
        if let Some(&id) = self.phrase_ids.get(&ids) {
            return id;
        }
        let joined = self.token_id(&tokens.concat());
        let id = SEVERAL | number(self.phrases.len());
        self.phrases.push((ids.clone(), joined));
        self.phrase_ids.insert(ids, id);
        id
    }

    fn token_id(&mut self, text: &str) -> TokenId {
        if let Some(&id) = self.token_ids.get(text) {
            return id;
        }
        let id = number(self.tokens.len());
        let token = Token { own: [id], ..Token::new(text) };
        self.token_ids.insert(Arc::clone(&token.text), id);
        self.tokens.push(token);
        id
    }

    /// The name that [`Names::phrase_id`] gave this number.
    pub(crate) fn phrase(&self, id: PhraseId) -> Phrase<'_> {
        if id & SEVERAL == 0 {
            let own = &self.token(id).own;
            return Phrase { tokens: if id == 0 { &[] } else { own }, joined: id };
        }
        let (tokens, joined) = &self.phrases[(id & !SEVERAL) as usize];
        Phrase { tokens, joined: *joined }
    }

    /// The token that a name makes written together.
    pub(crate) fn joined(&self, id: PhraseId) -> &Token {
        self.token(self.phrase(id).joined)
    }

    /// The token at a place.
    pub(crate) fn token(&self, id: TokenId) -> &Token {
        &self.tokens[id as usize]
    }

    /// The token of this text, if it was ever put in.
    pub(crate) fn find(&self, text: &str) -> Option<TokenId> {
        self.token_ids.get(text).copied()
    }

    /// Counts a child who bears the name, or one fewer.
    pub(crate) fn count(&mut self, id: PhraseId, role: Role, borne: bool) {
        let mut count = |token: TokenId| {
            let children = &mut self.tokens[token as usize].children[role as usize];
            *children = if borne { children.saturating_add(1) } else { children.saturating_sub(1) };
        };
        if id & SEVERAL == 0 {
            return count(id);
        }
        let (tokens, joined) = &self.phrases[(id & !SEVERAL) as usize];
        tokens.iter().chain([joined]).for_each(|&token| count(token));
    }

    /// Bytes that the names take, about.
    pub(crate) fn bytes(&self) -> usize {
        let text: usize = self.tokens.iter().map(|token| token.text.len() + 16).sum();
        let held = self.tokens.capacity() * size_of::<Token>()
            + self.token_ids.capacity() * (size_of::<(Arc<str>, TokenId)>() + 1);
        let phrase_tokens: usize = self.phrases.iter().map(|(tokens, _)| 2 * (4 * tokens.len() + 16)).sum();
        let phrases = self.phrases.capacity() * size_of::<(Box<[TokenId]>, TokenId)>()
            + self.phrase_ids.capacity() * (size_of::<(Box<[TokenId]>, PhraseId)>() + 1);
        text + held + phrase_tokens + phrases
    }
}

/// A place as a number of 31 bits; a register of two thousand million children or names is misuse.
pub(crate) fn number(place: usize) -> u32 {
    u32::try_from(place).ok().filter(|number| number & SEVERAL == 0).expect("fewer than 2^31 entries")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_in_two_spellings_is_one_phrase() {
        let mut names = Names::default();
        let id = names.phrase_id("Smith-Jones");
        assert_eq!(names.phrase_id("SMITH JONES"), id);
        assert_ne!(names.phrase_id("Smithjones"), id);
        assert_eq!(names.phrase(id).tokens.len(), 2);
        assert_eq!(&*names.token(names.phrase(id).joined).text, "smithjones");
        assert_eq!(names.phrase_id("--"), 0);
    }

    #[test]
    fn counts_by_role_and_by_token() {
        let mut names = Names::default();
        let (double, single) = (names.phrase_id("Smith Jones"), names.phrase_id("Jones"));
        names.count(double, Role::Family, true);
        names.count(single, Role::Family, true);
        names.count(single, Role::Given, true);
        let jones = names.find("jones").unwrap();
        assert_eq!(names.token(jones).children, [1, 2, 0]);
        names.count(double, Role::Family, false);
        assert_eq!(names.token(jones).children, [1, 1, 0]);
    }
}
