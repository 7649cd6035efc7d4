//! ROUGE's words: runs of ASCII letters and digits in lower case, numbered anew for each reference.
//!
//! The words of a pair fit into the processor's nearest cache, those of all texts do not: so nothing
//! is kept from one reference to the next.

use crate::classes::Classes;
use crate::index::{Index, Key};
use crate::text::character;

/// The words of one reference.
#[derive(Default)]
pub struct Words {
    index: Index,
    lowered: Vec<u8>,
}

impl Words {
    /// Write for each word the place where the reference first has it: of the reference, whose words are known
    /// from then on, if `LEARN`; else of a candidate, with `NONE` for a word that is not there.
    #[inline(never)] // or it is slower by a twentieth
    pub fn places<const LEARN: bool>(&mut self, text: &[u8], classes: &Classes, found: &mut Vec<u32>) {
        let Words { index, lowered } = self;
        lower(text, classes, lowered);
        if LEARN {
            // Of longer texts, more words come back.
            index.empty(lowered.len() / if lowered.len() < 1 << 12 { 8 } else { 16 });
        }
        found.clear();
        found.reserve(lowered.len() / 2);
        each(lowered, |short, long| {
            let next = found.len() as u32;
            found.push(match short {
                Some(key) if LEARN => index.add(key, next),
                Some(key) => index.find(key),
                None if LEARN => index.add_text(long, next),
                None => index.find_text(long),
            });
        });
    }
}

/// Write a text in lower case with zeros for all that is in no word, and zeros behind it: at least
/// one, to a multiple of `BLOCK`, and what `each` reads behind that.
fn lower(text: &[u8], classes: &Classes, lowered: &mut Vec<u8>) {
    lowered.clear();
    let mut at = 0;
    while at < text.len() {
        let blocks = text[at..].chunks(BLOCK).take_while(|block| block.is_ascii());
        let plain = blocks.map(<[u8]>::len).sum::<usize>();
        lowered.extend(text[at..at + plain].iter().map(|&byte| lower_of(byte)));
        at += plain;
        let end = text.len().min(at + BLOCK);
        while at < end {
            let (code, size) = character(text, at);
            let lower = match code {
                0..=0x7F => lower_of(code as u8),
                0x80..=0xFF => 0,
                _ => classes.lower(code),
            };
            lowered.push(lower & 0x7F);
            if lower > 0x7F {
                lowered.push(0); // what follows in lower case is in no word
            }
            at += size;
        }
    }
    let blocks = lowered.len() / BLOCK + 1;
    lowered.resize(blocks * BLOCK + 16, 0);
}

/// An ASCII letter in lower case, a digit as it is, else 0.
#[inline]
fn lower_of(byte: u8) -> u8 {
    match byte {
        b'A'..=b'Z' => byte | 0x20,
        b'a'..=b'z' | b'0'..=b'9' => byte,
        _ => 0,
    }
}

/// Characters whose places are kept as the bits of one number.
const BLOCK: usize = 64;

/// Do something with each word of a text that `lower` wrote: its key, where it fits into one. Without a branch for what differs from
/// word to word: those cost more than all the rest.
#[inline]
fn each(text: &[u8], mut step: impl FnMut(Option<Key>, &[u8])) {
    let eight = |at: usize| u64::from_le_bytes(text[at..at + 8].try_into().expect("eight bytes"));
    let first = |size: usize, block: u64| block & u64::MAX.checked_shr(64 - 8 * size as u32).unwrap_or(0);
    let (mut start, mut within) = (0, false);
    for base in (0..text.len() - 16).step_by(BLOCK) {
        let bits = (0..8).fold(0, |bits, at| bits | letters(eight(base + 8 * at)) << (8 * at));
        let mut edges = bits ^ (bits << 1 | u64::from(within));
        while edges != 0 {
            let at = base + edges.trailing_zeros() as usize;
            edges &= edges - 1;
            within = !within;
            let size = at - start;
            if within {
                start = at;
            } else if size <= 16 {
                let key = [first(size.min(8), eight(start)), first(size.max(8) - 8, eight(start + 8))];
                step(Some(key), &[]);
            } else {
                step(None, &text[start..at]);
            }
        }
    }
}

/// A bit for each of eight characters, 1 for those of words; none is above 0x7F.
#[inline]
fn letters(block: u64) -> u64 {
    let tops = block.wrapping_add(0x7F7F_7F7F_7F7F_7F7F) & 0x8080_8080_8080_8080;
    (tops >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}
