//! Words of printable Latin-1 text, each distinct run between spaces cut once.
//!
//! Every rule looks at most one character past a word's edge, so the tokens of a *piece* between
//! two spaces depend on the piece alone, but at the start and the end of a sentence. So a piece is
//! cut in one of four surroundings and remembered.

use crate::classes::{Classes, WORD};
use crate::sentence::Punkt;
use crate::vocabulary::{Fault, Keyed, Seed, Vocabulary};
use crate::words;

/// Longer pieces are cut each time.
const LONGEST_KEPT: usize = 64;
const MOST_KEPT: usize = 1 << 16;

/// A run of `Pieces::numbers`: where it starts and stops. `UNKNOWN` is not found out yet.
type Span = (u32, u32);
const UNKNOWN: Span = (u32::MAX, 0);

/// What the rules are told to stand beside a piece: "x", a token of its own, for any neighbour.
#[derive(Clone, Copy)]
struct Beside {
    before: bool,
    after: bool,
}

/// The token numbers of pieces, good until the vocabulary is cleared.
pub struct Pieces {
    known: Keyed<[Span; 4]>,
    numbers: Vec<u32>,
    sentences: Vec<(usize, usize)>,
}

impl Pieces {
    pub fn new(seed: &Seed) -> Self {
        Pieces { known: Keyed::new(seed), numbers: Vec::new(), sentences: Vec::new() }
    }

    pub fn clear(&mut self) {
        self.known.clear();
        self.numbers.clear();
    }

    /// Add the words of a text of U+0020-7E and U+00A0-FF.
    pub fn add(
        &mut self,
        text: &[u8],
        punkt: &Punkt,
        classes: &Classes,
        vocabulary: &mut Vocabulary,
        found: &mut Vec<u32>,
    ) -> Result<(), Fault> {
        let mut sentences = std::mem::take(&mut self.sentences);
        let result = punkt.sentences(text, classes, &mut sentences).and_then(|()| {
            // A no-break space is whitespace for some rules only.
            let whole = text.contains(&0xA0);
            sentences.iter().try_for_each(|&(start, end)| {
                let sentence = &text[start..end];
                if whole || ends_in_closers_only(sentence) {
                    cut(sentence, Beside { before: false, after: false }, classes, vocabulary, found)
                } else {
                    self.sentence(sentence, classes, vocabulary, found)
                }
            })
        });
        self.sentences = sentences;
        result
    }

    fn sentence(
        &mut self,
        sentence: &[u8],
        classes: &Classes,
        vocabulary: &mut Vocabulary,
        found: &mut Vec<u32>,
    ) -> Result<(), Fault> {
        // A sentence ends in no space: what is behind the last piece is nothing.
        let mut at = 0;
        while at < sentence.len() {
            let size = sentence[at..].iter().position(|&byte| byte == b' ');
            let stop = size.map_or(sentence.len(), |size| at + size);
            if stop > at {
                let beside = Beside { before: at > 0, after: stop < sentence.len() };
                self.piece(&sentence[at..stop], beside, classes, vocabulary, found)?;
            }
            at = stop + 1;
        }
        Ok(())
    }

    fn piece(
        &mut self,
        piece: &[u8],
        beside: Beside,
        classes: &Classes,
        vocabulary: &mut Vocabulary,
        found: &mut Vec<u32>,
    ) -> Result<(), Fault> {
        if piece.len() > LONGEST_KEPT {
            return cut(piece, beside, classes, vocabulary, found);
        }
        let which = usize::from(beside.before) * 2 + usize::from(beside.after);
        if let Some(spans) = self.known.get(piece) {
            let (start, stop) = spans[which];
            if start <= stop {
                found.try_reserve((stop - start) as usize)?;
                found.extend_from_slice(&self.numbers[start as usize..stop as usize]);
                return Ok(());
            }
        }
        if self.known.len() >= MOST_KEPT {
            self.clear();
        }
        let start = found.len();
        cut(piece, beside, classes, vocabulary, found)?;
        let span = (self.numbers.len() as u32, (self.numbers.len() + found.len() - start) as u32);
        self.numbers.try_reserve(found.len() - start)?;
        self.numbers.extend_from_slice(&found[start..]);
        let mut spans = self.known.get(piece).copied().unwrap_or([UNKNOWN; 4]);
        spans[which] = span;
        self.known.insert(piece, spans)
    }
}

/// Add the tokens of a piece, or of a sentence that the rules must see whole.
fn cut(
    piece: &[u8],
    beside: Beside,
    classes: &Classes,
    vocabulary: &mut Vocabulary,
    found: &mut Vec<u32>,
) -> Result<(), Fault> {
    if is_plain(piece, classes) {
        return vocabulary.add(piece, found);
    }
    let mut text = Vec::new();
    text.try_reserve(piece.len() * 3 + 4)?;
    text.extend_from_slice(if beside.before { b"x " } else { b"" });
    text.extend_from_slice(piece);
    text.extend_from_slice(if beside.after { b" x" } else { b"" });
    let spaced = words::spaced(text, classes)?;
    let mut tokens = spaced.split(|&byte| words::is_space(byte)).filter(|token| !token.is_empty());
    if beside.before {
        tokens.next();
    }
    if beside.after {
        tokens.next_back();
    }
    tokens.try_for_each(|token| vocabulary.add(token, found))
}

/// Whether the rules have nothing to say about a piece: letters, digits and signs that no rule
/// names, and none of the words that are two.
fn is_plain(piece: &[u8], classes: &Classes) -> bool {
    let plain = |byte: u8| classes.narrow(byte) & WORD != 0 || b"/\\+=_|~^".contains(&byte);
    let two = |first: &[u8]| piece.windows(first.len()).any(|found| found.eq_ignore_ascii_case(first));
    piece.iter().all(|&byte| plain(byte))
        && !(piece.len() >= 5
            && [&b"cannot"[..], b"gimme", b"gonna", b"gotta", b"lemme", b"wanna"].into_iter().any(two))
}

/// ])}>"'» are what the rule for the final full stop looks through.
fn ends_in_closers_only(sentence: &[u8]) -> bool {
    let last = sentence.iter().rev().take_while(|&&byte| byte != b' ');
    last.clone().next().is_some() && last.clone().all(|byte| b"])}>\"'\xBB".contains(byte))
}
