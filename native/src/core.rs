//! Columns of pairs in, a row of counts a pair out; several threads where there is much to do.

use std::thread;

use crate::classes::Classes;
use crate::count::Counter;
use crate::piece::Pieces;
use crate::rouge::Words;
use crate::sentence::Punkt;
use crate::text::{international, Gaps, Text};
use crate::vocabulary::{Fault, Map, Seed, Vocabulary};

/// What a token is.
#[derive(Clone, Copy, PartialEq)]
pub enum Rule {
    /// rouge-score's: runs of a-z and 0-9 in lower case.
    Alphanumeric,
    /// NLTK's words for printable Latin-1, else the international rule.
    Translation,
}

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

/// Between pairs a vocabulary of more tokens, or of more characters, is emptied.
const MOST_TOKENS: usize = 1 << 17;
const MOST_CHARACTERS: usize = 1 << 20;

/// Everything that is kept from call to call.
pub struct Core {
    seed: Seed,
    pub tables: Tables,
    workers: Vec<Worker>,
}

/// What all workers read.
pub struct Tables {
    pub classes: Classes,
    pub punkt: Option<Punkt>,
}

impl Core {
    pub fn new() -> Self {
        let tables = Tables { classes: Classes::default(), punkt: None };
        Core { seed: Seed::new(), tables, workers: Vec::new() }
    }

    /// Take the model of Punkt.
    pub fn learn(&mut self, table: &[u8]) -> Result<(), Fault> {
        self.tables.punkt = Some(Punkt::new(table, &self.seed)?);
        Ok(())
    }

    /// Forget every text; after a panic nothing that it may have left half done is used again.
    pub fn forget(&mut self) {
        self.workers.clear();
    }

    /// The worker that `tokens` is asked of.
    fn first(&mut self) -> (&mut Worker, &Tables) {
        if self.workers.is_empty() {
            self.workers.push(Worker::new(&self.seed));
        }
        (&mut self.workers[0], &self.tables)
    }

    /// The token numbers of texts one after the other, and how many each has. They are good until
    /// the vocabulary's generation changes, which is only at the beginning of a call.
    pub fn tokens(&mut self, texts: &[Text], sizes: &mut [u64]) -> Result<Vec<u32>, Fault> {
        let (worker, tables) = self.first();
        worker.trim();
        let mut numbers = Vec::new();
        for (text, size) in texts.iter().zip(sizes) {
            let before = numbers.len();
            worker.tokens(tables, *text, &mut numbers)?;
            *size = (numbers.len() - before) as u64;
        }
        Ok(numbers)
    }

    pub fn vocabulary(&mut self) -> &Vocabulary {
        &self.first().0.vocabulary
    }

    /// Count each pair, in so many threads. `found` has `wanted.width()` places a pair.
    pub fn count(
        &mut self,
        wanted: Wanted,
        candidates: &[Text],
        references: &[Text],
        threads: usize,
        found: &mut [i64],
    ) -> Result<(), Fault> {
        let pairs = candidates.len();
        let threads = threads.clamp(1, pairs.max(1));
        while self.workers.len() < threads {
            self.workers.push(Worker::new(&self.seed));
        }
        let tables = &self.tables;
        if threads == 1 {
            return self.workers[0].count(wanted, tables, candidates, references, found);
        }
        let share = (pairs + threads - 1) / threads;
        thread::scope(|scope| {
            let rows = found.chunks_mut(share * wanted.width());
            let texts = candidates.chunks(share).zip(references.chunks(share));
            let parts = self.workers.iter_mut().zip(texts.zip(rows));
            let started: Vec<_> = parts
                .map(|(worker, ((ours, theirs), rows))| {
                    scope.spawn(move || worker.count(wanted, tables, ours, theirs, rows))
                })
                .collect();
            started.into_iter().try_for_each(|one| match one.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })
    }
}

/// A candidate, its reference, and where its counts go.
type Pair<'a> = ((&'a Text<'a>, &'a Text<'a>), &'a mut [i64]);

/// What one thread needs and keeps.
struct Worker {
    seed: Seed,
    words: Words,
    vocabulary: Vocabulary,
    pieces: Pieces,
    counter: Counter,
    gaps: Gaps,
    bytes: Vec<u8>,
}

