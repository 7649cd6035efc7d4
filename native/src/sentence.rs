//! Where the sentences of printable Latin-1 text end, as NLTK's Punkt decides it.
//!
//! The procedure of `graders/metrics/sentence.py`, whose patterns stand beside what does them; the
//! model comes through the door.

use crate::classes::{Classes, LETTER, LOWER, UPPER};
use crate::vocabulary::{boxed, Fault, Map, Seed};
use crate::words::is_space;

/// How a word was seen in the training texts.
const UPPER_MID: u8 = 1 << 2;
const SEEN_UPPER: u8 = (1 << 1) | (1 << 2) | (1 << 3);
const LOWER_BEGIN: u8 = 1 << 4;
const SEEN_LOWER: u8 = (1 << 4) | (1 << 5) | (1 << 6);

/// What Punkt learned from its training texts: the lines of its table, words in lower case, with
/// the bits of those that have some.
pub struct Punkt {
    lines: Map<Box<[u8]>, u8>,
    /// Bytes of the longest line: no longer one need be looked for.
    longest: usize,
}

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
    pub fn new(table: &[u8], seed: &Seed) -> Result<Self, Fault> {
        let mut lines = Map::with_hasher(seed.clone());
        let mut longest = 0;
        for line in table.split(|&byte| byte == b'\n') {
            let words = match line.iter().rposition(|&byte| byte == b'\t') {
                Some(tab) if line[0] == b'o' => tab,
                _ => line.len(),
            };
            longest = longest.max(words);
            let bits = line[words..].iter().filter(|byte| byte.is_ascii_digit());
            lines.insert(boxed(&line[..words])?, bits.fold(0, |sum, digit| sum * 10 + (digit - b'0')));
        }
        Ok(Punkt { lines, longest })
    }

    /// The bits of a line; None where there is no such line.
    fn line(&self, kind: u8, word: &[u8], second: &[u8]) -> Option<u8> {
        if word.len().max(second.len()) > self.longest {
            return None;
        }
        let mut line = Vec::with_capacity(word.len() + second.len() + 3);
        line.extend([kind, b'\t']);
        line.extend(word);
        if kind == b'c' {
            line.push(b'\t');
            line.extend(second);
        }
        self.lines.get(&line[..]).copied()
    }

    fn seen(&self, word: &[u8]) -> u8 {
        self.line(b'o', word, b"").unwrap_or(0)
    }

    /// The sentences of a text as places in it, without the whitespace between them.
    pub fn sentences(&self, text: &[u8], classes: &Classes, found: &mut Vec<(usize, usize)>) -> Result<(), Fault> {
        found.clear();
        let last = text.iter().rposition(|&byte| !is_space(byte)).map_or(0, |at| at + 1);
        let breaks = self.breaks(text, classes)?;
        found.try_reserve(breaks.len() + 1)?;
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
        Ok(())
    }

    /// (end of a sentence, start of the next one) for each break.
    fn breaks(&self, text: &[u8], classes: &Classes) -> Result<Vec<(usize, usize)>, Fault> {
        let mut breaks = Vec::new();
        let mut held: Option<End> = None;
        let (mut held_word, mut held_start) = (0, 0);
        for start in 0..text.len() {
            if !matches!(text[start], b'.' | b'?' | b'!') {
                continue;
            }
            let found = match End::at(text, start) {
                Some(found) => found,
                None => continue,
            };
            let space = text[held_start..start].iter().rposition(|&byte| byte == b' ');
            // A space right at the previous end counts as none: NLTK tests an offset for truth.
            let word = match space {
                Some(at) if at > 0 => held_start + at + 1,
                _ => held_word,
            };
            // In a run such as "?!?" only the last mark counts: the earlier ones are in its word.
            if let Some(end) = held {
                if held_start <= word && self.breaks_within(&text[held_word..end.after], classes)? {
                    breaks.try_reserve(1)?;
                    breaks.push((end.end, end.following));
                }
            }
            held = Some(found);
            held_word = word;
            held_start = start;
        }
        if let Some(end) = held {
            if self.breaks_within(&text[held_word..end.after], classes)? {
                breaks.try_reserve(1)?;
                breaks.push((end.end, end.following));
            }
        }
        Ok(breaks)
    }

    /// Whether Punkt sees a break before the last token of a context.
    fn breaks_within(&self, context: &[u8], classes: &Classes) -> Result<bool, Fault> {
        let mut tokens = Vec::new();
        let mut at = 0;
        while at < context.len() {
            if is_space(context[at]) {
                at += 1;
                continue;
            }
            let size = token_size(&context[at..]);
            tokens.try_reserve(1)?;
            tokens.push(self.judged(&context[at..at + size], classes)?);
            at += size;
        }
        for at in 1..tokens.len() {
            let (before, behind) = tokens.split_at_mut(at);
            if before[at - 1].text.ends_with(b".") {
                self.judge_in_context(&mut before[at - 1], &behind[0], classes);
            }
        }
        tokens.pop();
        Ok(tokens.iter().any(|token| token.ends))
    }

    /// Punkt's first pass: what the form of a token says.
    fn judged<'a>(&self, text: &'a [u8], classes: &Classes) -> Result<Token<'a>, Fault> {
        let mut lower = Vec::new();
        lower.try_reserve(text.len())?;
        lower.extend(text.iter().map(|&byte| classes.lower(u32::from(byte))));
        let (mut ends, mut abbreviation, mut ellipsis) = (false, false, false);
        if matches!(text, b"." | b"?" | b"!") {
            ends = true;
        } else if text.len() >= 2 && text.iter().all(|&byte| byte == b'.') {
            ellipsis = true;
        } else if text.ends_with(b".") && !text.ends_with(b"..") {
            let stem = &lower[..lower.len() - 1];
            let last = stem.rsplit(|&byte| byte == b'-').next().unwrap_or(stem);
            abbreviation = [stem, last].iter().any(|word| self.line(b'a', word, b"").is_some());
            ends = !abbreviation;
        }
        let kind = if is_number(&lower) { b"##number##".to_vec() } else { lower };
        Ok(Token { text, kind, ends, abbreviation, ellipsis })
    }

    /// Punkt's second pass: what the next token says about a token with a full stop.
    fn judge_in_context(&self, token: &mut Token, following: &Token, classes: &Classes) {
        let next = following.as_next();
        // [^\W\d²³¹¼½¾]\.$
        let initial = token.text.len() == 2 && is_letter(token.text[0], classes);
        let kind = token.without_stop();
        let number = kind == b"##number##";
        if self.line(b'c', kind, next).is_some() {
            token.ends = false;
            token.abbreviation = true;
            return;
        }
        let upper = classes.narrow(following.text[0]) & UPPER != 0;
        let starts = self.starts_sentence(following, classes);
        if (token.abbreviation || token.ellipsis)
            && !initial
            && (starts == Some(true) || upper && self.line(b's', next, b"").is_some())
        {
            token.ends = true;
            return;
        }
        if initial || number {
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
        let first = classes.narrow(token.text[0]);
        if first & UPPER != 0 && seen & SEEN_LOWER != 0 && seen & UPPER_MID == 0 {
            return Some(true);
        }
        if first & LOWER != 0 && (seen & SEEN_UPPER != 0 || seen & LOWER_BEGIN == 0) {
            return Some(false);
        }
        None
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
        let first = *text.get(end)?;
        if is_not_word(first) {
            return Some(End { end, after: end + 1, following: end });
        }
        let spaces = text[end..].iter().take_while(|&&byte| is_space(byte)).count();
        let following = end + spaces;
        if spaces == 0 || following == text.len() {
            return None;
        }
        let next = text[following..].iter().take_while(|&&byte| !is_space(byte)).count();
        Some(End { end, after: following + next, following })
    }
}

