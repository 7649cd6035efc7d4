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
/// A page is 256 classes, then 256 lower cases: on page 0 the character in lower case, on others the
/// ASCII letter or digit that lower case begins with, 0 for none, more by 0x80 where more follows.
const PAGE: usize = 512;

#[derive(Default)]
pub struct Classes(Vec<Option<Box<[u8]>>>);

impl Classes {
    /// Take a page. False: there is no such page.
    pub fn set(&mut self, page: usize, data: &[u8]) -> Result<bool, Fault> {
        if page >= PAGES || data.len() != PAGE {
            return Ok(false);
        }
        self.0.resize(PAGES, None);
        self.0[page] = Some(boxed(data)?);
        Ok(true)
    }

    /// The pages of a text that were not set, each once.
    pub fn missing(&self, text: &[u32]) -> Vec<u32> {
        let mut found = Vec::new();
        let mut last = u32::MAX;
        for page in text.iter().map(|character| character >> 8) {
            let unset = (page as usize) < PAGES && !matches!(self.0.get(page as usize), Some(Some(_)));
            if page != last && unset && !found.contains(&page) {
                found.push(page);
            }
            last = page;
        }
        found
    }

    fn at(&self, character: u32, part: usize) -> u8 {
        let page = self.0.get((character >> 8) as usize).and_then(Option::as_ref);
        page.map_or(0, |page| page[part + (character & 0xFF) as usize])
    }

    /// The class of a character; that of one never set is 0.
    pub fn of(&self, character: u32) -> u8 {
        self.at(character, 0)
    }

    /// The class of a character below U+0100.
    pub fn narrow(&self, character: u8) -> u8 {
        self.of(u32::from(character))
    }

    /// The lower case of a character, as its page has it.
    pub fn lower(&self, character: u32) -> u8 {
        self.at(character, PAGE / 2)
    }
}
