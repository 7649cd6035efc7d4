//! Where the sentences of printable Latin-1 text end, as NLTK's Punkt decides it.
//!
//! The procedure of `graders/metrics/sentence.py`, whose patterns stand beside what does them; the
//! model comes through the door.

use crate::classes::{Classes, LETTER, LOWER, UPPER};
use crate::index::{Index, NONE};
use crate::words::{is_space, run};

/// How a word was seen in the training texts.
const UPPER_MID: u8 = 1 << 2;
const SEEN_UPPER: u8 = (1 << 1) | (1 << 2) | (1 << 3);
const LOWER_BEGIN: u8 = 1 << 4;
const SEEN_LOWER: u8 = (1 << 4) | (1 << 5) | (1 << 6);
const NUMBER: &[u8] = b"##number##";

/// What Punkt learned from its training texts: the lines of its table, words in lower case, with
/// the bits of those that have some.
#[derive(Default)]
pub struct Punkt(Index);

/// A token around a possible end.
struct Token<'a> {
    text: &'a [u8],
    kind: Vec<u8>,
    /// Whether a sentence ends with it, as far as its form says.
    ends: bool,
    /// Whether it is an abbreviation or an ellipsis, whose full stop may end a sentence or not.
    open: bool,
}

impl Token<'_> {
    fn without_stop(&self) -> &[u8] {
        match &self.kind[..] {
            [rest @ .., b'.'] if !rest.is_empty() => rest,
            kind => kind,
        }
    }
}

impl Punkt {
    /// Read a model: lines `a abbreviation`, `c word word` of a collocation, `s sentence-starter` or
    /// `o word bits` by tabs, in Latin-1.
    pub fn learn(&mut self, table: &[u8]) {
        for line in table.split(|&byte| byte == b'\n') {
            let words = match line.iter().rposition(|&byte| byte == b'\t') {
                Some(tab) if line[0] == b'o' => tab,
                _ => line.len(),
            };
            let bits = line[words..].iter().filter(|byte| byte.is_ascii_digit());
            self.0.add_text(&line[..words], bits.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')));
        }
    }

    pub fn is_learned(&self) -> bool {
        self.0.len() > 0
    }

    fn has(&self, line: &[&[u8]]) -> bool {
        self.find(line) != NONE
    }

    /// The bits of a line, `NONE` where the model has none such.
    fn find(&self, line: &[&[u8]]) -> u32 {
        self.0.find_text(&line.join(&b'\t'))
    }

    /// The sentences of a text as places in it, without the whitespace between them.
    pub fn sentences(&self, text: &[u8], classes: &Classes) -> Vec<(usize, usize)> {
        let mut found = Vec::new();
        let last = text.iter().rposition(|&byte| !is_space(byte)).map_or(0, |at| at + 1);
        let ends = self.ends(text, classes);
        let mut start = 0;
        for (at, &(End { mark, following, .. }, _)) in ends.iter().enumerate() {
            // Closing quotes and brackets go back to the sentence that they close.
            let stop = ends.get(at + 1).map_or(last, |(next, _)| next.mark + 1);
            let closed = closers(text.get(following..stop).unwrap_or(&[]));
            let (end, next) = closed.map_or((mark + 1, following), |(end, next)| (following + end, following + next));
            if start < end {
                found.push((start, end));
            }
            start = next;
        }
        if start < last {
            found.push((start, last));
        }
        found
    }

    /// Where sentences end, each with where the context begins that decides it.
    fn ends(&self, text: &[u8], classes: &Classes) -> Vec<(End, usize)> {
        let mut ends: Vec<(End, usize)> = Vec::new();
        let is_mark = |byte: &u8| matches!(byte, b'.' | b'?' | b'!');
        let blocks = text.chunks(64).zip((0..).step_by(64));
        let marked = blocks.filter(|(block, _)| block.iter().fold(false, |any, byte| any | is_mark(byte)));
        let marks = marked.flat_map(|(block, start)| (start..start + block.len()).filter(|&at| is_mark(&text[at])));
        for end in marks.filter_map(|mark| End::at(text, mark)) {
            let (start, word) = ends.last().map_or((0, 0), |(before, word)| (before.mark, *word));
            // A space right at the previous end counts as none: NLTK tests an offset for truth.
            let word = match text[start..end.mark].iter().rposition(|&byte| byte == b' ') {
                Some(at) if at > 0 => start + at + 1,
                _ => word,
            };
            // In a run such as "?!?" only the last mark counts: the earlier ones are in its word.
            if start > word {
                ends.pop();
            }
            ends.push((end, word));
        }
        ends.retain(|(end, word)| self.ends_within(&text[*word..end.after], classes));
        ends
    }

    /// Whether a sentence ends before the last token of a context.
    fn ends_within(&self, context: &[u8], classes: &Classes) -> bool {
        let mut tokens = Vec::new();
        let mut at = 0;
        while at < context.len() {
            let size = token_size(&context[at..]);
            if !is_space(context[at]) {
                tokens.push(self.judged(&context[at..at + size], classes));
            }
            at += size;
        }
        tokens.windows(2).any(|pair| self.ends_before(&pair[0], &pair[1], classes))
    }

    /// Punkt's first pass: what the form of a token says.
    fn judged<'a>(&self, text: &'a [u8], classes: &Classes) -> Token<'a> {
        let lower: Vec<u8> = text.iter().map(|&byte| classes.lower(u32::from(byte))).collect();
        let (ends, open) = match text {
            b"." | b"?" | b"!" => (true, false),
            [.., b'.', b'.'] => (false, text.iter().all(|&byte| byte == b'.')),
            [.., b'.'] => {
                let stem = &lower[..lower.len() - 1];
                let last = stem.rsplit(|&byte| byte == b'-').next().unwrap_or(stem);
                let abbreviation = self.has(&[b"a", stem]) || last.len() < stem.len() && self.has(&[b"a", last]);
                (!abbreviation, abbreviation)
            }
            _ => (false, false),
        };
        let kind = if is_number(&lower) { NUMBER.to_vec() } else { lower };
        Token { text, kind, ends, open }
    }

    /// Punkt's second pass: whether a sentence ends with a token, by what the next one says about a full stop.
    fn ends_before(&self, token: &Token, next: &Token, classes: &Classes) -> bool {
        if !token.text.ends_with(b".") {
            return token.ends;
        }
        let (kind, word) = (token.without_stop(), if next.ends { next.without_stop() } else { &next.kind });
        if self.has(&[b"c", kind, word]) {
            return false;
        }
        // [^\W\d²³¹¼½¾]\.$
        let initial = token.text.len() == 2 && classes.is(token.text[0], LETTER) && !token.text[0].is_ascii_digit();
        let number = kind == NUMBER;
        if !(token.open || initial || number) {
            return token.ends;
        }
        let seen = self.find(&[b"o", word]);
        let seen = if seen == NONE { 0 } else { seen as u8 };
        let (upper, lower) = (classes.is(next.text[0], UPPER), classes.is(next.text[0], LOWER));
        // Whether the next token starts a sentence, or does not, by its case; it may be that neither can be told.
        let sign = matches!(next.text, b";" | b":" | b"," | b"." | b"!" | b"?");
        let starts = !sign && upper && seen & SEEN_LOWER != 0 && seen & UPPER_MID == 0;
        let goes_on = sign || lower && (seen & SEEN_UPPER != 0 || seen & LOWER_BEGIN == 0);
        if token.open && !initial && (starts || upper && self.has(&[b"s", word])) {
            return true;
        }
        let name = initial && upper && !starts && seen & SEEN_LOWER == 0;
        token.ends && !((initial || number) && (goes_on || name))
    }
}

