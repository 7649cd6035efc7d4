//! What two texts of token numbers have in common: n-grams by order, and the longest subsequence.

use crate::vocabulary::{Fault, Seed};

const NONE: u32 = u32::MAX;
/// Words of 64 tokens that `Counter::strip` does at a time: their chains of additions overlap.
const STRIP: usize = 4;

/// Counts pairs one after the other; keeps only buffers.
pub struct Counter {
    seed: Seed,
    /// For each token number of the vocabulary its number within the pair.
    local: Vec<u32>,
    ours: Vec<u32>,
    theirs: Vec<u32>,
    /// How often each n-gram, by its number within the pair, is on either side.
    counts: Vec<(u32, u32)>,
    table: Table,
    masks: Vec<[u64; STRIP]>,
    carries: Vec<bool>,
}

impl Counter {
    pub fn new(seed: &Seed) -> Self {
        Counter {
            seed: seed.clone(),
            local: Vec::new(),
            ours: Vec::new(),
            theirs: Vec::new(),
            counts: Vec::new(),
            table: Table::default(),
            masks: Vec::new(),
            carries: Vec::new(),
        }
    }

    /// Take a pair: after this `overlaps`, or `longest`, or first the latter and then the former.
    ///
    /// Tokens are numbered anew in the order in which the candidate has them, and what only one of
    /// the texts has is marked: no common n-gram or subsequence holds it.
    pub fn take(&mut self, ours: &[u32], theirs: &[u32], vocabulary: usize) -> Result<(), Fault> {
        fill(&mut self.local, vocabulary, NONE)?;
        for buffer in [&mut self.ours, &mut self.theirs] {
            buffer.clear();
        }
        self.ours.try_reserve(ours.len())?;
        self.theirs.try_reserve(theirs.len())?;
        self.counts.clear();
        self.counts.try_reserve(ours.len())?;
        for &token in ours {
            let local = &mut self.local[token as usize];
            if *local == NONE {
                *local = self.counts.len() as u32;
                self.counts.push((0, 0));
            }
            self.counts[*local as usize].0 += 1;
            self.ours.push(*local);
        }
        for &token in theirs {
            let local = self.local[token as usize];
            if local != NONE {
                self.counts[local as usize].1 += 1;
            }
            self.theirs.push(local);
        }
        for &token in ours {
            self.local[token as usize] = NONE;
        }
        for local in &mut self.ours {
            if self.counts[*local as usize].1 == 0 {
                *local = NONE;
            }
        }
        Ok(())
    }

    /// How many n-grams the pair has in common for n = 1, 2, ...: one that is a times on one side
    /// and b times on the other counts min(a, b) times. No n-gram is built: two are equal exactly
    /// when the two (n-1)-grams that they are made of are, and those have numbers already.
    pub fn overlaps(&mut self, found: &mut [i64]) -> Result<(), Fault> {
        found.fill(0);
        let orders = found.len();
        for (order, common) in found.iter_mut().enumerate() {
            if order > 0 {
                self.lengthen()?;
            }
            *common = self.counts.iter().map(|&(a, b)| i64::from(a.min(b))).sum();
            if *common == 0 || order + 1 == orders {
                break;
            }
        }
        Ok(())
    }

    /// Go from the numbers of n-grams to those of (n+1)-grams.
    fn lengthen(&mut self) -> Result<(), Fault> {
        self.counts.clear();
        self.table.empty(self.ours.len())?;
        for at in 0..self.ours.len() {
            let gram = gram(&self.ours, at);
            self.ours[at] = match gram {
                None => NONE,
                Some(key) => {
                    let next = self.counts.len() as u32;
                    let number = self.table.number(&self.seed, key, next);
                    if number == next {
                        self.counts.push((0, 0)); // `take` has reserved for as many as there are tokens
                    }
                    self.counts[number as usize].0 += 1;
                    number
                }
            };
        }
        for at in 0..self.theirs.len() {
            let found = gram(&self.theirs, at).map(|key| self.table.number(&self.seed, key, NONE));
            let number = found.unwrap_or(NONE);
            if number != NONE {
                self.counts[number as usize].1 += 1;
            }
            self.theirs[at] = number;
        }
        for number in &mut self.ours {
            if *number != NONE && self.counts[*number as usize].1 == 0 {
                *number = NONE;
            }
        }
        Ok(())
    }

