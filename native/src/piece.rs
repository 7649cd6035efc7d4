//! Words of printable Latin-1 text, each distinct run between spaces cut once.
//!
//! Every rule looks at most one character past a word's edge, so the tokens of a *piece* between
//! two spaces depend on the piece alone, but at the start and the end of a sentence. So a piece is
//! cut in one of four surroundings and remembered.

use crate::classes::{Classes, WORD};
use crate::index::Index;
use crate::sentence::Punkt;
use crate::text::Vocabulary;
use crate::words::{is_space, run, spaced};

/// Longer pieces are cut each time.
const LONGEST_KEPT: usize = 64;
const MOST_KEPT: usize = 1 << 18;

/// Whether a word stands before a piece, and behind it.
type Beside = (bool, bool);

/// The token numbers of pieces, good until the vocabulary is cleared.
#[derive(Default)]
pub struct Pieces {
    /// By what is beside a piece: where in `numbers` those of it are, behind how many they are.
    known: [Index; 4],
    numbers: Vec<u32>,
}

/// What pieces are cut with, and where their tokens go.
pub struct Cutter<'a> {
    pub classes: &'a Classes,
    pub vocabulary: &'a mut Vocabulary,
    pub found: &'a mut Vec<u32>,
}

impl Pieces {
    pub fn clear(&mut self) {
        self.known.iter_mut().for_each(|known| known.empty(0));
        self.numbers.clear();
    }

    /// Add the words of a text of U+0020-7E and U+00A0-FF.
    pub fn add(&mut self, text: &[u8], punkt: &Punkt, cutter: &mut Cutter) {
        // A no-break space is whitespace for some rules only.
        let whole = text.contains(&0xA0);
        for (start, end) in punkt.sentences(text, cutter.classes) {
            let sentence = &text[start..end];
            if whole || ends_in_closers_only(sentence) {
                cutter.cut(sentence, (false, false));
                continue;
            }
            let mut at = 0;
            while at <= sentence.len() {
                let stop = at + until_space(&sentence[at..]);
                if at < stop {
                    self.piece(&sentence[at..stop], (at > 0, stop < sentence.len()), cutter);
                }
                at = stop + 1;
            }
        }
    }

    fn piece(&mut self, piece: &[u8], beside: Beside, cutter: &mut Cutter) {
        if piece.len() > LONGEST_KEPT {
            return cutter.cut(piece, beside);
        }
        if self.numbers.len() >= MOST_KEPT {
            self.clear();
        }
        let next = self.numbers.len();
        let known = &mut self.known[usize::from(beside.0) * 2 + usize::from(beside.1)];
        let start = known.add_text(piece, next as u32) as usize;
        if start == next {
            let before = cutter.found.len();
            cutter.cut(piece, beside);
            self.numbers.push((cutter.found.len() - before) as u32);
            self.numbers.extend(&cutter.found[before..]);
        } else {
            let size = self.numbers[start] as usize;
            cutter.found.extend(&self.numbers[start + 1..=start + size]);
        }
    }
}

impl Cutter<'_> {
    /// Add the tokens of a piece, or of a sentence that the rules must see whole. The rules are told
    /// "x", a token of its own, for any neighbour.
    fn cut(&mut self, piece: &[u8], beside: Beside) {
        if is_plain(piece, self.classes) {
            return self.token(piece);
        }
        let (before, after): (&[u8], &[u8]) = (if beside.0 { b"x " } else { b"" }, if beside.1 { b" x" } else { b"" });
        let spaced = spaced([before, piece, after].concat(), self.classes);
        let tokens: Vec<_> = spaced.split(|&byte| is_space(byte)).filter(|token| !token.is_empty()).collect();
        for token in &tokens[usize::from(beside.0)..tokens.len() - usize::from(beside.1)] {
            self.token(token);
        }
    }

    fn token(&mut self, token: &[u8]) {
        let number = if token.is_ascii() {
            self.vocabulary.number(token)
        } else {
            let text: String = token.iter().copied().map(char::from).collect();
            self.vocabulary.number(text.as_bytes())
        };
        self.found.push(number);
    }
}

/// Whether the rules have nothing to say about a piece: letters, digits and signs that no rule
/// names, and none of the words that are two.
fn is_plain(piece: &[u8], classes: &Classes) -> bool {
    let plain = |byte: u8| classes.is(byte, WORD) || b"/\\+=_|~^".contains(&byte);
    let two = |first: &[u8]| piece.windows(first.len()).any(|found| found.eq_ignore_ascii_case(first));
    piece.iter().all(|&byte| plain(byte))
        && !(piece.len() >= 5
            && [&b"cannot"[..], b"gimme", b"gonna", b"gotta", b"lemme", b"wanna"].into_iter().any(two))
}

/// How many bytes stand before the first space, or the end: eight are looked at together.
#[inline]
fn until_space(text: &[u8]) -> usize {
    const ONES: u64 = u64::MAX / 0xFF;
    let mut at = 0;
    while let Some(eight) = text.get(at..at + 8) {
        let other = u64::from_le_bytes(eight.try_into().expect("eight bytes")) ^ (ONES * u64::from(b' '));
        let spaces = other.wrapping_sub(ONES) & !other & (ONES << 7);
        if spaces != 0 {
            return at + spaces.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    at + run(&text[at..], |byte| byte != b' ')
}

/// ])}>"'» are what the rule for the final full stop looks through.
fn ends_in_closers_only(sentence: &[u8]) -> bool {
    let last = sentence.rsplit(|&byte| byte == b' ').next().unwrap_or(b"");
    !last.is_empty() && last.iter().all(|byte| b"])}>\"'\xBB".contains(byte))
}
