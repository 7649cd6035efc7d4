//! UTF-8, surrogates included as Python's `surrogatepass` writes them, its runs between separators, and its tokens by
//! the international rule.

use crate::classes::{Classes, KIND, MARK, NUMBER, SPACE, SYMBOL};
use crate::index::{Index, Key};

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
        self.index.empty(self.ends.len()); // as many are likely to come again
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

/// Bytes that `runs` looks at together, as the bits of one number.
pub const BLOCK: usize = 64;
/// So many bytes behind a text are read by `runs`, whatever they are.
pub const BEHIND: usize = BLOCK;

/// Do something with each run of bytes other than `SEPARATOR` between two places of a text: where it begins and ends,
/// and its key, where it has one. Without a branch for what differs from run to run: those cost more than all the rest.
#[inline]
pub fn runs<const SEPARATOR: u8>(text: &[u8], from: usize, to: usize, mut step: impl FnMut(usize, usize, Option<Key>)) {
    let eight = |at: usize| u64::from_le_bytes(text[at..at + 8].try_into().expect("eight bytes"));
    let first = |size: usize, block: u64| block & u64::MAX.checked_shr(64 - 8 * size as u32).unwrap_or(0);
    let (mut start, mut within) = (from, false);
    for base in (from..=to).step_by(BLOCK) {
        let bits = (0..8).fold(0, |bits, at| bits | others::<SEPARATOR>(eight(base + 8 * at)) << (8 * at));
        let bits = bits & !u64::MAX.checked_shl((to - base).min(BLOCK) as u32).unwrap_or(0);
        let mut edges = bits ^ (bits << 1 | u64::from(within));
        while edges != 0 {
            let at = base + edges.trailing_zeros() as usize;
            edges &= edges - 1;
            within = !within;
            if within {
                start = at;
                continue;
            }
            let size = at - start;
            let key =
                (size <= 16).then(|| [first(size.min(8), eight(start)), first(size.max(8) - 8, eight(start + 8))]);
            step(start, at, key);
        }
    }
}

/// A bit for each of eight bytes, 1 for those that are no `SEPARATOR`.
#[inline]
fn others<const SEPARATOR: u8>(block: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xFF;
    let block = block ^ (ONES * u64::from(SEPARATOR));
    let tops = ((block & (ONES * 0x7F)) + ONES * 0x7F | block) & (ONES << 7);
    (tops >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Add the tokens of a text by the rule of NIST's mteval-v14: three replacements one after the other,
/// each from the left, none looking twice at a character; then a split at whitespace. The first sets a mark
/// apart that stands behind other than a number, the second one that stands before other than a number, the
/// third each symbol. Here they go over the text together.
pub fn international(text: &[u8], classes: &Classes, vocabulary: &mut Vocabulary, found: &mut Vec<u32>) {
    let kind = |at: usize| {
        let (code, size) = character(text, at);
        (classes.of(code) & (KIND | SPACE), text.len().min(at + size))
    };
    let mut token = |start: usize, end: usize| {
        if start < end {
            found.push(vocabulary.number(&text[start..end]));
        }
    };
    let (mut at, mut start, mut before) = (0, 0, NUMBER); // nothing stands before the first, as if it were a number
                                                          // Whether the first replacement took the character before, and the second this one.
    let (mut taken, mut used) = (false, false);
    while at < text.len() {
        let (this, next) = kind(at);
        let (mut first, mut uses) = (false, false);
        let alone = match this {
            MARK => {
                first = before != NUMBER && !taken;
                let behind = if next < text.len() { kind(next).0 } else { NUMBER };
                // A space that the first replacement put behind the mark is what the second one takes with it.
                let free = first || behind == MARK;
                let second = !used && (free || behind != NUMBER);
                uses = second && !free;
                first || second
            }
            this => this == SYMBOL || this & SPACE != 0,
        };
        if alone {
            token(start, at);
            if this & SPACE == 0 {
                token(at, next);
            }
            start = next;
        }
        (before, taken, used, at) = (this, first, uses, next);
    }
    token(start, at);
}
