//! ROUGE's words: runs of ASCII letters and digits in lower case, numbered anew for each reference.
//!
//! The words of a pair fit into the processor's nearest cache, those of all texts do not: so nothing
//! is kept from one reference to the next.

use std::convert::TryInto;

use crate::classes::Classes;
use crate::table::{Table, NONE};
use crate::text::Text;
use crate::vocabulary::{boxed, Fault, Map, Seed};

/// A word of up to sixteen characters, zeros behind it: no word has a zero in it.
type Short = [u64; 2];

enum Word<'a> {
    Short(Short),
    Long(&'a [u8]),
}

/// The words of one reference.
pub struct Words {
    seed: Seed,
    short: Table<Short>,
    long: Map<Box<[u8]>, u32>,
    lowered: Vec<u8>,
}

impl Words {
    pub fn new(seed: &Seed) -> Self {
        let (short, long) = (Table::default(), Map::with_hasher(seed.clone()));
        Words { seed: seed.clone(), short, long, lowered: Vec::new() }
    }

    /// Write for each word of a reference the place where it first stands; it is known from then on.
    pub fn learn(&mut self, text: &Text, classes: &Classes, found: &mut Vec<u32>) -> Result<(), Fault> {
        lower(text, classes, &mut self.lowered)?;
        self.long.clear();
        self.short.empty(self.lowered.len() / 8)?;
        found.clear();
        found.try_reserve(self.lowered.len() / 2)?;
        let Words { seed, short, long, lowered } = self;
        each(lowered, |word| {
            let place = found.len() as u32;
            found.push(match word {
                Word::Short(word) => short.add(word, place, |word| seed.two(word))?,
                Word::Long(word) => match long.get(word) {
                    Some(&first) => first,
                    None => {
                        long.try_reserve(1)?;
                        long.insert(boxed(word)?, place);
                        place
                    }
                },
            });
            Ok(())
        })
    }

    /// Write the same for each word of a candidate: the place in the reference, `NONE` where it is not there.
    pub fn find(&mut self, text: &Text, classes: &Classes, found: &mut Vec<u32>) -> Result<(), Fault> {
        lower(text, classes, &mut self.lowered)?;
        found.clear();
        found.try_reserve(self.lowered.len() / 2)?;
        each(&self.lowered, |word| {
            found.push(match word {
                Word::Short(word) => self.short.find(self.seed.two(&word), &word),
                Word::Long(word) => self.long.get(word).copied().unwrap_or(NONE),
            });
            Ok(())
        })
    }
}

/// Write a text in lower case with zeros for all that is in no word, and zeros behind it: at least
/// one, to a multiple of `BLOCK`, and what `each` reads behind that.
fn lower(text: &Text, classes: &Classes, lowered: &mut Vec<u8>) -> Result<(), Fault> {
    lowered.clear();
    match text {
        Text::Narrow(text) => {
            lowered.try_reserve(text.len() + 2 * BLOCK)?;
            lowered.extend(text.iter().map(|&byte| lower_of(byte)));
        }
        Text::Wide(text) => {
            lowered.try_reserve(text.len() * 2 + 2 * BLOCK)?;
            for &code in *text {
                let lower = if code < 0x100 { lower_of(code as u8) } else { classes.lower(code) };
                lowered.push(lower & 0x7F);
                if lower > 0x7F {
                    lowered.push(0); // what follows in lower case is in no word
                }
            }
        }
    }
    let blocks = lowered.len() / BLOCK + 1;
    lowered.resize(blocks * BLOCK + 16, 0);
    Ok(())
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

/// Do something with each word of a text that `lower` wrote. Without a branch for what differs from
/// word to word: those cost more than all the rest.
#[inline]
fn each(text: &[u8], mut step: impl FnMut(Word) -> Result<(), Fault>) -> Result<(), Fault> {
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
            if within {
                start = at;
                continue;
            }
            let size = at - start;
            step(if size <= 16 {
                Word::Short([first(size.min(8), eight(start)), first(size.max(8) - 8, eight(start + 8))])
            } else {
                Word::Long(&text[start..at])
            })?;
        }
    }
    Ok(())
}

/// A bit for each of eight characters, 1 for those of words; none is above 0x7F.
#[inline]
fn letters(block: u64) -> u64 {
    let tops = block.wrapping_add(0x7F7F_7F7F_7F7F_7F7F) & 0x8080_8080_8080_8080;
    (tops >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}
