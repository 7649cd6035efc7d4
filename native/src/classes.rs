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

#[derive(Default)]
pub struct Classes {
    pages: Vec<Box<[u8]>>,
    /// Whether a page was asked for that is not there.
    lacking: AtomicBool,
}

impl Classes {
    pub fn set(&mut self, page: usize, data: &[u8]) {
        self.pages.resize(PAGES as usize, Box::default());
        self.pages[page] = data.into();
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
