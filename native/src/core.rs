//! Columns of pairs in, a row of counts a pair out; several threads where there is much to do.

use std::thread;

use crate::classes::Classes;
use crate::count::Counter;
use crate::piece::Pieces;
use crate::sentence::Punkt;
use crate::text::{alphanumeric, international, Gaps, Text};
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
    pub fn tokens(&mut self, rule: Rule, texts: &[Text], sizes: &mut [u64]) -> Result<Vec<u32>, Fault> {
        let (worker, tables) = self.first();
        worker.trim(rule);
        let mut numbers = Vec::new();
        for (text, size) in texts.iter().zip(sizes) {
            let before = numbers.len();
            worker.tokens(rule, tables, *text, &mut numbers)?;
            *size = (numbers.len() - before) as u64;
        }
        Ok(numbers)
    }

    pub fn vocabulary(&mut self, rule: Rule) -> &Vocabulary {
        self.first().0.vocabulary(rule)
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

/// What one thread needs and keeps.
struct Worker {
    seed: Seed,
    words: Vocabulary,
    tokens: Vocabulary,
    pieces: Pieces,
    counter: Counter,
    gaps: Gaps,
    word: Vec<u8>,
}

impl Worker {
    fn new(seed: &Seed) -> Self {
        Worker {
            seed: seed.clone(),
            words: Vocabulary::new(seed),
            tokens: Vocabulary::new(seed),
            pieces: Pieces::new(seed),
            counter: Counter::new(seed),
            gaps: Gaps::default(),
            word: Vec::new(),
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
        // References come back, in groups of samples of one task: each is cut once a call.
        let mut known: Map<Text, (usize, usize)> = Map::with_hasher(self.seed.clone());
        let mut numbers: Vec<u32> = Vec::new();
        let mut ours: Vec<u32> = Vec::new();
        let rows = found.chunks_mut(wanted.width());
        for ((candidate, reference), row) in candidates.iter().zip(references).zip(rows) {
            if self.trim(wanted.rule) {
                known.clear();
                numbers.clear();
            }
            let (start, stop) = match known.get(reference) {
                Some(&place) => place,
                None => {
                    let start = numbers.len();
                    self.tokens(wanted.rule, tables, *reference, &mut numbers)?;
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
                self.tokens(wanted.rule, tables, *candidate, &mut ours)?;
                &ours[..]
            };
            let size = self.vocabulary(wanted.rule).size();
            row[0] = ours.len() as i64;
            row[1] = theirs.len() as i64;
            self.counter.take(ours, theirs, size)?;
            if wanted.longest {
                row[2 + wanted.orders] = self.counter.longest()?;
            }
            self.counter.overlaps(&mut row[2..2 + wanted.orders])?;
        }
        Ok(())
    }

    fn vocabulary(&mut self, rule: Rule) -> &mut Vocabulary {
        match rule {
            Rule::Alphanumeric => &mut self.words,
            Rule::Translation => &mut self.tokens,
        }
    }

    /// Empty a vocabulary that has grown large; tell whether that was done.
    fn trim(&mut self, rule: Rule) -> bool {
        let vocabulary = self.vocabulary(rule);
        let large = vocabulary.size() > MOST_TOKENS || vocabulary.characters() > MOST_CHARACTERS;
        if large {
            vocabulary.clear();
            if rule == Rule::Translation {
                self.pieces.clear();
            }
        }
        large
    }

    /// Add the token numbers of a text.
    fn tokens(&mut self, rule: Rule, tables: &Tables, text: Text, found: &mut Vec<u32>) -> Result<(), Fault> {
        let classes = &tables.classes;
        match (rule, text) {
            (Rule::Alphanumeric, Text::Narrow(text)) => {
                alphanumeric(text, classes, &mut self.word, &mut self.words, found)
            }
            (Rule::Alphanumeric, Text::Wide(text)) => {
                alphanumeric(text, classes, &mut self.word, &mut self.words, found)
            }
            (Rule::Translation, Text::Narrow(text)) => self.narrow(tables, text, found),
            (Rule::Translation, Text::Wide(text)) => {
                if text.iter().any(|&character| character >= 0x100) {
                    return international(text, classes, &mut self.gaps, &mut self.tokens, found);
                }
                let mut bytes = std::mem::take(&mut self.word);
                bytes.clear();
                bytes.try_reserve(text.len())?;
                bytes.extend(text.iter().map(|&character| character as u8));
                let result = self.narrow(tables, &bytes, found);
                self.word = bytes;
                result
            }
        }
    }

    fn narrow(&mut self, tables: &Tables, text: &[u8], found: &mut Vec<u32>) -> Result<(), Fault> {
        let printable = |byte: &u8| matches!(byte, 0x20..=0x7E | 0xA0..=0xFF);
        match &tables.punkt {
            Some(punkt) if text.iter().all(printable) => {
                self.pieces.add(text, punkt, &tables.classes, &mut self.tokens, found)
            }
            _ => international(text, &tables.classes, &mut self.gaps, &mut self.tokens, found),
        }
    }
}
