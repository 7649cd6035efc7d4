//! UTF-8, surrogates included as Python's `surrogatepass` writes them, and its tokens by the international rule.

use crate::classes::{Classes, KIND, MARK, NUMBER, SPACE, SYMBOL};
use crate::index::Index;

/// All tokens seen since the last `clear`, in UTF-8: equal tokens have equal numbers, from 0 on.
#[derive(Default)]
pub struct Vocabulary {
    index: Index,
    /// The tokens in the order of their numbers, and where each ends.
    pub text: Vec<u8>,
    pub ends: Vec<u64>,
    /// How often it was emptied: numbers of another generation are those of other tokens.
    pub generation: u64,
}

impl Vocabulary {
    pub fn clear(&mut self) {
        self.index.empty(0);
        self.text.clear();
        self.ends.clear();
        self.generation += 1;
    }

    #[inline]
    pub fn number(&mut self, token: &[u8]) -> u32 {
        let next = self.ends.len() as u32;
        let number = self.index.add_text(token, next);
        if number == next {
            self.text.extend(token);
            self.ends.push(self.text.len() as u64);
        }
        number
    }
}

/// The character that begins at a place, and how many bytes it has. Bytes that are no UTF-8 make some character.
#[inline]
pub fn character(text: &[u8], at: usize) -> (u32, usize) {
    let next = |place: usize| u32::from(text.get(at + place).map_or(0, |byte| byte & 0x3F));
    match u32::from(text[at]) {
        first @ 0..=0x7F => (first, 1),
        first @ 0x80..=0xDF => ((first & 0x1F) << 6 | next(1), 2),
        first @ 0xE0..=0xEF => ((first & 0x0F) << 12 | next(1) << 6 | next(2), 3),
        first => ((first & 0x07) << 18 | next(1) << 12 | next(2) << 6 | next(3), 4),
    }
}

/// Where each character begins, and which it is.
pub fn characters(text: &[u8]) -> impl Iterator<Item = (usize, u32)> + '_ {
    let mut next = 0;
    std::iter::from_fn(move || {
        let at = next;
        let (code, size) = (at < text.len()).then(|| character(text, at))?;
        next += size;
        Some((at, code))
    })
}

/// Write printable Latin-1, U+0020-7E and U+00A0-FF, a byte a character; false for any other text.
pub fn latin(text: &[u8], found: &mut Vec<u8>) -> bool {
    found.clear();
    if text.chunks(64).all(|block| block.iter().fold(true, |plain, byte| plain & matches!(byte, 0x20..=0x7E))) {
        found.extend(text);
        return true;
    }
    characters(text).all(|(_, code)| {
        found.push(code as u8);
        matches!(code, 0x20..=0x7E | 0xA0..=0xFF)
    })
}

/// Beside a character's class: the rule puts whitespace before it.
const APART: u8 = 128;

/// Add the tokens of a text by the rule of NIST's mteval-v14: three replacements one after the
/// other, each from the left, none looking twice at a character; then a split at whitespace.
pub fn international(text: &[u8], classes: &Classes, vocabulary: &mut Vocabulary, found: &mut Vec<u32>) {
    let mut class = Vec::with_capacity(text.len() + 1);
    let mut starts = Vec::with_capacity(text.len() + 1);
    for (at, code) in characters(text) {
        class.push(classes.of(code));
        starts.push(at as u32);
    }
    let size = class.len();
    // The end ends a token, and is no number.
    class.push(SPACE);
    starts.push(text.len() as u32);
    let is = |class: u8, kind: u8| class & KIND == kind;
    // (no number)(mark): each apart, and neither taken again.
    let mut at = 1;
    while at < size {
        if is(class[at], MARK) && !is(class[at - 1], NUMBER) {
            class[at] |= APART;
            class[at + 1] |= APART;
            at += 1;
        }
        at += 1;
    }
    // (mark)(no number): the mark apart. Where the first rule has put a space behind the mark, the
    // space is what is taken.
    let mut at = 0;
    while at < size {
        let free = class[at + 1] & APART != 0;
        if is(class[at], MARK) && (free || at + 1 < size && !is(class[at + 1], NUMBER)) {
            class[at] |= APART;
            class[at + 1] |= APART;
            at += usize::from(!free);
        }
        at += 1;
    }
    let mut start = 0;
    let mut token =
        |start: usize, end: usize| found.push(vocabulary.number(&text[starts[start] as usize..starts[end] as usize]));
    for (at, &class) in class.iter().enumerate() {
        let alone = is(class, SYMBOL) || class & SPACE != 0;
        if (alone || class & APART != 0) && start < at {
            token(start, at);
            start = at;
        }
        if alone {
            if is(class, SYMBOL) {
                token(at, at + 1);
            }
            start = at + 1;
        }
    }
}
