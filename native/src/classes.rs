//! What the running Python says of characters. Nothing here is the toolchain's Unicode: Python
//! fills the pages of a text, 256 characters each, when one of them was lacking.

use std::sync::atomic::{AtomicBool, Ordering};

/// Bits of a character's class. `KIND` is one of the first four.
pub const NUMBER: u8 = 1;
pub const MARK: u8 = 2;
pub const SYMBOL: u8 = 3;
pub const KIND: u8 = 3;
pub const SPACE: u8 = 4;
/// A word character of Python's `re`.
pub const WORD: u8 = 8;
/// A word character of the `regex` package, which takes the fractions and superscripts for none.
pub const LETTER: u8 = 16;
pub const UPPER: u8 = 32;
pub const LOWER: u8 = 64;

pub const PAGES: u64 = 0x1100;
/// A page is 256 classes, then 256 lower cases: on page 0 the character in lower case, on others the
/// ASCII letter or digit that lower case begins with, 0 for none, more by 0x80 where more follows.
pub const PAGE: usize = 512;

pub struct Classes {
    pages: Vec<Box<[u8]>>,
    /// Whether a byte of UTF-8 is ASCII, or of no character that is known to be a letter or digit of ASCII in lower case.
    wordless: [bool; 256],
    /// Whether a page was asked for that is not there.
    lacking: AtomicBool,
}

impl Default for Classes {
    fn default() -> Self {
        // Bytes that follow a first one say nothing; of two bytes and of Latin-1 are C2 and C3.
        let wordless = std::array::from_fn(|byte| byte < 0xC4);
        Classes { pages: Vec::new(), wordless, lacking: AtomicBool::default() }
    }
}

impl Classes {
    pub fn set(&mut self, page: usize, data: &[u8]) {
        self.pages.resize(PAGES as usize, Box::default());
        self.pages[page] = data.into();
        // The first bytes of its characters, and how many characters each begins.
        let (firsts, count) = match page {
            1..=7 => (0xC0 | page << 2..=0xC3 | page << 2, 1 << 6),
            8..=0xFF => (0xE0 | page >> 4..=0xE0 | page >> 4, 1 << 12),
            _ => return,
        };
        for first in firsts {
            let (start, least) = if first < 0xE0 { (first & 0x1F, 0x100) } else { (first & 0x0F, 0x800) };
            let known = |code: usize| self.pages[code >> 8].get(PAGE / 2 + (code & 0xFF));
            let mut codes = (start * count).max(least)..(start + 1) * count;
            self.wordless[first] = codes.all(|code| known(code) == Some(&0));
        }
    }

    /// Whether some bytes of UTF-8 have no letter or digit in lower case but their ASCII; false where that is not known.
    pub fn are_wordless(&self, block: &[u8]) -> bool {
        block.is_ascii() || block.iter().fold(true, |all, &byte| all & self.wordless[usize::from(byte)])
    }

    /// Whether a page was asked for that is not there, since the last time: what was found is void.
    pub fn lacking(&mut self) -> bool {
        std::mem::take(self.lacking.get_mut())
    }

    #[inline]
    fn at(&self, character: u32, part: usize) -> u8 {
        let page = self.pages.get((character >> 8) as usize).and_then(|page| page.get(part..part + 256));
        page.map_or_else(|| self.lacks(), |page| page[(character & 0xFF) as usize])
    }

    #[cold]
    fn lacks(&self) -> u8 {
        self.lacking.store(true, Ordering::Relaxed); // who reads it has joined the threads that write it
        0
    }

    /// The class of a character; 0 where its page is missing.
    #[inline]
    pub fn of(&self, character: u32) -> u8 {
        self.at(character, 0)
    }

    /// Whether a character below U+0100 is of one of some classes.
    #[inline]
    pub fn is(&self, character: u8, classes: u8) -> bool {
        self.of(u32::from(character)) & classes != 0
    }

    /// The lower case of a character, as its page has it.
    #[inline]
    pub fn lower(&self, character: u32) -> u8 {
        self.at(character, PAGE / 2)
    }
}