/// [)\";}\]*:@'({\[«»?!]
fn is_not_word(byte: u8) -> bool {
    b")\";}]*:@'({[?!\xAB\xBB".contains(&byte)
}

/// The size of (?:-{2,}|\.{2,}|(?:\.\s){2,}\.) here, 0 where it is not.
fn many(text: &[u8]) -> usize {
    for sign in [b'-', b'.'] {
        let size = text.iter().take_while(|&&byte| byte == sign).count();
        if size >= 2 {
            return size;
        }
    }
    let pairs = text.chunks_exact(2).take_while(|pair| pair[0] == b'.' && is_space(pair[1])).count();
    if pairs >= 2 && text.get(2 * pairs) == Some(&b'.') {
        2 * pairs + 1
    } else if pairs >= 3 {
        2 * (pairs - 1) + 1 // the last pair's full stop is the one at the end
    } else {
        0
    }
}

/// The size of the token at the start of a text without whitespace there:
/// MANY|(?=[^("`{[:;&#*@)}\]\-,])\S+?(?=\s|$|NOT_WORD|MANY|,(?=$|\s|NOT_WORD|MANY))|\S
fn token_size(text: &[u8]) -> usize {
    let size = many(text);
    if size > 0 {
        return size;
    }
    if b"(\"`{[:;&#*@)}]-,".contains(&text[0]) {
        return 1;
    }
    let stops = |at: usize| match text.get(at) {
        None => true,
        Some(&byte) => is_space(byte) || is_not_word(byte) || many(&text[at..]) > 0,
    };
    let mut at = 1;
    while !(stops(at) || text[at] == b',' && stops(at + 1)) {
        at += 1;
    }
    at
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

/// [^\W\d²³¹¼½¾]
fn is_letter(byte: u8, classes: &Classes) -> bool {
    classes.narrow(byte) & LETTER != 0 && !byte.is_ascii_digit()
}

/// ["')\]}«»]+?(?:\s+|(?=--)|$) at the start of a text: where the closing marks end, and where
/// the text goes on behind them.
fn closers(text: &[u8]) -> Option<(usize, usize)> {
    for at in 0..text.len() {
        if !b"\"')]}\xAB\xBB".contains(&text[at]) {
            return None;
        }
        let rest = &text[at + 1..];
        let spaces = rest.iter().take_while(|&&byte| is_space(byte)).count();
        if spaces > 0 || rest.is_empty() || rest.starts_with(b"--") {
            return Some((at + 1, at + 1 + spaces));
        }
    }
    None
}
