//! The words of one sentence of printable Latin-1 text, as NLTK's `NLTKWordTokenizer` cuts them.
//!
//! The same replacements in the same order as `graders/metrics/word_tokenizer.py`, whose patterns
//! stand beside them. Each puts spaces around what should stand alone.

use crate::classes::{Classes, LETTER, WORD};

/// Whitespace of printable Latin-1: the space and the no-break space.
pub fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == 0xA0
}

/// How many bytes at the start of a text are so.
pub fn run(text: &[u8], so: impl Fn(u8) -> bool) -> usize {
    text.iter().take_while(|&&byte| so(byte)).count()
}

/// One replacement: it reads a text and writes another.
struct Rewriter<'a> {
    classes: &'a Classes,
    text: Vec<u8>,
    out: Vec<u8>,
}

impl Rewriter<'_> {
    /// Go over the text where it holds one of the `signs`. `step` is given the byte before a place (0 at
    /// the start), the text from there, and what to write to; it returns how many bytes it has dealt
    /// with, 0 for none.
    fn each(&mut self, signs: &[u8], step: impl Fn(u8, &[u8], &mut Vec<u8>) -> usize) {
        if !self.text.iter().any(|byte| signs.contains(byte)) {
            return;
        }
        self.out.clear();
        let (mut at, mut before) = (0, 0);
        while at < self.text.len() {
            let done = step(before, &self.text[at..], &mut self.out);
            if done == 0 {
                self.out.push(self.text[at]);
            }
            at += done.max(1);
            before = self.text[at - 1];
        }
        std::mem::swap(&mut self.text, &mut self.out);
    }

    /// Set what begins with one of the signs apart, as many bytes as `size` says, 0 for none.
    fn apart(&mut self, signs: &[u8], size: impl Fn(&[u8]) -> usize) {
        self.each(signs, |_, text, out| {
            let size = if signs.contains(&text[0]) { size(text) } else { 0 };
            if size > 0 {
                put(out, &[b" ", &text[..size], b" "]);
            }
            size
        });
    }

    /// Replace each occurrence of a text.
    fn replace(&mut self, old: &[u8], new: &[u8]) {
        self.each(&old[..1], |_, text, out| {
            if !text.starts_with(old) {
                return 0;
            }
            out.extend(new);
            old.len()
        });
    }

    /// Set the last full stop apart where nothing but closing marks, of a set, stands behind it.
    fn full_stop(&mut self, closers: &[u8], behind: &[u8]) {
        let stop = match self.text.iter().rposition(|&byte| byte == b'.') {
            Some(stop) if stop > 0 && self.text[stop - 1] != b'.' => stop,
            _ => return,
        };
        let rest = self.text.split_off(stop + 1);
        let closed = run(&rest, |byte| closers.contains(&byte));
        if rest[closed..].iter().all(|&byte| is_space(byte)) {
            self.text.pop();
            put(&mut self.text, &[b" .", behind, &rest[..closed], b" "]);
        } else {
            self.text.extend(rest);
        }
    }

    /// Set an ending of a word apart from it: `([^' ])(ending)<space>`, "'" being among its first two bytes.
    fn ending(&mut self, endings: &[&[u8]]) {
        self.each(b"'", |_, text, out| {
            let known = |ending: &&&[u8]| text[1..].strip_prefix(**ending).map_or(false, |rest| rest.starts_with(b" "));
            match endings.iter().find(known) {
                Some(ending) if !b"' ".contains(&text[0]) => {
                    put(out, &[&text[..1], b" ", ending, b" "]);
                    ending.len() + 2
                }
                _ => 0,
            }
        });
    }

    /// Part a word of two that are written as one: `(?i)\b(...)(...)\b`. A space at an end is the edge there.
    fn part(&mut self, two: &[u8], middle: usize) {
        let classes = self.classes;
        let word = |byte: u8| classes.is(byte, WORD);
        let last = two[middle - 1];
        self.each(&[last, last.to_ascii_uppercase()], |before, text, out| {
            let (found, next) = match text.get(..two.len()) {
                Some(found) if found.eq_ignore_ascii_case(two) => (found, text.get(two.len())),
                _ => return 0,
            };
            let begins = two[0] == b' ' || !word(before);
            if !begins || !two.ends_with(b" ") && next.map_or(false, |&byte| word(byte)) {
                return 0;
            }
            put(out, &[b" ", &found[..middle], b" ", &found[middle..], b" "]);
            two.len()
        });
    }
}

fn put(out: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.extend(*part));
}

