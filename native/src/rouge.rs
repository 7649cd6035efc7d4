//! ROUGE's words: runs of ASCII letters and digits in lower case, numbered anew for each reference.
//!
//! The words of a pair fit into the processor's nearest cache, those of all texts do not: so nothing
//! is kept from one reference to the next.

use crate::classes::Classes;
use crate::index::Index;
use crate::text::{character, runs, BEHIND, BLOCK};

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
        let size = lowered.len() - BEHIND;
        if LEARN {
            // Of longer texts, more words come back.
            index.empty(lowered.len() / if size < 1 << 12 { 8 } else { 16 });
        }
        found.clear();
        found.reserve(size / 2 + 1);
        runs::<0>(lowered, 0, size, |start, end, key| {
            let next = found.len() as u32;
            found.push(match key {
                Some(key) if LEARN => index.add(key, next),
                Some(key) => index.find(key),
                None if LEARN => index.add_text(&lowered[start..end], next),
                None => index.find_text(&lowered[start..end]),
            });
        });
    }
}

/// Write a text in lower case with one zero or more for all that is in no word, and what `runs` reads behind it.
fn lower(text: &[u8], classes: &Classes, lowered: &mut Vec<u8>) {
    lowered.clear();
    let mut at = 0;
    while at < text.len() {
        let blocks = text[at..].chunks(BLOCK).take_while(|block| classes.are_wordless(block));
        let plain = blocks.map(<[u8]>::len).sum::<usize>();
        lowered.extend(text[at..at + plain].iter().map(|&byte| lower_of(byte)));
        at += plain;
        let end = text.len().min(at + BLOCK);
        while at < end {
            if text[at] & 0xC0 == 0x80 {
                at += 1; // of a character that began before
                continue;
            }
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
    lowered.resize(lowered.len() + BEHIND, 0);
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
