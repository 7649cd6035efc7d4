//! What the running Python says of characters. Nothing here is the toolchain's Unicode: Python
//! fills a page of 256 characters when a text first has one of them.

use crate::vocabulary::{boxed, Fault};

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

pub const PAGES: usize = 0x1100;
const LAST: usize = 0x100;

/// Classes by character, and lower case where ROUGE sees it.
pub struct Classes {
    pages: Vec<Option<Box<[u8]>>>,
    /// The lower case of characters below U+0100, all of them below it too.
    pub lower: [u8; LAST],
    /// What `str.lower` makes of other characters where that holds an ASCII letter or digit.
    folded: Vec<(u32, Box<[u8]>)>,
}

impl Classes {
    pub fn new() -> Self {
        let mut pages = Vec::new();
        pages.resize(PAGES, None);
        let mut lower = [0; LAST];
        for (at, byte) in lower.iter_mut().enumerate() {
            *byte = at as u8;
        }
        Classes { pages, lower, folded: Vec::new() }
    }

    /// Take a page of 256 classes. False: there is no such page.
    pub fn set(&mut self, page: usize, classes: &[u8]) -> Result<bool, Fault> {
        if page >= PAGES || classes.len() != 256 {
            return Ok(false);
        }
        self.pages[page] = Some(boxed(classes)?);
        Ok(true)
    }

    pub fn fold(&mut self, character: u32, lowered: &[u8]) -> Result<(), Fault> {
        self.folded.push((character, boxed(lowered)?));
        Ok(())
    }

    /// The pages of a text that were not set, each once.
    pub fn missing(&self, text: &[u32]) -> Vec<u32> {
        let mut found = Vec::new();
        let mut last = usize::MAX;
        for &character in text {
            let page = (character >> 8) as usize;
            if page != last {
                last = page;
                let known = self.pages.get(page).map_or(true, |page| page.is_some());
                if !known && !found.contains(&(page as u32)) {
                    found.push(page as u32);
                }
            }
        }
        found
    }

    /// The class of a character; that of one never set is 0.
    pub fn of(&self, character: u32) -> u8 {
        let page = self.pages.get((character >> 8) as usize).and_then(Option::as_ref);
        page.map_or(0, |page| page[(character & 0xFF) as usize])
    }

    /// The class of a character below U+0100.
    pub fn narrow(&self, character: u8) -> u8 {
        self.of(u32::from(character))
    }

    /// The bytes of a character in lower case, those that are no ASCII letter or digit blank; None
    /// for a character with none but such.
    pub fn folded(&self, character: u32) -> Option<&[u8]> {
        let found = self.folded.iter().find(|(known, _)| *known == character);
        found.map(|(_, lowered)| &lowered[..])
    }
}