/// Return a sentence with whitespace between its tokens.
pub fn spaced(sentence: Vec<u8>, classes: &Classes) -> Vec<u8> {
    let mut rules = Rewriter { classes, text: sentence, out: Vec::new() };
    opening_quotes(&mut rules);
    punctuation(&mut rules);
    rules.text.insert(0, b' ');
    rules.text.push(b' ');
    endings(&mut rules);
    rules.text
}

fn opening_quotes(rules: &mut Rewriter) {
    let classes = rules.classes;
    let letter = |byte: u8| classes.is(byte, LETTER);
    // ([«]|`+) -> " \1 "
    rules.apart(b"\xAB`", |text| if text[0] == b'`' { run(text, |byte| byte == b'`') } else { 1 });
    // ^" -> ``
    if rules.text.first() == Some(&b'"') {
        rules.text.splice(..1, *b"``");
    }
    rules.replace(b"``", b" `` ");
    // ([ (\[{<])("|'{2}) -> "\1 `` "
    rules.each(b"\"'", |_, text, out| {
        let quote = match text[1..] {
            [b'"', ..] => 1,
            [b'\'', b'\'', ..] => 2,
            _ => 0,
        };
        if quote == 0 || !b" ([{<".contains(&text[0]) {
            return 0;
        }
        put(out, &[&text[..1], b" `` "]);
        1 + quote
    });
    // (?i)(?<!W)(')(?!(?:re|ve|ll|m|t|s|d|n)(?!W))(?=W) -> "\1 "
    rules.each(b"'", |before, text, out| {
        let rest = &text[1..];
        let size = run(rest, letter);
        let short = ["re", "ve", "ll", "m", "t", "s", "d", "n"].iter();
        let shortened = short.map(|one| one.as_bytes()).any(|one| rest[..size].eq_ignore_ascii_case(one));
        if text[0] != b'\'' || letter(before) || size == 0 || shortened {
            return 0;
        }
        out.extend(b"' ");
        1
    });
}

fn punctuation(rules: &mut Rewriter) {
    // ([^.])(\.)([\])}>"' »]*+)\s*$ -> "\1 \2 \3 "
    rules.full_stop(b"])}>\"' \xBB", b" ");
    // ([:,])([^\d]) -> " \1 \2"
    rules.each(b":,", |_, text, out| match *text {
        [sign @ (b':' | b','), next, ..] if !next.is_ascii_digit() => {
            out.extend([b' ', sign, b' ', next]);
            2
        }
        _ => 0,
    });
    // ([:,])$ -> " \1 "
    if let Some(&sign @ (b':' | b',')) = rules.text.last() {
        rules.text.pop();
        rules.text.extend([b' ', sign, b' ']);
    }
    // \.{2,} -> " \g<0> "
    rules.apart(b".", |text| match run(text, |byte| byte == b'.') {
        1 => 0,
        size => size,
    });
    rules.apart(b";@#$%&", |_| 1);
    // ([^.])(\.)([\])}>"']*)\s*$ -> "\1 \2\3 "
    rules.full_stop(b"])}>\"'", b"");
    rules.apart(b"?!", |_| 1);
    // ([^'])'<space> -> "\1 ' "
    rules.each(b"'", |_, text, out| match *text {
        [first, b'\'', b' ', ..] if first != b'\'' => {
            out.extend([first, b' ', b'\'', b' ']);
            3
        }
        _ => 0,
    });
    rules.apart(b"*", |_| 1);
    rules.apart(b"][(){}<>", |_| 1);
    rules.replace(b"--", b" -- ");
}

fn endings(rules: &mut Rewriter) {
    rules.apart(b"\xBB", |_| 1);
    rules.replace(b"''", b" '' ");
    rules.replace(b"\"", b" '' ");
    // \s+ -> " "
    rules.each(b" \xA0", |_, text, out| {
        let size = run(text, is_space);
        if size > 0 {
            out.push(b' ');
        }
        size
    });
    rules.ending(&[b"'s", b"'S", b"'m", b"'M", b"'d", b"'D", b"'"]);
    rules.ending(&[b"'ll", b"'LL", b"'re", b"'RE", b"'ve", b"'VE", b"n't", b"N'T"]);
    rules.part(b"d'ye", 1);
    rules.part(b"more'n", 4);
    for two in ["cannot", "gimme", "gonna", "gotta", "lemme", "wanna ", " 'tis", " 'twas"] {
        rules.part(two.as_bytes(), 3);
    }
}
