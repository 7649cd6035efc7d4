//! What two texts of token numbers have in common: n-grams by order, and the longest subsequence.

use crate::core::Wanted;
use crate::index::{Index, NONE};

/// Added to the number of a token that the reference has more than once.
const MANY: u32 = 1 << 31;
/// The number of a token of the reference that the candidate has not.
const STRUCK: u32 = NONE - 1;
/// No text may have as many tokens.
pub const MOST: usize = MANY as usize - 2;
/// Tokens that a word has bits for when subsequences are looked for; its highest bit is what it carries over.
const BITS: usize = 63;
const WORD: u64 = (1 << BITS) - 1;
/// Words that are done at a time: their chains of additions overlap.
const STRIP: usize = 4;

/// Counts pairs one after the other; keeps only buffers.
#[derive(Default)]
pub struct Counter {
    /// For each number of a vocabulary the place where the reference first has it.
    places: Vec<u32>,
    /// The tokens of either text, later the pairs of tokens: the number of each is the place where the reference
    /// first has it, or `NONE` or `STRUCK` where one of the texts has not.
    ours: Vec<u32>,
    theirs: Vec<u32>,
    longer: Vec<u32>,
    /// How often the candidate and the reference have what has a number.
    counts: Vec<(u32, u32)>,
    /// The n-grams that the reference has more than once, and their numbers by what they are made of.
    many: (Vec<Gram>, Vec<Gram>),
    repeated: Index,
    /// For pairs of tokens that the reference has once: how many pairs from there on the candidate has
    /// somewhere, one after the other.
    reached: Vec<u8>,
    /// The tokens that both have.
    shared: (Vec<u32>, Vec<u32>),
    masks: Vec<[u64; STRIP]>,
    carries: Vec<bool>,
}

