//! The words of one sentence of printable Latin-1 text, as NLTK's `NLTKWordTokenizer` cuts them.
//!
//! The same replacements in the same order as `graders/metrics/word_tokenizer.py`, whose patterns
//! stand beside them. Each puts spaces around what should stand alone.

use crate::classes::{Classes, LETTER, WORD};
use crate::vocabulary::Fault;

/// One replacement: it reads a text and writes another.
struct Rewriter {
    text: Vec<u8>,
    out: Vec<u8>,
}

impl Rewriter {
    /// Go over the text where it holds one of the `signs`. `step` is given the text, a place and
    /// what to write to; it returns how many characters it has dealt with, 0 for none.
    fn each(&mut self, signs: &[u8], step: impl Fn(&[u8], usize, &mut Vec<u8>) -> usize) -> Result<(), Fault> {
        if !self.text.iter().any(|byte| signs.contains(byte)) {
            return Ok(());
        }
        self.room()?;
        let mut at = 0;
        while at < self.text.len() {
            let done = step(&self.text, at, &mut self.out);
            if done == 0 {
                self.out.push(self.text[at]);
            }
            at += done.max(1);
        }
        std::mem::swap(&mut self.text, &mut self.out);
        Ok(())
    }

    /// Make room for what any rule writes: at most four characters for one.
    fn room(&mut self) -> Result<(), Fault> {
        self.out.clear();
        self.out.try_reserve(self.text.len() * 4 + 4)?;
        Ok(())
    }

    /// Set each of some characters apart.
    fn apart(&mut self, signs: &[u8]) -> Result<(), Fault> {
        self.each(signs, |text, at, out| {
            if !signs.contains(&text[at]) {
                return 0;
            }
            out.extend([b' ', text[at], b' ']);
            1
        })
    }

    /// Replace each occurrence of a text.
    fn replace(&mut self, old: &[u8], new: &[u8]) -> Result<(), Fault> {
        self.each(&old[..1], |text, at, out| {
            if !text[at..].starts_with(old) {
                return 0;
            }
            out.extend(new);
            old.len()
        })
    }

    /// Set the last full stop apart where nothing but closing marks, of a set, stands behind it.
    fn full_stop(&mut self, closers: &[u8], behind: &[u8]) -> Result<(), Fault> {
        let stop = match self.text.iter().rposition(|&byte| byte == b'.') {
            Some(stop) if stop > 0 && self.text[stop - 1] != b'.' => stop,
            _ => return Ok(()),
        };
        self.room()?;
        let rest = &self.text[stop + 1..];
        let closed = rest.iter().take_while(|byte| closers.contains(byte)).count();
        if !rest[closed..].iter().all(|&byte| is_space(byte)) {
            return Ok(());
        }
        self.out.extend(&self.text[..stop]);
        self.out.extend(b" .");
        self.out.extend(behind);
        self.out.extend(&rest[..closed]);
        self.out.push(b' ');
        std::mem::swap(&mut self.text, &mut self.out);
        Ok(())
    }

