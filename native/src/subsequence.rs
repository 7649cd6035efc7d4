//! The longest common subsequence of two texts of token numbers.

use crate::count::zeros;

/// Tokens that a word has bits for; its highest bit is what it carries over.
const BITS: usize = 63;
const WORD: u64 = (1 << BITS) - 1;
/// Words that are done at a time: their chains of additions overlap.
const STRIP: usize = 4;

/// Finds its length; keeps only buffers.
#[derive(Default)]
pub struct Subsequence {
    /// The tokens that both texts have.
    pub ours: Vec<u32>,
    pub theirs: Vec<u32>,
    /// For each token the bits of a strip of one text that are this token.
    masks: Vec<[u64; STRIP]>,
    carries: Vec<bool>,
}

impl Subsequence {
    /// The length of that of `ours` and `theirs`, which is no more than `most`.
    pub fn length(&mut self, most: usize) -> u64 {
        let (ours, theirs) = (&self.ours[..], &self.theirs[..]);
        // Fewer than tokens: of characters, the last new one stands near the beginning.
        let last = theirs.iter().fold(0, |last, &token| last.max(token));
        let same = |pair: &(&u32, &u32)| pair.0 == pair.1;
        let head = ours.iter().zip(theirs).take_while(same).count();
        let (ours, theirs) = (&ours[head..], &theirs[head..]);
        let tail = ours.iter().rev().zip(theirs.iter().rev()).take_while(same).count();
        let (ours, theirs) = (&ours[..ours.len() - tail], &theirs[..theirs.len() - tail]);
        let (bits, steps) = if ours.len() < theirs.len() { (ours, theirs) } else { (theirs, ours) };
        zeros(&mut self.masks, last as usize + 1);
        let mut common = |least| common(bits, steps, least, &mut self.masks, &mut self.carries);
        // Tokens in common that stand elsewhere count for nothing: by a guess, half as many as those not in common.
        // Where that was too few, what was found is in common all the same, and tells how wide to look.
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