/// Where an n-gram begins, and its number.
#[derive(Clone, Copy, Default)]
struct Gram {
    place: u32,
    number: u32,
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
        let common = mark(theirs, counts);
        let (orders, longest) = row[2..].split_at_mut(wanted.orders);
        if wanted.longest {
            longest[0] = self.longest(common as usize);
        }
        orders.fill(0);
        if let Some(first) = orders.first_mut() {
            *first = common;
        }
        if common > 0 && orders.len() > 1 {
            orders[1] = self.pairs();
            if orders[1] > 0 && orders.len() > 2 {
                self.longer(orders);
            }
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
        repeated.empty(nowhere / 3);
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

    /// Add how many n-grams are in common for n = 3, 4, ...
    ///
    /// Where the reference has a pair of tokens once, all n-grams that begin with it are told by how far
    /// the texts go on alike, again without a branch. The others are few, and looked up order by order.
    fn longer(&mut self, found: &mut [u64]) {
        let most = found.len() - 1;
        start(&mut self.ours, &mut self.many.0, NONE, most);
        start(&mut self.theirs, &mut self.many.1, STRUCK, most);
        let nowhere = self.theirs.len() - most;
        zeros(&mut self.reached, nowhere + 1);
        for at in 0..self.ours.len() - most {
            self.reach(at, nowhere.min(self.ours[at] as usize), most);
        }
        for (order, found) in found.iter_mut().enumerate().skip(2) {
            *found = self.reached.iter().map(|&reached| u64::from(usize::from(reached) >= order)).sum();
        }
        for order in 3..=found.len() {
            self.lengthen(order, found);
        }
    }

    /// Find how far the texts go on alike from a place of either on, and return up to which order that was not known.
    #[inline(always)]
    fn reach(&mut self, at: usize, place: usize, most: usize) -> std::ops::RangeInclusive<usize> {
        let pairs = self.ours[at..at + most].iter().zip(&self.theirs[place..place + most]);
        let step = |(alike, reach), (a, b)| (alike & (a == b), reach + u8::from(alike & (a == b)));
        let reach = pairs.fold((true, 0), step).1;
        let reached = &mut self.reached[place];
        let new = usize::from(*reached) + 2..=usize::from(reach) + 1;
        *reached = reach.max(*reached);
        new
    }

    /// Go from n-grams that the reference has more than once to those of such an order that begin with them, and
    /// add what is in common; so also what is longer, of those that the reference has once.
    fn lengthen(&mut self, order: usize, found: &mut [u64]) {
        let Counter { ours, theirs, counts, many, repeated, .. } = self;
        let mut grams = std::mem::take(&mut many.0);
        repeated.empty(many.1.len());
        zeros(counts, many.1.len());
        let last = |text: &[u32], place: u32| text[place as usize + order - 2];
        for (next, gram) in many.1.iter_mut().enumerate() {
            gram.number = match last(theirs, gram.place) {
                STRUCK => NONE,
                last => repeated.add([gram.number.into(), last.into()], next as u32),
            };
            if gram.number != NONE {
                counts[gram.number as usize].1 += 1;
            }
        }
        for gram in &mut grams {
            gram.number = repeated.find([gram.number.into(), last(ours, gram.place).into()]);
            if gram.number != NONE {
                counts[gram.number as usize].0 += 1;
            }
        }
        grams.retain(|gram| {
            let is_many = |number: u32| self.counts[number as usize].1 > 1;
            if gram.number != NONE && !is_many(gram.number) {
                let place = self.many.1[gram.number as usize].place;
                let new = self.reach(gram.place as usize, place as usize, found.len() - 1);
                (order.max(*new.start())..=*new.end()).for_each(|order| found[order - 1] += 1);
                return false;
            }
            gram.number != NONE
        });
        let Counter { counts, many, .. } = self;
        many.0 = grams;
        many.1.retain(|gram| gram.number != NONE && matches!(counts[gram.number as usize], (1.., 2..)));
        counts.retain(|count| count.1 > 1);
        found[order - 1] += counts.iter().map(|&(a, b)| u64::from(a.min(b))).sum::<u64>();
    }

    /// The length of the longest common subsequence, which is no more than `most`.
    fn longest(&mut self, most: usize) -> u64 {
        for (text, shared) in [(&self.ours, &mut self.shared.0), (&self.theirs, &mut self.shared.1)] {
            shared.clear();
            shared.reserve(text.len());
            shared.extend(text.iter().filter(|&&token| token < STRUCK).map(|&token| token & !MANY));
        }
        let (ours, theirs) = (&self.shared.0[..], &self.shared.1[..]);
        let same = |pair: &(&u32, &u32)| pair.0 == pair.1;
        let head = ours.iter().zip(theirs).take_while(same).count();
        let (ours, theirs) = (&ours[head..], &theirs[head..]);
        let tail = ours.iter().rev().zip(theirs.iter().rev()).take_while(same).count();
        let (ours, theirs) = (&ours[..ours.len() - tail], &theirs[..theirs.len() - tail]);
        let (bits, steps) = if ours.len() < theirs.len() { (ours, theirs) } else { (theirs, ours) };
        zeros(&mut self.masks, self.theirs.len());
        let mut common = |least| common(bits, steps, least, &mut self.masks, &mut self.carries);
        // Of words in common, some are likely to stand elsewhere: as many as half of those that are not in common.
        let most = (most - head - tail).min(bits.len());
        let guess = most.saturating_sub((bits.len() + steps.len() - 2 * most) / 2);
        let narrow = bits.len() + steps.len() - 2 * guess + BITS * STRIP < steps.len();
        let least = if narrow { common(guess) } else { 0 };
        let length = if narrow && least >= guess { least } else { common(least) };
        (head + tail + length) as u64
    }
}

/// The length of the longest common subsequence (Hyyro 2004): a bit for each token of one text, and each token of the
/// other is an addition over all those bits. Right where it is `least` and more, for what cannot be on the way to that is
/// left out; else it is some length that is no more.
fn common(bits: &[u32], steps: &[u32], least: usize, masks: &mut [[u64; STRIP]], carries: &mut Vec<bool>) -> usize {
    zeros(carries, steps.len());
    let mut length = 0;
    for (at, strip) in bits.chunks(BITS * STRIP).enumerate() {
        for (at, &token) in strip.iter().enumerate() {
            masks[token as usize][at / BITS] |= 1 << (at % BITS);
        }
        let start = at * BITS * STRIP;
        let first = start.saturating_sub(bits.len() - least);
        let end = (start + strip.len() + steps.len() - least).min(steps.len());
        let (steps, carries) = (&steps[first..end], &mut carries[first..end]);
        length += if strip.len() <= BITS {
            strip_of::<1>(masks, carries, steps)
        } else {
            strip_of::<STRIP>(masks, carries, steps)
        };
        strip.iter().for_each(|&token| masks[token as usize] = [0; STRIP]);
    }
    length
}

/// What a strip of N words adds to the length. `carries` has for each step what the strip before
/// carried over, and receives what this one does.
fn strip_of<const N: usize>(masks: &[[u64; STRIP]], carries: &mut [bool], steps: &[u32]) -> usize {
    let mut row = [WORD; N];
    for (carry, &token) in carries.iter_mut().zip(steps) {
        let mask = &masks[token as usize];
        let mut over = u64::from(*carry);
        for (word, &hits) in row.iter_mut().zip(mask) {
            let hit = *word & hits;
            let sum = word.wrapping_add(hit).wrapping_add(over);
            over = sum >> BITS;
            *word = (sum | (*word & !hit)) & WORD;
        }
        *carry = over != 0;
    }
    row.iter().map(|word| word.count_zeros() as usize - 1).sum()
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
    counts[..nowhere].iter().map(|&(a, b)| u64::from(a.min(b))).sum()
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

fn zeros<T: Clone + Default>(buffer: &mut Vec<T>, size: usize) {
    buffer.clear();
    buffer.resize(size, T::default());
}