    /// Part a word of two that are written as one: `(?i)\b(first)(second)\b`.
    fn part(&mut self, classes: &Classes, first: &[u8], second: &[u8], edges: Edges) -> Result<(), Fault> {
        let size = first.len() + second.len();
        let word = |byte: Option<&u8>| byte.map_or(false, |&byte| classes.narrow(byte) & WORD != 0);
        let capital = first[first.len() - 1].to_ascii_uppercase();
        self.each(&[first[first.len() - 1], capital], |text, at, out| {
            let skipped = usize::from(edges == Edges::BehindSpace);
            let start = at + skipped;
            let both = text.get(start..start + size).map_or(false, |found| {
                found[..first.len()].eq_ignore_ascii_case(first) && found[first.len()..].eq_ignore_ascii_case(second)
            });
            if !both {
                return 0;
            }
            let begins = match edges {
                Edges::BehindSpace => text[at] == b' ',
                _ => at == 0 || !word(text.get(at - 1)),
            };
            let ends = match edges {
                Edges::BeforeSpace => text.get(start + size).map_or(false, |&byte| is_space(byte)),
                _ => !word(text.get(start + size)),
            };
            if !(begins && ends) {
                return 0;
            }
            out.push(b' ');
            out.extend(&text[start..start + first.len()]);
            out.push(b' ');
            out.extend(&text[start + first.len()..start + size]);
            out.push(b' ');
            size + skipped
        })
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Edges {
    Words,
    BehindSpace,
    BeforeSpace,
}

/// Whitespace of printable Latin-1: the space and the no-break space.
pub fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == 0xA0
}

const OPENS: u8 = 0xAB; // «
const CLOSES: u8 = 0xBB; // »

/// Return a sentence with whitespace between its tokens.
pub fn spaced(sentence: Vec<u8>, classes: &Classes) -> Result<Vec<u8>, Fault> {
    let mut rules = Rewriter { text: sentence, out: Vec::new() };
    opening_quotes(&mut rules, classes)?;
    punctuation(&mut rules)?;
    rules.text.try_reserve(2)?;
    rules.text.insert(0, b' ');
    rules.text.push(b' ');
    endings(&mut rules)?;
    // (?i)\b(can)(not)\b and its like
    for (first, second) in
        [("can", "not"), ("d", "'ye"), ("gim", "me"), ("gon", "na"), ("got", "ta"), ("lem", "me"), ("more", "'n")]
    {
        rules.part(classes, first.as_bytes(), second.as_bytes(), Edges::Words)?;
    }
    rules.part(classes, b"wan", b"na", Edges::BeforeSpace)?;
    rules.part(classes, b"'t", b"is", Edges::BehindSpace)?;
    rules.part(classes, b"'t", b"was", Edges::BehindSpace)?;
    Ok(rules.text)
}

fn opening_quotes(rules: &mut Rewriter, classes: &Classes) -> Result<(), Fault> {
    let letter = |byte: u8| classes.narrow(byte) & LETTER != 0;
    // ([«]|`+) -> " \1 "
    rules.each(&[OPENS, b'`'], |text, at, out| {
        let size = match text[at] {
            OPENS => 1,
            _ => text[at..].iter().take_while(|&&byte| byte == b'`').count(),
        };
        if size > 0 {
            out.push(b' ');
            out.extend(&text[at..at + size]);
            out.push(b' ');
        }
        size
    })?;
    // ^" -> ``
    if rules.text.first() == Some(&b'"') {
        rules.text.try_reserve(1)?;
        rules.text.splice(..1, *b"``");
    }
    rules.replace(b"``", b" `` ")?;
    // ([ (\[{<])("|'{2}) -> "\1 `` "
    rules.each(b"\"'", |text, at, out| {
        let quote = match text[at..] {
            [b' ' | b'(' | b'[' | b'{' | b'<', b'"', ..] => 1,
            [b' ' | b'(' | b'[' | b'{' | b'<', b'\'', b'\'', ..] => 2,
            _ => return 0,
        };
        out.push(text[at]);
        out.extend(b" `` ");
        1 + quote
    })?;
    // (?i)(?<!W)(')(?!(?:re|ve|ll|m|t|s|d|n)(?!W))(?=W) -> "\1 "
    rules.each(b"'", |text, at, out| {
        if text[at] != b'\'' || at > 0 && letter(text[at - 1]) {
            return 0;
        }
        let rest = &text[at + 1..];
        let shortened = ["re", "ve", "ll", "m", "t", "s", "d", "n"].iter().any(|ending| {
            let size = ending.len();
            rest.len() >= size
                && rest[..size].eq_ignore_ascii_case(ending.as_bytes())
                && !rest.get(size).map_or(false, |&byte| letter(byte))
        });
        if shortened || !rest.first().map_or(false, |&byte| letter(byte)) {
            return 0;
        }
        out.extend(b"' ");
        1
    })?;
    Ok(())
}

fn punctuation(rules: &mut Rewriter) -> Result<(), Fault> {
    // ([^.])(\.)([\])}>"' »]*+)\s*$ -> "\1 \2 \3 "
    rules.full_stop(b"])}>\"' \xBB", b" ")?;
    // ([:,])([^\d]) -> " \1 \2"
    rules.each(b":,", |text, at, out| match text[at..] {
        [sign @ (b':' | b','), next, ..] if !next.is_ascii_digit() => {
            out.extend([b' ', sign, b' ', next]);
            2
        }
        _ => 0,
    })?;
    // ([:,])$ -> " \1 "
    if let Some(&sign @ (b':' | b',')) = rules.text.last() {
        rules.text.pop();
        rules.text.try_reserve(3)?;
        rules.text.extend([b' ', sign, b' ']);
    }
    // \.{2,} -> " \g<0> "
    rules.each(b".", |text, at, out| {
        let size = text[at..].iter().take_while(|&&byte| byte == b'.').count();
        if size < 2 {
            return 0;
        }
        out.push(b' ');
        out.extend(&text[at..at + size]);
        out.push(b' ');
        size
    })?;
    rules.apart(b";@#$%&")?;
    // ([^.])(\.)([\])}>"']*)\s*$ -> "\1 \2\3 "
    rules.full_stop(b"])}>\"'", b"")?;
    rules.apart(b"?!")?;
    // ([^'])'<space> -> "\1 ' "
    rules.each(b"'", |text, at, out| match text[at..] {
        [first, b'\'', b' ', ..] if first != b'\'' => {
            out.extend([first, b' ', b'\'', b' ']);
            3
        }
        _ => 0,
    })?;
    rules.apart(b"*")?;
    rules.apart(b"][(){}<>")?;
    rules.replace(b"--", b" -- ")?;
    Ok(())
}

fn endings(rules: &mut Rewriter) -> Result<(), Fault> {
    rules.apart(&[CLOSES])?;
    rules.replace(b"''", b" '' ")?;
    rules.replace(b"\"", b" '' ")?;
    // \s+ -> " "
    rules.each(b" \xA0", |text, at, out| {
        let size = text[at..].iter().take_while(|&&byte| is_space(byte)).count();
        if size > 0 {
            out.push(b' ');
        }
        size
    })?;
    // ([^' ])('[sS]|'[mM]|'[dD]|')<space> -> "\1 \2 "
    rules.each(b"'", |text, at, out| {
        let size = match text[at..] {
            [b'\'' | b' ', ..] => return 0,
            [_, b'\'', b's' | b'S' | b'm' | b'M' | b'd' | b'D', b' ', ..] => 2,
            [_, b'\'', b' ', ..] => 1,
            _ => return 0,
        };
        out.extend([text[at], b' ']);
        out.extend(&text[at + 1..at + 1 + size]);
        out.push(b' ');
        size + 2
    })?;
    // ([^' ])('ll|'LL|'re|'RE|'ve|'VE|n't|N'T)<space> -> "\1 \2 "
    rules.each(b"'", |text, at, out| {
        let known = match text[at..] {
            [b'\'' | b' ', ..] => false,
            [_, one, two, three, b' ', ..] => {
                matches!(&[one, two, three], b"'ll" | b"'LL" | b"'re" | b"'RE" | b"'ve" | b"'VE" | b"n't" | b"N'T")
            }
            _ => false,
        };
        if !known {
            return 0;
        }
        out.extend([text[at], b' ']);
        out.extend(&text[at + 1..at + 4]);
        out.push(b' ');
        5
    })?;
    Ok(())
}
