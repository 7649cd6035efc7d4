//! Numbers for tokens: equal tokens have equal numbers, and nothing else is ever asked of them.

use std::collections::hash_map::RandomState;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

use crate::text::Character;

/// Why a call did not end; the caller then takes the Python way.
#[derive(Debug)]
pub enum Fault {
    /// The machine has not the memory.
    Memory,
}

impl From<std::collections::TryReserveError> for Fault {
    fn from(_: std::collections::TryReserveError) -> Self {
        Fault::Memory
    }
}

/// A hash whose seed nobody knows, so that no text can be made to collide; four times faster than
/// the standard one on short words.
#[derive(Clone)]
pub struct Seed(u64);

impl Seed {
    pub fn new() -> Self {
        Seed(RandomState::new().build_hasher().finish())
    }

    pub fn mix(&self, key: u64) -> u64 {
        fold(self.0 ^ key)
    }

    pub fn two(&self, key: &[u64; 2]) -> u64 {
        fold(self.mix(key[0]) ^ key[1])
    }
}

fn fold(value: u64) -> u64 {
    let product = u128::from(value) * 0x9E37_79B9_7F4A_7C15;
    (product as u64) ^ ((product >> 64) as u64)
}

impl BuildHasher for Seed {
    type Hasher = Folded;
    fn build_hasher(&self) -> Folded {
        Folded(self.0)
    }
}

pub struct Folded(u64);

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = fold(self.0 ^ value);
    }

    fn write_usize(&mut self, value: usize) {
        self.write_u64(value as u64);
    }

    fn write_u128(&mut self, value: u128) {
        self.write_u64(value as u64);
        self.write_u64((value >> 64) as u64);
    }

    fn write(&mut self, bytes: &[u8]) {
        let blocks = bytes.chunks_exact(8);
        let rest = blocks.remainder().iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        for block in blocks {
            self.write_u64(u64::from(four(block, 0)) | u64::from(four(block, 4)) << 32);
        }
        self.write_u64(rest); // the length was hashed before
    }
}

pub type Map<K, V> = HashMap<K, V, Seed>;

/// A copy of a slice on the heap, or the fault where there is no memory for it.
pub fn boxed<T: Copy>(slice: &[T]) -> Result<Box<[T]>, Fault> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(slice.len())?;
    copy.extend_from_slice(slice);
    Ok(copy.into_boxed_slice())
}

/// Values by bytes. Keys of up to sixteen bytes, nearly all words, lie in the table themselves.
pub struct Keyed<V> {
    short: Map<u128, V>,
    long: Map<Box<[u8]>, V>,
}

impl<V> Keyed<V> {
    pub fn new(seed: &Seed) -> Self {
        Keyed { short: Map::with_hasher(seed.clone()), long: Map::with_hasher(seed.clone()) }
    }

    pub fn len(&self) -> usize {
        self.short.len() + self.long.len()
    }

    pub fn clear(&mut self) {
        self.short.clear();
        self.long.clear();
    }

    pub fn get(&self, key: &[u8]) -> Option<&V> {
        match packed(key) {
            Some(key) => self.short.get(&key),
            None => self.long.get(key),
        }
    }

    pub fn insert(&mut self, key: &[u8], value: V) -> Result<(), Fault> {
        match packed(key) {
            Some(key) => {
                self.short.try_reserve(1)?;
                self.short.insert(key, value);
            }
            None => {
                self.long.try_reserve(1)?;
                self.long.insert(boxed(key)?, value);
            }
        }
        Ok(())
    }
}

