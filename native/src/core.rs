//! Columns of pairs in, a row of counts a pair out; several threads where there is much to do.

use std::thread;

use crate::classes::Classes;
use crate::count::Counter;
use crate::piece::{Cutter, Pieces};
use crate::rouge::Words;
use crate::sentence::Punkt;
use crate::text::{characters, latin, Vocabulary, BEHIND};

/// What is to be counted of each pair.
#[derive(Clone, Copy)]
pub struct Wanted {
    pub rule: Rule,
    /// Common n-grams for n = 1 to this.
    pub orders: usize,
    /// The longest common subsequence.
    pub longest: bool,
}

impl Wanted {
    /// Numbers a pair: the tokens of either text, then what was asked for.
    pub fn width(&self) -> usize {
        2 + self.orders + usize::from(self.longest)
    }
}

/// What a token is.
#[derive(Clone, Copy)]
pub enum Rule {
    /// rouge-score's: runs of a-z and 0-9 in lower case.
    Words,
    /// NLTK's words for printable Latin-1, else by the international rule.
    Translation,
    Characters,
}

/// Between pairs a vocabulary of more tokens, or of more bytes, is emptied.
const MOST_TOKENS: usize = 1 << 17;
const MOST_BYTES: usize = 1 << 20;

/// Everything that is kept from call to call.
#[derive(Default)]
pub struct Core {
    pub tables: Tables,
    workers: Vec<Worker>,
}

/// What all workers read.
#[derive(Default)]
pub struct Tables {
    pub classes: Classes,
    pub punkt: Punkt,
}

/// A candidate and its reference.
pub type Pair<'a> = [&'a [u8]; 2];

impl Core {
    /// Forget every text; after a panic nothing that it may have left half done is used again.
    pub fn forget(&mut self) {
        self.workers.clear();
    }

    /// Whether a page of characters was lacking, so that all that was found is void, and what was kept of it.
    pub fn lacking(&mut self) -> bool {
        let lacking = self.tables.classes.lacking();
        if lacking {
            self.workers.iter_mut().for_each(|worker| worker.pieces.clear());
        }
        lacking
    }

    /// So many workers, and what they read.
    fn workers(&mut self, count: usize) -> (&mut [Worker], &Tables) {
        self.workers.resize_with(count.max(self.workers.len()), Worker::default);
        (&mut self.workers[..count], &self.tables)
    }

    /// The token numbers of texts one after the other, and how many each has. They are good until
    /// the vocabulary's generation changes, which is only at the beginning of a call.
    pub fn tokens(&mut self, pairs: &[Pair]) -> (Vec<u32>, Vec<u64>) {
        let (workers, tables) = self.workers(1);
        workers[0].trim();
        let mut numbers = Vec::new();
        let mut size = |text: &&[u8]| {
            let before = numbers.len();
            workers[0].tokens(Rule::Translation, tables, text, &mut numbers);
            (numbers.len() - before) as u64
        };
        let sizes = pairs.iter().flatten().map(&mut size).collect();
        (numbers, sizes)
    }

    /// The vocabulary of those numbers.
    pub fn vocabulary(&mut self) -> &Vocabulary {
        &self.workers(1).0[0].vocabulary
    }

    /// Count each pair, in so many threads. `found` has `wanted.width()` places a pair.
    pub fn count(&mut self, wanted: Wanted, pairs: &[Pair], threads: usize, found: &mut [u64]) {
        let threads = threads.clamp(1, pairs.len().max(1));
        let (workers, tables) = self.workers(threads);
        let share = (pairs.len() + threads - 1) / threads;
        if threads == 1 {
            return workers[0].count(wanted, tables, pairs, found);
        }
        thread::scope(|scope| {
            let parts = pairs.chunks(share).zip(found.chunks_mut(share * wanted.width()));
            for (worker, (pairs, rows)) in workers.iter_mut().zip(parts) {
                scope.spawn(move || worker.count(wanted, tables, pairs, rows));
            }
        });
    }
}

/// What one thread keeps.
#[derive(Default)]
struct Worker {
    words: Words,
    vocabulary: Vocabulary,
    pieces: Pieces,
    counter: Counter,
    bytes: Vec<u8>,
}

impl Worker {
    fn count(&mut self, wanted: Wanted, tables: &Tables, pairs: &[Pair], found: &mut [u64]) {
        let (mut ours, mut theirs, mut last) = (Vec::new(), Vec::new(), None);
        for (&[candidate, reference], row) in pairs.iter().zip(found.chunks_mut(wanted.width())) {
            // Samples of one task stand side by side, and have one reference.
            let known = !self.trim() && last == Some(reference);
            last = Some(reference);
            if let Rule::Words = wanted.rule {
                if !known {
                    self.words.places::<true>(reference, &tables.classes, &mut theirs);
                }
                self.words.places::<false>(candidate, &tables.classes, &mut self.counter.ours);
                self.counter.theirs.clone_from(&theirs);
            } else {
                if !known {
                    theirs.clear();
                    self.tokens(wanted.rule, tables, reference, &mut theirs);
                }
                ours.clear();
                self.tokens(wanted.rule, tables, candidate, &mut ours);
                self.counter.take_numbers(&ours, &theirs);
            }
            self.counter.count(wanted, row);
        }
    }

    /// Empty a vocabulary that has grown large; tell whether that was done.
    fn trim(&mut self) -> bool {
        let large = self.vocabulary.ends.len() > MOST_TOKENS || self.vocabulary.text.len() > MOST_BYTES;
        if large {
            self.vocabulary.clear();
            self.pieces.clear();
        }
        large
    }

    /// Add the token numbers of a text, by a rule other than `Words`.
    fn tokens(&mut self, rule: Rule, Tables { classes, punkt }: &Tables, text: &[u8], found: &mut Vec<u32>) {
        let Worker { vocabulary, pieces, bytes, .. } = self;
        if let Rule::Characters = rule {
            found.reserve(text.len());
            found.extend(characters(text).map(|(_, code)| code));
            return;
        }
        let is_latin = punkt.is_learned() && latin(text, bytes);
        if !is_latin {
            bytes.clear();
            bytes.extend(text);
        }
        let size = bytes.len();
        bytes.resize(size + BEHIND, b' ');
        let cutter = &mut Cutter { classes, vocabulary, found };
        if is_latin {
            pieces.add(bytes, size, punkt, cutter);
        } else {
            pieces.add_international(bytes, size, cutter);
        }
    }
}
