//! What two texts of token numbers have in common.

use crate::core::Wanted;
use crate::index::{Index, NONE};
use crate::subsequence::Subsequence;

/// Added to the number of a token that the reference has more than once.
const MANY: u32 = 1 << 31;
/// The number of a token of the reference that the candidate has not.
const STRUCK: u32 = NONE - 1;
/// No text may have as many tokens.
pub const MOST: usize = MANY as usize - 2;

/// Counts pairs one after the other; keeps only buffers.
#[derive(Default)]
pub struct Counter {
    /// For each number of a vocabulary the place where the reference first has it.
    places: Vec<u32>,
    /// The tokens of either text, later the pairs of tokens: the number of each is the place where the reference
    /// first has it, or `NONE` or `STRUCK` where one of the texts has not. They are what `count` is given, and used up.
    pub ours: Vec<u32>,
    pub theirs: Vec<u32>,
    longer: Vec<u32>,
    /// How often the candidate and the reference have what has a number.
    counts: Vec<(u32, u32)>,
    /// The n-grams that the reference has more than once, and their numbers by what they are made of.
    many: (Vec<Gram>, Vec<Gram>),
    repeated: Index,
    /// For pairs of tokens that the reference has once: how many pairs from there on the candidate has
    /// somewhere, one after the other.
    reached: Vec<u8>,
    subsequence: Subsequence,
}

/// Where an n-gram begins, and its number.
#[derive(Clone, Copy, Default)]
struct Gram {
    place: u32,
    number: u32,
}

impl Counter {
    /// Set `ours` and `theirs` by the numbers that tokens have in a vocabulary.
    pub fn take_numbers(&mut self, ours: &[u32], theirs: &[u32]) {
        let most = ours.iter().chain(theirs).max().map_or(0, |&most| most as usize);
        self.places.resize(self.places.len().max(most + 1), NONE);
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

    /// Count what is wanted of `ours` and `theirs`.
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
        let common = mark(theirs, counts);
        let (orders, longest) = row[2..].split_at_mut(wanted.orders);
        if let [length] = longest {
            let Subsequence { ours: our_shared, theirs: their_shared, .. } = &mut self.subsequence;
            for (text, shared) in [(ours, our_shared), (theirs, their_shared)] {
                shared.reserve(text.len());
                fill(shared, text.iter().filter(|&&token| token < STRUCK).map(|&token| token & !MANY));
            }
            *length = self.subsequence.length(common as usize, nowhere);
        }
        orders.fill(0);
        if let [first, longer @ ..] = orders {
            *first = common;
            if common > 0 && !longer.is_empty() {
                self.longer(longer);
            }
        }
    }

    /// How many n-grams are in common for n = 2, 3, ...: one that is a times on one side and b times on the
    /// other counts min(a, b) times.
    ///
    /// Where the reference has a pair of tokens once, all n-grams that begin with it are told by how far
    /// the texts go on alike, without a branch, which would differ from place to place. The others are looked up.
    fn longer(&mut self, found: &mut [u64]) {
        found[0] = self.pairs();
        let most = found.len();
        if found[0] == 0 || most < 2 {
            return;
        }
        start(&mut self.ours, &mut self.many.0, NONE, most);
        start(&mut self.theirs, &mut self.many.1, STRUCK, most);
        let nowhere = self.theirs.len() - most;
        zeros(&mut self.reached, nowhere + 1);
        for alike in self.ours.windows(most) {
            let place = nowhere.min(alike[0] as usize);
            let (mut same, mut reach) = (true, 0);
            for (one, other) in alike.iter().zip(&self.theirs[place..place + most]) {
                same &= one == other;
                reach += u8::from(same);
            }
            self.reached[place] = reach.max(self.reached[place]);
        }
        for (found, pairs) in found.iter_mut().zip(1..).skip(1) {
            *found = self.reached.iter().map(|&reached| u64::from(reached >= pairs)).sum();
            *found += self.lengthen(usize::from(pairs));
        }
    }

