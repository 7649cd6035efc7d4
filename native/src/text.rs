//! What a text is, and its tokens by the international rule.

use crate::classes::{Classes, KIND, MARK, NUMBER, SPACE, SYMBOL};
use crate::vocabulary::{Fault, Vocabulary};

/// A text as it comes through the door: characters below U+0100 as bytes, or all as code points.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Text<'a> {
    Narrow(&'a [u8]),
    Wide(&'a [u32]),
}

/// A character of either form.
pub trait Character: Copy {
    fn code(self) -> u32;
    fn number(token: &[Self], vocabulary: &mut Vocabulary) -> Result<u32, Fault>
    where
        Self: Sized;
}

impl Character for u8 {
    fn code(self) -> u32 {
        u32::from(self)
    }
    fn number(token: &[u8], vocabulary: &mut Vocabulary) -> Result<u32, Fault> {
        vocabulary.narrow(token)
    }
}

impl Character for u32 {
    fn code(self) -> u32 {
        self
    }
    fn number(token: &[u32], vocabulary: &mut Vocabulary) -> Result<u32, Fault> {
        vocabulary.any(token)
    }
}

/// Buffers of `international`, one byte a character.
#[derive(Default)]
pub struct Gaps {
    classes: Vec<u8>,
    /// Whether the rule puts whitespace before a character.
    before: Vec<bool>,
}

/// Add the tokens of a text by the rule of NIST's mteval-v14: three replacements one after the
/// other, each from the left, none looking twice at a character; then a split at whitespace.
pub fn international<C: Character>(
    text: &[C],
    classes: &Classes,
    gaps: &mut Gaps,
    vocabulary: &mut Vocabulary,
    found: &mut Vec<u32>,
) -> Result<(), Fault> {
    let size = text.len();
    let Gaps { classes: class, before } = gaps;
    class.clear();
    class.try_reserve(size)?;
    class.extend(text.iter().map(|&character| classes.of(character.code())));
    before.clear();
    before.try_reserve(size + 1)?;
    before.resize(size + 1, false);
    let is = |at: usize, kind: u8| class[at] & KIND == kind;
    // (no number)(mark): each apart, and neither taken again.
    let mut at = 1;
    while at < size {
        if is(at, MARK) && !is(at - 1, NUMBER) {
            before[at] = true;
            before[at + 1] = true;
            at += 1;
        }
        at += 1;
    }
    // (mark)(no number): the mark apart. Where the first rule has put a space behind the mark, the
    // space is what is taken.
    let mut at = 0;
    while at < size {
        if is(at, MARK) && (before[at + 1] || at + 1 < size && !is(at + 1, NUMBER)) {
            let free = before[at + 1];
            before[at] = true;
            before[at + 1] = true;
            at += usize::from(!free);
        }
        at += 1;
    }
    let mut start = 0;
    for at in 0..size {
        let apart = is(at, SYMBOL) || class[at] & SPACE != 0;
        if (before[at] || apart) && start < at {
            vocabulary.add(&text[start..at], found)?;
            start = at;
        }
        if apart {
            if is(at, SYMBOL) {
                vocabulary.add(&text[at..=at], found)?;
            }
            start = at + 1;
        }
    }
    if start < size {
        vocabulary.add(&text[start..], found)?;
    }
    Ok(())
}
