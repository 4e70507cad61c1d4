//! A code for how a name sounds, made for names of many languages written in Latin letters.
//!
//! English phonetic codes (Soundex, Metaphone) tell apart what is one name here: `Wojciech` and `Vojcech`,
//! `Yusuf` and `Youssef`, `Khalid` and `Halid`. This one keeps the consonants that survive transliteration
//! and lets the rest go: vowels count only as a first letter and all alike, `w` is `v`, `kh` is
//! `k`, a doubled letter is one, `h` counts only between vowels or first.

/// Consonants that a code keeps.
const CODE_LETTERS_MAX: usize = 8;

/// How a token sounds; nought for an empty one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Sound(u64);

impl Sound {
    /// The sound of a token of small Latin letters.
    pub(crate) fn of(token: &str) -> Self {
        let letters = token.as_bytes();
        let mut code = [0_u8; CODE_LETTERS_MAX];
        let mut length = 0;
        let mut index = 0;
        while index < letters.len() && length < CODE_LETTERS_MAX {
            let (sound, taken) = sound_at(letters, index);
            for &byte in sound {
                // A letter that follows itself directly is one; with a vowel between, two.
                let repeats =
                    length > 0 && code[length - 1] == byte && index > 0 && !is_vowel(letters[index - 1]);
                if !repeats && length < CODE_LETTERS_MAX {
                    code[length] = byte;
                    length += 1;
                }
            }
            index += taken;
        }
        Self(u64::from_be_bytes(code))
    }

    /// The code as a number, for keys.
    pub(crate) const fn number(self) -> u64 {
        self.0
    }

    /// The first letter of the code.
    pub(crate) const fn initial(self) -> u8 {
        self.0.to_be_bytes()[0]
    }
}

fn is_vowel(letter: u8) -> bool {
    matches!(letter, b'a' | b'e' | b'i' | b'o' | b'u' | b'y')
}

/// What is heard at `index`, and how many letters make it.
fn sound_at(letters: &[u8], index: usize) -> (&'static [u8], usize) {
    let rest = &letters[index..];
    let first = index == 0;
    let after = |offset: usize| rest.get(offset).copied().unwrap_or(0);
    let softens = |letter: u8| matches!(letter, b'e' | b'i' | b'y');
    for (spelling, sound) in GROUPS {
        if rest.starts_with(spelling) {
            return (sound, spelling.len());
        }
    }
    let sound: &'static [u8] = match rest[0] {
        b'y' if first && is_vowel(after(1)) => b"J",
        letter if is_vowel(letter) => {
            if first {
                b"A"
            } else {
                b""
            }
        }
        b'h' if first || (is_vowel(letters[index - 1]) && is_vowel(after(1))) => b"H",
        b'c' if softens(after(1)) => b"S",
        b'c' | b'k' | b'q' => b"K",
        b'g' => b"G",
        b'j' => b"J",
        b'x' if first => b"S",
        b'x' => b"KS",
        // Half of a diphthong, as in "Chowdhury".
        b'w' if !first && is_vowel(letters[index - 1]) && !is_vowel(after(1)) => b"",
        b'w' | b'v' => b"V",
        b's' | b'z' => b"S",
        b'b' => b"B",
        b'd' => b"D",
        b'f' => b"F",
        b'l' => b"L",
        b'm' => b"M",
        b'n' => b"N",
        b'p' => b"P",
        b'r' => b"R",
        b't' => b"T",
        _ => b"",
    };
    (sound, 1)
}

/// Spellings of one sound by several letters; longer ones first.
const GROUPS: [(&[u8], &[u8]); 29] = [
    (b"szcz", b"X"),
    (b"shch", b"X"),
    (b"tsch", b"X"),
    (b"sch", b"X"),
    (b"tch", b"X"),
    (b"dzh", b"J"),
    (b"cks", b"KS"),
    (b"sz", b"X"),
    (b"sh", b"X"),
    (b"ch", b"X"),
    (b"cz", b"X"),
    (b"zh", b"X"),
    (b"rz", b"R"),
    (b"dj", b"J"),
    (b"dg", b"J"),
    (b"ge", b"J"),
    (b"gi", b"J"),
    (b"ph", b"F"),
    (b"ck", b"K"),
    (b"kh", b"K"),
    (b"gh", b"G"),
    (b"th", b"T"),
    (b"dh", b"D"),
    (b"bh", b"B"),
    (b"kn", b"N"),
    (b"wr", b"R"),
    (b"ts", b"S"),
    (b"tz", b"S"),
    (b"ks", b"KS"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_in_several_spellings_sounds_alike() {
        for names in [
            &["mohammed", "muhammad", "mohamed", "mohamad", "muhammed"][..],
            &["yusuf", "youssef", "yousef", "yousuf"],
            &["hussain", "hussein", "husain", "hossain"],
            &["oleksandr", "aleksandr", "alexandr"],
            &["kowalski", "kovalski", "kowalsky"],
            &["stephen", "stefan", "stephan"],
            &["aiden", "aidan", "ayden"],
            &["sara", "sarah"],
            &["catherine", "katherine", "kathryn", "catrin"],
            &["aisha", "ayesha", "aysha"],
            &["choudhury", "chowdhury"],
            &["geoffrey", "jeffrey"],
            &["phillip", "filip"],
        ] {
            for name in names {
                assert_eq!(Sound::of(name), Sound::of(names[0]), "{name} and {}", names[0]);
            }
        }
    }

    #[test]
    fn different_names_sound_different() {
        for (one, other) in [
            ("jayden", "hayden"),
            ("mohammed", "mahmoud"),
            ("smith", "jones"),
            ("ella", "emma"),
            ("khan", "chan"),
            ("ali", "ania"),
        ] {
            assert_ne!(Sound::of(one), Sound::of(other), "{one} and {other}");
        }
    }

    #[test]
    fn the_empty_token_has_no_sound() {
        assert_eq!(Sound::of("").number(), 0);
        assert_eq!(Sound::of("").initial(), 0);
    }

    proptest::proptest! {
        #[test]
        fn every_token_has_a_sound_of_bounded_length(token in "[a-z]{1,40}") {
            proptest::prop_assert_ne!(Sound::of(&token).number(), 0);
        }
    }
}