    /// The length of the longest common subsequence (Hyyro 2004): a bit for each token of one text,
    /// and each token of the other is an addition over all those bits.
    pub fn longest(&mut self) -> Result<i64, Fault> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        ours.try_reserve(self.ours.len())?;
        theirs.try_reserve(self.theirs.len())?;
        ours.extend(self.ours.iter().copied().filter(|&token| token != NONE));
        theirs.extend(self.theirs.iter().copied().filter(|&token| token != NONE));
        let same = |pair: &(&u32, &u32)| pair.0 == pair.1;
        let head = ours.iter().zip(&theirs).take_while(same).count();
        let (ours, theirs) = (&ours[head..], &theirs[head..]);
        let tail = ours.iter().rev().zip(theirs.iter().rev()).take_while(same).count();
        let (ours, theirs) = (&ours[..ours.len() - tail], &theirs[..theirs.len() - tail]);
        let (bits, steps) = if ours.len() < theirs.len() { (ours, theirs) } else { (theirs, ours) };
        let ends = (head + tail) as i64;
        if bits.is_empty() {
            return Ok(ends);
        }
        self.masks.clear();
        self.masks.try_reserve(self.counts.len())?;
        self.masks.resize(self.counts.len(), [0; STRIP]);
        self.carries.clear();
        self.carries.try_reserve(steps.len())?;
        self.carries.resize(steps.len(), false);
        let mut length = ends;
        for strip in bits.chunks(64 * STRIP) {
            for (at, &token) in strip.iter().enumerate() {
                self.masks[token as usize][at / 64] |= 1 << (at % 64);
            }
            length += if strip.len() <= 64 {
                common::<1>(&self.masks, &mut self.carries, steps)
            } else {
                common::<STRIP>(&self.masks, &mut self.carries, steps)
            };
            for &token in strip {
                self.masks[token as usize] = [0; STRIP];
            }
        }
        Ok(length)
    }
}

/// What a strip of N words adds to the length. `carries` has for each step what the strip before
/// carried over, and receives what this one does.
fn common<const N: usize>(masks: &[[u64; STRIP]], carries: &mut [bool], steps: &[u32]) -> i64 {
    let mut row = [u64::MAX; N];
    for (carry, &token) in carries.iter_mut().zip(steps) {
        let mask = &masks[token as usize];
        for (word, &hits) in row.iter_mut().zip(mask) {
            let hit = *word & hits;
            let (sum, over) = word.overflowing_add(hit);
            let (sum, again) = sum.overflowing_add(u64::from(*carry));
            *carry = over | again;
            *word = sum | (*word & !hit);
        }
    }
    row.iter().map(|word| i64::from(word.count_zeros())).sum()
}

/// The n-gram at a place with the one behind it, which together are the (n+1)-gram there.
fn gram(numbers: &[u32], at: usize) -> Option<u64> {
    let first = numbers[at];
    let second = *numbers.get(at + 1)?;
    (first != NONE && second != NONE).then(|| u64::from(first) << 32 | u64::from(second))
}

/// Make a buffer at least so long, new places holding `value`.
fn fill<T: Clone>(buffer: &mut Vec<T>, size: usize, value: T) -> Result<(), Fault> {
    if buffer.len() < size {
        buffer.try_reserve(size - buffer.len())?;
        buffer.resize(size, value);
    }
    Ok(())
}

/// Numbers by key: open addressing, at most half full, emptied for each order of each pair.
#[derive(Default)]
struct Table {
    slots: Vec<(u64, u32)>,
    mask: usize,
}

impl Table {
    fn empty(&mut self, most: usize) -> Result<(), Fault> {
        let size = (most * 2).max(16).next_power_of_two();
        self.slots.clear();
        self.slots.try_reserve(size)?;
        self.slots.resize(size, (0, NONE));
        self.mask = size - 1;
        Ok(())
    }

    /// The number of a key; `next` for one that is not there, which then has it, but for `NONE`.
    fn number(&mut self, seed: &Seed, key: u64, next: u32) -> u32 {
        let mut at = seed.mix(key) as usize & self.mask;
        loop {
            let slot = &mut self.slots[at];
            if slot.1 == NONE {
                if next != NONE {
                    *slot = (key, next);
                }
                return next;
            }
            if slot.0 == key {
                return slot.1;
            }
            at = (at + 1) & self.mask;
        }
    }
}
