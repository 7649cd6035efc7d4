//! Numbers by keys: what tokens, words, n-grams and pieces of text are looked up in.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// The number of what has none.
pub const NONE: u32 = u32::MAX;
/// In the higher half of the key of a text that lies in `Index::long`; the other bits are how long it is.
const LONG: u64 = 0xFF << 56;

/// Up to sixteen bytes of text, zeros behind them; or any two numbers, the second below `LONG`.
pub type Key = [u64; 2];

/// Numbers by keys. Open addressing, half full at most. To be emptied costs nothing: a slot of
/// an earlier round is free.
pub struct Index {
    /// Nobody knows it, so that no text can be made to collide.
    seed: Key,
    slots: Vec<Slot>,
    mask: usize,
    round: u32,
    count: usize,
    /// Texts that fit into no key, end to end.
    long: Vec<u8>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    key: Key,
    number: u32,
    round: u32,
}

impl Default for Index {
    fn default() -> Self {
        let seed = [(); 2].map(|()| RandomState::new().build_hasher().finish());
        Index { seed, slots: vec![Slot::default(); 16], mask: 15, round: 1, count: 0, long: Vec::new() }
    }
}

impl Index {
    pub fn len(&self) -> usize {
        self.count
    }

    /// Forget all keys, and be ready for so many.
    pub fn empty(&mut self, keys: usize) {
        self.long.clear();
        self.free(keys);
    }

    /// Use as many slots as so many keys need, all of them free.
    fn free(&mut self, keys: usize) {
        let slots = (keys * 2).max(16).next_power_of_two();
        if self.round == u32::MAX {
            self.slots.clear();
            self.round = 0;
        }
        self.round += 1;
        self.slots.resize(slots.max(self.slots.len()), Slot::default());
        self.mask = slots - 1;
        self.count = 0;
    }

    #[inline]
    fn hash(&self, key: Key) -> u64 {
        let product = u128::from(key[0] ^ self.seed[0]) * u128::from(key[1] ^ self.seed[1]);
        (product as u64) ^ ((product >> 64) as u64)
    }

    fn hash_long(&self, text: &[u8]) -> u64 {
        text.chunks(16).map(packed).fold(text.len() as u64, |sum, [first, second]| self.hash([first ^ sum, second]))
    }

    /// The number of a key, or the slot where it would be.
    #[inline]
    fn look(&self, hash: u64, is: impl Fn(Key) -> bool) -> Result<u32, usize> {
        let mut at = hash as usize & self.mask;
        loop {
            let slot = &self.slots[at];
            if slot.round != self.round {
                return Err(at);
            }
            if is(slot.key) {
                return Ok(slot.number);
            }
            at = (at + 1) & self.mask;
        }
    }

    /// The number of a key; `NONE` for one that is not there.
    #[inline]
    pub fn find(&self, key: Key) -> u32 {
        self.look(self.hash(key), |other| other == key).unwrap_or(NONE)
    }

    /// The number of a key; one that is not there has the `next` one from then on.
    #[inline]
    pub fn add(&mut self, key: Key, next: u32) -> u32 {
        self.look(self.hash(key), |other| other == key).unwrap_or_else(|at| self.put(at, key, next))
    }

    /// The same of a text.
    #[inline]
    pub fn find_text(&self, text: &[u8]) -> u32 {
        match short(text) {
            Some(key) => self.find(key),
            None => self.look(self.hash_long(text), |key| self.long_of(key) == Some(text)).unwrap_or(NONE),
        }
    }

    #[inline]
    pub fn add_text(&mut self, text: &[u8], next: u32) -> u32 {
        if let Some(key) = short(text) {
            return self.add(key, next);
        }
        self.look(self.hash_long(text), |key| self.long_of(key) == Some(text)).unwrap_or_else(|at| {
            let key = [self.long.len() as u64, LONG | text.len() as u64];
            self.long.extend(text);
            self.put(at, key, next)
        })
    }

    #[inline]
    fn put(&mut self, at: usize, key: Key, number: u32) -> u32 {
        self.slots[at] = Slot { key, number, round: self.round };
        self.count += 1;
        if self.count * 2 > self.mask {
            self.grow();
        }
        number
    }

    #[cold]
    fn grow(&mut self) {
        let taken: Vec<Slot> = self.slots.iter().filter(|slot| slot.round == self.round).copied().collect();
        self.free(taken.len() * 2);
        self.count = taken.len();
        for slot in taken {
            let hash = self.long_of(slot.key).map_or_else(|| self.hash(slot.key), |text| self.hash_long(text));
            let at = self.look(hash, |_| false).expect_err("no key is as this one");
            self.slots[at] = Slot { round: self.round, ..slot };
        }
    }

    fn long_of(&self, key: Key) -> Option<&[u8]> {
        let (start, size) = (key[0] as usize, (key[1] ^ LONG) as usize);
        (key[1] >= LONG).then(|| &self.long[start..start + size])
    }
}

/// A text as its own key. None for a longer one, and where the last byte does not tell the length or
/// could be `LONG`.
#[inline]
fn short(text: &[u8]) -> Option<Key> {
    (text.len() <= 16 && is_told(text)).then(|| packed(text))
}

/// Whether the last byte of a text tells its length where zeros stand behind, and is not as that of `LONG`.
#[inline]
pub fn is_told(text: &[u8]) -> bool {
    matches!(text.last(), Some(1..=0xFE))
}

/// Up to sixteen bytes as a key: two reads that may overlap, the second shifted to where it belongs.
#[inline(always)]
fn packed(text: &[u8]) -> Key {
    let four = |at: usize| u64::from(u32::from_le_bytes([text[at], text[at + 1], text[at + 2], text[at + 3]]));
    let eight = |at: usize| four(at) | four(at + 4) << 32;
    let one = |at: usize| u64::from(text[at]) << (8 * at);
    match text.len() {
        0 => [0; 2],
        size @ 1..=3 => [one(0) | one(size / 2) | one(size - 1), 0],
        size @ 4..=7 => [four(0) | four(size - 4) << (8 * (size - 4)), 0],
        8 => [eight(0), 0],
        size => [eight(0), eight(size - 8) >> (8 * (16 - size))],
    }
}