/// Up to sixteen bytes as one number. None for more, or where the last is 0, so that two keys never
/// have the same.
fn packed(key: &[u8]) -> Option<u128> {
    let size = key.len();
    let eight = |at: usize| u64::from(four(key, at)) | u64::from(four(key, at + 4)) << 32;
    if size > 16 || key.last().map_or(true, |&byte| byte == 0) {
        return None;
    }
    // Two reads that may overlap, the second shifted until they do not.
    Some(match size {
        8..=16 => u128::from(eight(0)) | u128::from(eight(size - 8)) << (8 * (size - 8)),
        4..=7 => u128::from(u64::from(four(key, 0)) | u64::from(four(key, size - 4)) << (8 * (size - 4))),
        _ => {
            let (first, middle, last) = (key[0], key[size / 2], key[size - 1]);
            u128::from(first) | u128::from(middle) << (8 * (size / 2)) | u128::from(last) << (8 * (size - 1))
        }
    })
}

fn four(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// All tokens seen since the last `clear`. A token of characters below U+0100 is always kept as
/// bytes and any other one never, so one token cannot have two numbers.
pub struct Vocabulary {
    narrow: Keyed<u32>,
    wide: Map<Box<[u32]>, u32>,
    scratch: Vec<u8>,
    /// The characters of all tokens in the order of their numbers, and where each token ends.
    characters: Vec<u32>,
    ends: Vec<usize>,
    /// How often it was emptied: numbers of another generation are those of other tokens.
    generation: u64,
}

impl Vocabulary {
    pub fn new(seed: &Seed) -> Self {
        Vocabulary {
            narrow: Keyed::new(seed),
            wide: Map::with_hasher(seed.clone()),
            scratch: Vec::new(),
            characters: Vec::new(),
            ends: Vec::new(),
            generation: 0,
        }
    }

    /// How many numbers are given; they run from 0.
    pub fn size(&self) -> usize {
        self.ends.len()
    }

    /// The characters of the tokens from a number on, and where each ends in all there are.
    pub fn since(&self, number: usize) -> Option<(&[u32], &[usize])> {
        let start = number.checked_sub(1).map_or(Some(0), |last| self.ends.get(last).copied())?;
        Some((&self.characters[start..], &self.ends[number..]))
    }

    pub fn characters(&self) -> usize {
        self.characters.len()
    }

    pub fn generation(&self) -> u64 {
        self.generation
    }

    pub fn clear(&mut self) {
        self.narrow.clear();
        self.wide.clear();
        self.characters.clear();
        self.ends.clear();
        self.generation += 1;
    }

    /// Add the number of a token to those found.
    pub fn add<C: Character>(&mut self, token: &[C], found: &mut Vec<u32>) -> Result<(), Fault> {
        found.try_reserve(1)?;
        found.push(C::number(token, self)?);
        Ok(())
    }

    /// The number of a token of characters below U+0100.
    pub fn narrow(&mut self, token: &[u8]) -> Result<u32, Fault> {
        if let Some(&number) = self.narrow.get(token) {
            return Ok(number);
        }
        let number = self.added(token.iter().map(|&byte| u32::from(byte)), token.len())?;
        self.narrow.insert(token, number)?;
        Ok(number)
    }

    /// The number of a token of any characters.
    pub fn any(&mut self, token: &[u32]) -> Result<u32, Fault> {
        if token.iter().all(|&character| character < 0x100) {
            let mut bytes = std::mem::take(&mut self.scratch);
            bytes.clear();
            bytes.try_reserve(token.len())?;
            bytes.extend(token.iter().map(|&character| character as u8));
            let number = self.narrow(&bytes);
            self.scratch = bytes;
            return number;
        }
        if let Some(&number) = self.wide.get(token) {
            return Ok(number);
        }
        let number = self.added(token.iter().copied(), token.len())?;
        self.wide.try_reserve(1)?;
        self.wide.insert(boxed(token)?, number);
        Ok(number)
    }

    /// The number of a new token.
    fn added(&mut self, token: impl Iterator<Item = u32>, size: usize) -> Result<u32, Fault> {
        self.characters.try_reserve(size)?;
        self.ends.try_reserve(1)?;
        self.characters.extend(token);
        self.ends.push(self.characters.len());
        Ok(self.ends.len() as u32 - 1)
    }
}
