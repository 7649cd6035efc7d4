//! What two texts of token numbers have in common: n-grams by order, and the longest subsequence.

use crate::core::Wanted;
use crate::index::{Index, NONE};

/// Added to the number of an n-gram that the reference has more than once.
const MANY: u32 = 1 << 31;
/// No text may have as many tokens.
pub const MOST: usize = MANY as usize - 1;
/// Words of 64 tokens that `Counter::longest` does at a time: their chains of additions overlap.
const STRIP: usize = 4;

/// Counts pairs one after the other; keeps only buffers.
#[derive(Default)]
pub struct Counter {
    /// For each number of a vocabulary the place where the reference first has it.
    places: Vec<u32>,
    /// The n-grams of either text, by the place where the reference first has each.
    ours: Vec<u32>,
    theirs: Vec<u32>,
    /// How often the candidate and the reference have the n-gram of a place.
    counts: Vec<(u32, u32)>,
    longer: Vec<u32>,
    repeated: Index,
    /// The tokens that both have.
    shared: (Vec<u32>, Vec<u32>),
    masks: Vec<[u64; STRIP]>,
    carries: Vec<bool>,
}

impl Counter {
    /// Take a pair. The number of a token is the place where the reference first has it, `NONE` where it
    /// has not.
    pub fn take(&mut self, ours: &[u32], theirs: &[u32]) {
        fill(&mut self.ours, ours.iter().copied());
        fill(&mut self.theirs, theirs.iter().copied());
    }

    /// Take a pair whose tokens have the numbers of a vocabulary of such a size.
    pub fn take_numbers(&mut self, ours: &[u32], theirs: &[u32], vocabulary: usize) {
        self.places.resize(vocabulary.max(self.places.len()), NONE);
        let places = &mut self.places;
        let first = theirs.iter().enumerate().map(|(at, &token)| {
            let place = &mut places[token as usize];
            *place = (*place).min(at as u32); // `NONE` is above all
            *place
        });
        fill(&mut self.theirs, first);
        fill(&mut self.ours, ours.iter().map(|&token| self.places[token as usize]));
        theirs.iter().for_each(|&token| self.places[token as usize] = NONE);
    }

    /// Count what is wanted of the pair that was taken.
    pub fn count(&mut self, wanted: Wanted, row: &mut [u64]) {
        let Counter { ours, theirs, counts, .. } = self;
        row[0] = ours.len() as u64;
        row[1] = theirs.len() as u64;
        let nowhere = theirs.len();
        zeros(counts, nowhere + 1);
        theirs.iter().for_each(|&token| counts[token as usize].1 += 1);
        for token in ours.iter_mut() {
            let count = &mut counts[nowhere.min(*token as usize)];
            count.0 += 1;
            *token |= many(count.1);
        }
        mark(theirs, counts);
        if wanted.longest {
            row[2 + wanted.orders] = self.longest();
        }
        self.overlaps(&mut row[2..2 + wanted.orders]);
    }

    /// How many n-grams the pair has in common for n = 1, 2, ...: one that is a times on one side
    /// and b times on the other counts min(a, b) times. No n-gram is built: two are equal exactly
    /// when the two (n-1)-grams that they are made of are, and those have numbers already.
    fn overlaps(&mut self, found: &mut [u64]) {
        found.fill(0);
        for (order, common) in found.iter_mut().enumerate() {
            if order > 0 {
                self.lengthen();
            }
            let counts = &self.counts[..self.theirs.len()];
            *common = counts.iter().map(|&(a, b)| u64::from(a.min(b))).sum();
            if *common == 0 {
                break;
            }
        }
    }