/// A mark that may end a sentence: [.?!](?=(?P<after>NOT_WORD|\s+(?P<next>\S+)))
struct End {
    mark: usize,
    /// Where the context that decides ends.
    after: usize,
    /// Where the next sentence would start.
    following: usize,
}

impl End {
    fn at(text: &[u8], mark: usize) -> Option<End> {
        let end = mark + 1;
        if is_not_word(*text.get(end)?) {
            return Some(End { mark, after: end + 1, following: end });
        }
        let following = end + run(&text[end..], is_space);
        let after = following + run(&text[following..], |byte| !is_space(byte));
        (end < following && following < after).then_some(End { mark, after, following })
    }
}

/// [)\";}\]*:@'({\[«»?!]
fn is_not_word(byte: u8) -> bool {
    b")\";}]*:@'({[?!\xAB\xBB".contains(&byte)
}

/// The size of (?:-{2,}|\.{2,}|(?:\.\s){2,}\.) here, 0 where it is not.
fn many(text: &[u8]) -> usize {
    if !b"-.".contains(&text[0]) {
        return 0;
    }
    let size = run(text, |byte| byte == text[0]);
    if size >= 2 {
        return size;
    }
    let pairs = text.chunks_exact(2).take_while(|pair| pair[0] == b'.' && is_space(pair[1])).count();
    // Of three pairs and more, the last one's full stop may be the one at the end.
    match (pairs, text.get(2 * pairs)) {
        (2.., Some(b'.')) => 2 * pairs + 1,
        (3.., _) => 2 * pairs - 1,
        _ => 0,
    }
}

/// The size of the token at the start of a text, 1 for whitespace:
/// MANY|(?=[^("`{[:;&#*@)}\]\-,])\S+?(?=\s|$|NOT_WORD|MANY|,(?=$|\s|NOT_WORD|MANY))|\S
fn token_size(text: &[u8]) -> usize {
    let size = many(text);
    if size > 0 {
        return size;
    }
    if b" \xA0(\"`{[:;&#*@)}]-,".contains(&text[0]) {
        return 1;
    }
    let stops = |at: usize| match text.get(at) {
        None => true,
        Some(&byte) => is_space(byte) || is_not_word(byte) || many(&text[at..]) > 0,
    };
    let stop = (1..).find(|&at| stops(at) || text[at] == b',' && stops(at + 1));
    stop.unwrap_or(text.len())
}

/// ^-?[.,]?\d[\d,.-]*\.?$
fn is_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let text = match text {
        [b'.' | b',', rest @ ..] => rest,
        _ => text,
    };
    text.first().map_or(false, u8::is_ascii_digit)
        && text.iter().all(|byte| byte.is_ascii_digit() || b",.-".contains(byte))
}

/// ["')\]}«»]+?(?:\s+|(?=--)|$) at the start of a text: where the closing marks end, and where
/// the text goes on behind them.
fn closers(text: &[u8]) -> Option<(usize, usize)> {
    let marks = run(text, |byte| b"\"')]}\xAB\xBB".contains(&byte));
    let rest = &text[marks..];
    let spaces = run(rest, is_space);
    let ends = marks > 0 && (spaces > 0 || rest.is_empty() || rest.starts_with(b"--"));
    ends.then_some((marks, marks + spaces))
}