impl Worker {
    fn new(seed: &Seed) -> Self {
        Worker {
            seed: seed.clone(),
            words: Words::new(seed),
            vocabulary: Vocabulary::new(seed),
            pieces: Pieces::new(seed),
            counter: Counter::new(seed),
            gaps: Gaps::default(),
            bytes: Vec::new(),
        }
    }

    fn count(
        &mut self,
        wanted: Wanted,
        tables: &Tables,
        candidates: &[Text],
        references: &[Text],
        found: &mut [i64],
    ) -> Result<(), Fault> {
        let pairs = candidates.iter().zip(references).zip(found.chunks_mut(wanted.width()));
        match wanted.rule {
            Rule::Alphanumeric => self.count_words(wanted, &tables.classes, pairs),
            Rule::Translation => self.count_tokens(wanted, tables, pairs),
        }
    }

    fn count_words<'a>(
        &mut self,
        wanted: Wanted,
        classes: &Classes,
        pairs: impl Iterator<Item = Pair<'a>>,
    ) -> Result<(), Fault> {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        let mut last = None;
        for ((candidate, reference), row) in pairs {
            if last != Some(reference) {
                self.words.learn(reference, classes, &mut theirs)?;
                last = Some(reference);
            }
            self.words.find(candidate, classes, &mut ours)?;
            self.counter.take(&ours, &theirs)?;
            self.counter.count(wanted, row)?;
        }
        Ok(())
    }

    fn count_tokens<'a>(
        &mut self,
        wanted: Wanted,
        tables: &Tables,
        pairs: impl Iterator<Item = Pair<'a>>,
    ) -> Result<(), Fault> {
        // References come back, in groups of samples of one task: each is cut once a call.
        let mut known: Map<Text, (usize, usize)> = Map::with_hasher(self.seed.clone());
        let (mut ours, mut numbers) = (Vec::new(), Vec::new());
        for ((candidate, reference), row) in pairs {
            if self.trim() {
                known.clear();
                numbers.clear();
            }
            let (start, stop) = match known.get(reference) {
                Some(&place) => place,
                None => {
                    let start = numbers.len();
                    self.tokens(tables, *reference, &mut numbers)?;
                    known.try_reserve(1)?;
                    known.insert(*reference, (start, numbers.len()));
                    (start, numbers.len())
                }
            };
            let theirs = &numbers[start..stop];
            let ours = if candidate == reference {
                theirs
            } else {
                ours.clear();
                self.tokens(tables, *candidate, &mut ours)?;
                &ours[..]
            };
            self.counter.take_numbers(ours, theirs, self.vocabulary.size())?;
            self.counter.count(wanted, row)?;
        }
        Ok(())
    }

    /// Empty a vocabulary that has grown large; tell whether that was done.
    fn trim(&mut self) -> bool {
        let large = self.vocabulary.size() > MOST_TOKENS || self.vocabulary.characters() > MOST_CHARACTERS;
        if large {
            self.vocabulary.clear();
            self.pieces.clear();
        }
        large
    }

    /// Add the token numbers of a text.
    fn tokens(&mut self, tables: &Tables, text: Text, found: &mut Vec<u32>) -> Result<(), Fault> {
        match text {
            Text::Narrow(text) => self.narrow(tables, text, found),
            Text::Wide(text) => {
                if text.iter().any(|&character| character >= 0x100) {
                    return international(text, &tables.classes, &mut self.gaps, &mut self.vocabulary, found);
                }
                let mut bytes = std::mem::take(&mut self.bytes);
                bytes.clear();
                bytes.try_reserve(text.len())?;
                bytes.extend(text.iter().map(|&character| character as u8));
                let result = self.narrow(tables, &bytes, found);
                self.bytes = bytes;
                result
            }
        }
    }

    fn narrow(&mut self, tables: &Tables, text: &[u8], found: &mut Vec<u32>) -> Result<(), Fault> {
        let printable = |byte: &u8| matches!(byte, 0x20..=0x7E | 0xA0..=0xFF);
        match &tables.punkt {
            Some(punkt) if text.iter().all(printable) => {
                self.pieces.add(text, punkt, &tables.classes, &mut self.vocabulary, found)
            }
            _ => international(text, &tables.classes, &mut self.gaps, &mut self.vocabulary, found),
        }
    }
}