    /// Go from n-grams to (n+1)-grams.
    ///
    /// One that holds an n-gram which the reference has once is there once too, so its place says which
    /// it is. Only those of two n-grams that the reference repeats are looked up: few, and soon none.
    /// For the others there is no branch that differs from token to token.
    fn lengthen(&mut self) {
        let Counter { ours, theirs, counts, longer, repeated, .. } = self;
        let nowhere = theirs.len();
        let key = |first: u32, second: u32| [first.into(), second.into()];
        repeated.empty(nowhere / 3);
        zeros(counts, nowhere + 1);
        let counts = &mut counts[..];
        theirs.extend([NONE, NONE]); // behind the end, and for `nowhere`
        zeros(longer, nowhere);
        for (at, (longer, pair)) in longer.iter_mut().zip(theirs.windows(2)).enumerate() {
            let (first, second) = (pair[0], pair[1]);
            *longer = at as u32 | when(first == NONE) | when(second == NONE);
            if is_looked_up(first, second) {
                *longer = repeated.add(key(first, second), *longer);
            }
            counts[nowhere.min(*longer as usize)].1 += 1;
        }
        let mut second = NONE;
        for number in ours.iter_mut().rev() {
            let first = *number;
            let place = if first < MANY { first } else { second.wrapping_sub(1) };
            let there = nowhere.min(place as usize);
            let other = theirs[there] != first || theirs[there + 1] != second;
            *number = place | when(first == NONE) | when(second == NONE) | when(other);
            if is_looked_up(first, second) {
                *number = repeated.find(key(first, second));
            }
            let count = &mut counts[nowhere.min(*number as usize)];
            count.0 = count.0.wrapping_add(1);
            *number |= many(count.1);
            second = first;
        }
        std::mem::swap(theirs, longer);
        mark(theirs, counts);
    }

    /// The length of the longest common subsequence (Hyyro 2004): a bit for each token of one text,
    /// and each token of the other is an addition over all those bits.
    fn longest(&mut self) -> u64 {
        for (text, shared) in [(&self.ours, &mut self.shared.0), (&self.theirs, &mut self.shared.1)] {
            shared.clear();
            shared.reserve(text.len());
            shared.extend(text.iter().filter(|&&token| token != NONE).map(|&token| token & !MANY));
        }
        let (ours, theirs) = (&self.shared.0[..], &self.shared.1[..]);
        let same = |pair: &(&u32, &u32)| pair.0 == pair.1;
        let head = ours.iter().zip(theirs).take_while(same).count();
        let (ours, theirs) = (&ours[head..], &theirs[head..]);
        let tail = ours.iter().rev().zip(theirs.iter().rev()).take_while(same).count();
        let (ours, theirs) = (&ours[..ours.len() - tail], &theirs[..theirs.len() - tail]);
        let (bits, steps) = if ours.len() < theirs.len() { (ours, theirs) } else { (theirs, ours) };
        let mut length = (head + tail) as u64;
        if bits.is_empty() {
            return length;
        }
        zeros(&mut self.masks, self.theirs.len());
        zeros(&mut self.carries, steps.len());
        for strip in bits.chunks(64 * STRIP) {
            for (at, &token) in strip.iter().enumerate() {
                self.masks[token as usize][at / 64] |= 1 << (at % 64);
            }
            length += if strip.len() <= 64 {
                common::<1>(&self.masks, &mut self.carries, steps)
            } else {
                common::<STRIP>(&self.masks, &mut self.carries, steps)
            };
            strip.iter().for_each(|&token| self.masks[token as usize] = [0; STRIP]);
        }
        length
    }
}

/// What a strip of N words adds to the length. `carries` has for each step what the strip before
/// carried over, and receives what this one does.
fn common<const N: usize>(masks: &[[u64; STRIP]], carries: &mut [bool], steps: &[u32]) -> u64 {
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
    row.iter().map(|word| u64::from(word.count_zeros())).sum()
}

/// Whether two n-grams are both many.
fn is_looked_up(first: u32, second: u32) -> bool {
    first & second >= MANY && first != NONE && second != NONE
}

/// `NONE` or 0, to strike a number without a branch.
fn when(struck: bool) -> u32 {
    0_u32.wrapping_sub(u32::from(struck))
}

/// `MANY` for what is more than once in a reference, or 0. Added to `NONE`, it changes nothing.
fn many(count: u32) -> u32 {
    u32::from(count > 1) << 31
}

/// Say of a reference's n-grams which are many, and strike what the candidate has not: no longer n-gram
/// in common, and no subsequence, holds it.
fn mark(theirs: &mut [u32], counts: &[(u32, u32)]) {
    let nowhere = theirs.len();
    for number in theirs {
        let (ours, theirs) = counts[nowhere.min(*number as usize)];
        *number |= many(theirs) | when(ours == 0);
    }
}

/// Write values over what a buffer has.
fn fill<T>(buffer: &mut Vec<T>, values: impl Iterator<Item = T>) {
    buffer.clear();
    buffer.extend(values);
}

fn zeros<T: Clone + Default>(buffer: &mut Vec<T>, size: usize) {
    buffer.clear();
    buffer.resize(size, T::default());
}
