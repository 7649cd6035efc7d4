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
/// No line of a model is longer.
const LONGEST: usize = 128;

/// What Punkt learned from its training texts: the lines of its table, words in lower case, with
/// the bits of those that have some.
#[derive(Default)]
pub struct Punkt(Index);

/// A token around a possible end.
struct Token<'a> {
    text: &'a [u8],
    kind: Vec<u8>,
    ends: bool,
    abbreviation: bool,
    ellipsis: bool,
}

impl Token<'_> {
    fn without_stop(&self) -> &[u8] {
        match self.kind.split_last() {
            Some((b'.', rest)) if !rest.is_empty() => rest,
            _ => &self.kind,
        }
    }

    fn as_next(&self) -> &[u8] {
        if self.ends {
            self.without_stop()
        } else {
            &self.kind
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
            assert!(words <= LONGEST, "a line of {words} bytes");
            self.0.add_text(&line[..words], bits.fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')));
        }
    }

    pub fn is_learned(&self) -> bool {
        self.0.len() > 0
    }

    fn has(&self, line: &[&[u8]]) -> bool {
        self.find(line) != NONE
    }

    fn seen(&self, word: &[u8]) -> u8 {
        match self.find(&[b"o", word]) {
            NONE => 0,
            bits => bits as u8,
        }
    }

    /// The bits of a line, `NONE` where the model has none such.
    fn find(&self, line: &[&[u8]]) -> u32 {
        let (mut joined, mut size) = ([b'\t'; LONGEST], 0);
        for part in line {
            match joined.get_mut(size..size + part.len()) {
                Some(place) => place.copy_from_slice(part),
                None => return NONE,
            }
            size += part.len() + 1;
        }
        self.0.find_text(&joined[..size - 1])
    }

    /// The sentences of a text as places in it, without the whitespace between them.
    pub fn sentences(&self, text: &[u8], classes: &Classes, found: &mut Vec<(usize, usize)>) {
        found.clear();
        let last = text.iter().rposition(|&byte| !is_space(byte)).map_or(0, |at| at + 1);
        let breaks = self.breaks(text, classes);
        let mut start = 0;
        for (at, &(end, following)) in breaks.iter().enumerate() {
            // Closing quotes and brackets go back to the sentence that they close.
            let stop = breaks.get(at + 1).map_or(last, |next| next.0);
            if let Some((closed, resumed)) = closers(text.get(following..stop).unwrap_or(&[])) {
                found.push((start, following + closed));
                start = following + resumed;
                continue;
            }
            if start < end {
                found.push((start, end));
            }
            start = following;
        }
        if start < last {
            found.push((start, last));
        }
    }

    /// (end of a sentence, start of the next one) for each break.
    fn breaks(&self, text: &[u8], classes: &Classes) -> Vec<(usize, usize)> {
        let mut breaks = Vec::new();
        let mut held: Option<End> = None;
        let (mut held_word, mut held_start) = (0, 0);
        let mut judge = |end: End, word: usize| {
            if self.breaks_within(&text[word..end.after], classes) {
                breaks.push((end.end, end.following));
            }
        };
        let is_mark = |byte: &u8| matches!(byte, b'.' | b'?' | b'!');
        let blocks = text.chunks(64).zip((0..).step_by(64));
        let marked = blocks.filter(|(block, _)| block.iter().fold(false, |any, byte| any | is_mark(byte)));
        let marks = marked.flat_map(|(block, start)| (start..start + block.len()).filter(|&at| is_mark(&text[at])));
        for (start, found) in marks.filter_map(|start| Some((start, End::at(text, start)?))) {
            let space = text[held_start..start].iter().rposition(|&byte| byte == b' ');
            // A space right at the previous end counts as none: NLTK tests an offset for truth.
            let word = match space {
                Some(at) if at > 0 => held_start + at + 1,
                _ => held_word,
            };
            // In a run such as "?!?" only the last mark counts: the earlier ones are in its word.
            if let Some(end) = held.filter(|_| held_start <= word) {
                judge(end, held_word);
            }
            held = Some(found);
            held_word = word;
            held_start = start;
        }
        if let Some(end) = held {
            judge(end, held_word);
        }
        breaks
    }

    /// Whether Punkt sees a break before the last token of a context.
    fn breaks_within(&self, context: &[u8], classes: &Classes) -> bool {
        let mut tokens = Vec::new();
        let mut at = 0;
        while at < context.len() {
            let size = token_size(&context[at..]);
            if !is_space(context[at]) {
                tokens.push(self.judged(&context[at..at + size], classes));
            }
            at += size;
        }
        for at in 1..tokens.len() {
            let (before, behind) = tokens.split_at_mut(at);
            if before[at - 1].text.ends_with(b".") {
                self.judge_in_context(&mut before[at - 1], &behind[0], classes);
            }
        }
        tokens.pop();
        tokens.iter().any(|token| token.ends)
    }

    /// Punkt's first pass: what the form of a token says.
    fn judged<'a>(&self, text: &'a [u8], classes: &Classes) -> Token<'a> {
        let lower: Vec<u8> = text.iter().map(|&byte| classes.lower(u32::from(byte))).collect();
        let (mut ends, mut abbreviation, mut ellipsis) = (false, false, false);
        if matches!(text, b"." | b"?" | b"!") {
            ends = true;
        } else if text.len() >= 2 && text.iter().all(|&byte| byte == b'.') {
            ellipsis = true;
        } else if text.ends_with(b".") && !text.ends_with(b"..") {
            let stem = &lower[..lower.len() - 1];
            let last = stem.rsplit(|&byte| byte == b'-').next().filter(|last| last.len() < stem.len());
            abbreviation = self.has(&[b"a", stem]) || last.map_or(false, |last| self.has(&[b"a", last]));
            ends = !abbreviation;
        }
        let kind = if is_number(&lower) { NUMBER.to_vec() } else { lower };
        Token { text, kind, ends, abbreviation, ellipsis }
    }

    /// Punkt's second pass: what the next token says about a token with a full stop.
    fn judge_in_context(&self, token: &mut Token, following: &Token, classes: &Classes) {
        let next = following.as_next();
        // [^\W\d²³¹¼½¾]\.$
        let initial = token.text.len() == 2 && classes.is(token.text[0], LETTER) && !token.text[0].is_ascii_digit();
        let kind = token.without_stop();
        let number = kind == NUMBER;
        if self.has(&[b"c", kind, next]) {
            token.ends = false;
            token.abbreviation = true;
            return;
        }
        let upper = classes.is(following.text[0], UPPER);
        let starts = self.starts_sentence(following, classes);
        if (token.abbreviation || token.ellipsis)
            && !initial
            && (starts == Some(true) || upper && self.has(&[b"s", next]))
        {
            token.ends = true;
        } else if initial || number {
            let never_lower = self.seen(next) & SEEN_LOWER == 0;
            if starts == Some(false) || starts.is_none() && initial && upper && never_lower {
                token.ends = false;
                token.abbreviation = true;
            }
        }
    }

    /// Whether a token starts a sentence by its case; None is "cannot tell".
    fn starts_sentence(&self, token: &Token, classes: &Classes) -> Option<bool> {
        if matches!(token.text, b";" | b":" | b"," | b"." | b"!" | b"?") {
            return Some(false);
        }
        let seen = self.seen(token.as_next());
        let first = token.text[0];
        if classes.is(first, UPPER) && seen & SEEN_LOWER != 0 && seen & UPPER_MID == 0 {
            return Some(true);
        }
        let not_begin = seen & SEEN_UPPER != 0 || seen & LOWER_BEGIN == 0;
        (classes.is(first, LOWER) && not_begin).then_some(false)
    }
}

/// A mark that may end a sentence: [.?!](?=(?P<after>NOT_WORD|\s+(?P<next>\S+)))
#[derive(Clone, Copy)]
struct End {
    end: usize,
    /// Where the context that decides ends.
    after: usize,
    /// Where the next sentence would start.
    following: usize,
}

impl End {
    fn at(text: &[u8], start: usize) -> Option<End> {
        let end = start + 1;
        if is_not_word(*text.get(end)?) {
            return Some(End { end, after: end + 1, following: end });
        }
        let following = end + run(&text[end..], is_space);
        let after = following + run(&text[following..], |byte| !is_space(byte));
        (end < following && following < after).then_some(End { end, after, following })
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