    /// Go from tokens to pairs of tokens, n-grams of order 2, and return how many are in common: one that is a
    /// times on one side and b times on the other counts min(a, b) times.
    ///
    /// A pair that holds a token which the reference has once is there once too, so its place says which
    /// it is. Only those of two tokens that the reference repeats are looked up.
    /// For the others there is no branch that differs from token to token.
    fn pairs(&mut self) -> u64 {
        let Counter { ours, theirs, counts, longer, repeated, .. } = self;
        let nowhere = theirs.len();
        let key = |first: u32, second: u32| [first.into(), second.into()];
        repeated.empty(nowhere / 2);
        zeros(counts, nowhere + 1);
        let counts = &mut counts[..];
        theirs.extend([STRUCK; 2]); // behind the end, and for `nowhere`
        zeros(longer, nowhere);
        for (at, (longer, pair)) in longer.iter_mut().zip(theirs.windows(2)).enumerate() {
            let (first, second) = (pair[0], pair[1]);
            *longer = at as u32 | when(first == STRUCK) | when(second == STRUCK);
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
        mark(theirs, counts)
    }

    /// Go from n-grams that begin with a pair that the reference has more than once to those that end with the pair so
    /// many places on, and return how many are in common.
    fn lengthen(&mut self, on: usize) -> u64 {
        let Counter { ours, theirs, counts, many: (our_many, their_many), repeated, .. } = self;
        let key = |gram: &Gram, last: u32| [gram.number.into(), last.into()];
        repeated.empty(their_many.len());
        zeros(counts, their_many.len());
        let mut next = 0;
        their_many.retain_mut(|gram| {
            let last = theirs[gram.place as usize + on - 1];
            if last == STRUCK {
                return false;
            }
            gram.number = repeated.add(key(gram, last), next);
            counts[gram.number as usize].1 += 1;
            next += 1;
            true
        });
        our_many.retain_mut(|gram| {
            gram.number = repeated.find(key(gram, ours[gram.place as usize + on - 1]));
            if gram.number == NONE {
                return false;
            }
            counts[gram.number as usize].0 += 1;
            true
        });
        common(counts)
    }
}

/// Whether two tokens are both many.
fn is_looked_up(first: u32, second: u32) -> bool {
    first & second >= MANY && first.max(second) < STRUCK
}

/// `NONE` or 0, to strike a number without a branch.
fn when(struck: bool) -> u32 {
    0_u32.wrapping_sub(u32::from(struck))
}

/// `MANY` for what is more than once in a reference, or 0. Added to `NONE`, it changes nothing.
fn many(count: u32) -> u32 {
    u32::from(count > 1) << 31
}

/// Say of what a reference has which is many, and strike what the candidate has not: no longer n-gram
/// in common, and no subsequence, holds it. Return how much is in common.
fn mark(theirs: &mut [u32], counts: &[(u32, u32)]) -> u64 {
    let nowhere = theirs.len();
    for number in theirs {
        let (ours, theirs) = counts[nowhere.min(*number as usize)];
        *number = (*number | many(theirs) | when(ours == 0)).min(STRUCK);
    }
    common(&counts[..nowhere])
}

fn common(counts: &[(u32, u32)]) -> u64 {
    counts.iter().map(|&(a, b)| u64::from(a.min(b))).sum()
}

/// Begin with the pairs of tokens that the reference has more than once, and put so many behind the end that are not there.
fn start(text: &mut Vec<u32>, many: &mut Vec<Gram>, none: u32, most: usize) {
    many.resize(text.len(), Gram::default());
    let mut size = 0;
    for (place, &number) in text.iter().enumerate() {
        many[size] = Gram { place: place as u32, number };
        size += usize::from((MANY..STRUCK).contains(&number));
    }
    many.truncate(size);
    text.resize(text.len() + most, none);
}

/// Write values over what a buffer has.
fn fill<T>(buffer: &mut Vec<T>, values: impl Iterator<Item = T>) {
    buffer.clear();
    buffer.extend(values);
}

pub fn zeros<T: Clone + Default>(buffer: &mut Vec<T>, size: usize) {
    buffer.clear();
    buffer.resize(size, T::default());
}
