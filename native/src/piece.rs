//! Tokens of texts, each distinct run between spaces cut once.
//!
//! Every rule looks at most one character past a token's edge, so the tokens of a *piece* between
//! two spaces depend on the piece alone, but at the start and the end of a sentence, or of a text where sentences do not
//! count. So a piece is cut in one of four surroundings and remembered.

use crate::classes::{Classes, WORD};
use crate::index::{is_told, Index, Key, NONE};
use crate::sentence::Punkt;
use crate::text::{international, runs, Vocabulary};
use crate::words::{is_space, spaced};

/// Longer pieces are cut each time.
const LONGEST_KEPT: usize = 64;
const MOST_KEPT: usize = 1 << 18;
/// Added to the number of a token that is all there is of a piece.
const ONE: u32 = 1 << 31;

/// Whether a word stands before a piece, and behind it.
type Beside = (bool, bool);

/// The token numbers of pieces, good until the vocabulary is cleared.
#[derive(Default)]
pub struct Pieces {
    /// By the rule and what is beside a piece: its token, or where in `numbers` those of it are, behind how many they are.
    known: [Index; 8],
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
        self.known.iter_mut().for_each(|known| known.empty(known.len()));
        self.numbers.clear();
    }

    /// Add the words of a text of U+0020-7E and U+00A0-FF that has so many bytes, and `BEHIND` behind them.
    pub fn add(&mut self, text: &[u8], size: usize, punkt: &Punkt, cutter: &mut Cutter) {
        // A no-break space is whitespace for some rules only.
        let whole = text[..size].contains(&0xA0);
        for (start, end) in punkt.sentences(&text[..size], cutter.classes) {
            let sentence = &text[start..end];
            if whole || ends_in_closers_only(sentence) {
                cutter.cut(sentence, (false, false));
                continue;
            }
            runs::<b' '>(text, start, end, |at, stop, key| {
                let (piece, beside) = (&text[at..stop], (at > start, stop < end));
                self.piece(0, piece, key, beside, cutter, |cutter| cutter.cut(piece, beside));
            });
        }
    }

    /// Add the tokens of any such text by the international rule.
    pub fn add_international(&mut self, text: &[u8], size: usize, cutter: &mut Cutter) {
        runs::<b' '>(text, 0, size, |at, stop, key| {
            let beside = (at > 0, stop < size);
            let around = &text[at - usize::from(beside.0)..stop + usize::from(beside.1)];
            self.piece(4, &text[at..stop], key, beside, cutter, |Cutter { classes, vocabulary, found }| {
                international(around, classes, vocabulary, found);
            });
        });
    }

    /// Add the tokens of a piece, which is cut where it is not known yet.
    #[inline]
    fn piece(
        &mut self,
        rule: usize,
        piece: &[u8],
        key: Option<Key>,
        beside: Beside,
        cutter: &mut Cutter,
        cut: impl FnOnce(&mut Cutter),
    ) {
        let known = &mut self.known[rule + usize::from(beside.0) * 2 + usize::from(beside.1)];
        let key = key.filter(|_| is_told(piece));
        let there = match key {
            Some(key) => known.find(key),
            None if piece.len() > LONGEST_KEPT => return cut(cutter),
            None => known.find_text(piece),
        };
        if there != NONE && there >= ONE {
            return cutter.found.push(there - ONE);
        }
        if there != NONE {
            let size = self.numbers[there as usize] as usize;
            return cutter.found.extend(&self.numbers[there as usize + 1..][..size]);
        }
        let before = cutter.found.len();
        cut(cutter);
        let next = match cutter.found[before..] {
            [token] => ONE + token,
            ref tokens => {
                self.numbers.push(tokens.len() as u32);
                self.numbers.extend(tokens);
                (self.numbers.len() - 1 - tokens.len()) as u32
            }
        };
        known.add_text(piece, next);
        if self.numbers.len() >= MOST_KEPT {
            self.clear();
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

/// ])}>"'» are what the rule for the final full stop looks through.
fn ends_in_closers_only(sentence: &[u8]) -> bool {
    let last = sentence.rsplit(|&byte| byte == b' ').next().unwrap_or(b"");
    !last.is_empty() && last.iter().all(|byte| b"])}>\"'\xBB".contains(byte))
}
