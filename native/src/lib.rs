//! The native core of local-graders: texts in columns go in, counts come out, and nothing else.
//!
//! This module is the door, a C ABI over buffers that Python calls by ctypes, and the only one with
//! `unsafe` in it. Behind it: `core` works columns off, in threads; `rouge` cuts texts into words, and
//! `text`, `sentence`, `words` and `piece` into tokens, which have numbers by `vocabulary`; `count`
//! compares numbers. What
//! Unicode and NLTK's model have to say comes in through the door too (`classes`, `sentence`).
//!
//! A panic does not cross the door: it is a status, the core forgets what it knew, and Python
//! computes the rows itself. So is a buffer for which there is no memory.

#![deny(unsafe_op_in_unsafe_fn)]

mod classes;
mod core;
mod count;
mod piece;
mod rouge;
mod sentence;
mod table;
mod text;
mod vocabulary;
mod words;

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::slice;
use std::sync::{Mutex, PoisonError};

use crate::core::{Core, Rule, Wanted};
use crate::text::Text;
use crate::vocabulary::Fault;

/// Changes with anything that Python must know of this module.
const ABI: u32 = 2;

const DONE: i32 = 0;
const PANIC: i32 = 1;
const MEMORY: i32 = 2;
const WRONG: i32 = 3;

/// A core behind a lock: calls from several threads wait for one another.
pub struct Handle(Mutex<Core>);

/// Columns of as many candidates as references, the candidates first: those texts end to end whose
/// characters are all below U+0100, and the others end to end.
#[repr(C)]
pub struct Columns {
    /// Latin-1.
    narrow: *const u8,
    narrow_size: usize,
    /// Code points.
    wide: *const u32,
    wide_size: usize,
    /// Characters of each text, `2 * pairs` of them.
    lengths: *const u64,
    /// 1 for each text that is among the narrow ones, else 0.
    kinds: *const u8,
    pairs: usize,
}

/// What to count; see `Wanted`.
#[repr(C)]
pub struct Order {
    /// 0: ROUGE's words. 1: tokens of BLEU, GLEU and METEOR.
    rule: u32,
    orders: u32,
    longest: u32,
    threads: u32,
}

#[no_mangle]
pub extern "C" fn graders_abi() -> u32 {
    ABI
}

/// A new core, or null.
#[no_mangle]
pub extern "C" fn graders_new() -> *mut Handle {
    let made = catch_unwind(|| Box::into_raw(Box::new(Handle(Mutex::new(Core::new())))));
    made.unwrap_or(std::ptr::null_mut())
}

/// End a core.
///
/// # Safety
/// `handle` comes from `graders_new`, was not freed, and no call with it is going on.
#[no_mangle]
pub unsafe extern "C" fn graders_free(handle: *mut Handle) {
    if !handle.is_null() {
        // SAFETY: by the caller's promise nobody else has it.
        let core = unsafe { Box::from_raw(handle) };
        let _ = catch_unwind(AssertUnwindSafe(|| drop(core)));
    }
}

/// Learn what Python knows: page `what` of `classes`, or for 0x1100 the table of `sentence::Punkt`.
///
/// # Safety
/// `handle` is a living core; `data` holds `size` bytes.
#[no_mangle]
pub unsafe extern "C" fn graders_learn(handle: *const Handle, what: u32, data: *const u8, size: usize) -> i32 {
    // SAFETY: by the caller's promise.
    let (handle, data) = unsafe { (handle.as_ref(), buffer(data, size)) };
    guarded(handle, |core| match data {
        Some(table) if what as usize == classes::PAGES => core.learn(table).map(|()| true),
        Some(page) => core.tables.classes.set(what as usize, page),
        None => Ok(false),
    })
}

/// Write the pages that UTF-32 text of `size` characters needs and the core lacks, and how many.
///
/// # Safety
/// `handle` is a living core; `text` holds `size` numbers, `pages` 4,352 places and `count` one.
#[no_mangle]
pub unsafe extern "C" fn graders_missing(
    handle: *const Handle,
    text: *const u32,
    size: usize,
    pages: *mut u32,
    count: *mut usize,
) -> i32 {
    // SAFETY: by the caller's promise.
    let (handle, text, pages, count) =
        unsafe { (handle.as_ref(), buffer(text, size), place(pages, classes::PAGES), count.as_mut()) };
    guarded(handle, |core| match (text, pages, count) {
        (Some(text), Some(pages), Some(count)) => {
            let missing = core.tables.classes.missing(text);
            pages[..missing.len()].copy_from_slice(&missing);
            *count = missing.len();
            Ok(true)
        }
        _ => Ok(false),
    })
}

/// Count each pair: `found` receives rows of 2 + `orders` + `longest` numbers.
///
/// # Safety
/// `handle` is a living core; `columns` and `order` are what their fields say; `found` holds `size`
/// numbers.
#[no_mangle]
pub unsafe extern "C" fn graders_count(
    handle: *const Handle,
    columns: *const Columns,
    order: *const Order,
    found: *mut i64,
    size: usize,
) -> i32 {
    // SAFETY: by the caller's promise.
    let (handle, columns, order, found) =
        unsafe { (handle.as_ref(), columns.as_ref(), order.as_ref(), place(found, size)) };
    let (columns, order, found) = match (columns, order, found) {
        (Some(columns), Some(order), Some(found)) => (columns, order, found),
        _ => return WRONG,
    };
    // SAFETY: by the caller's promise.
    let texts = unsafe { columns.texts() };
    guarded(handle, |core| {
        let rule = match rule_of(order.rule) {
            Some(rule) => rule,
            None => return Ok(false),
        };
        let wanted = Wanted { rule, orders: order.orders as usize, longest: order.longest != 0 };
        let texts = match texts {
            Some(texts) => texts?,
            None => return Ok(false),
        };
        if Some(found.len()) != wanted.width().checked_mul(columns.pairs) {
            return Ok(false);
        }
        let (candidates, references) = texts.split_at(columns.pairs);
        core.count(wanted, candidates, references, order.threads as usize, found)?;
        Ok(true)
    })
}

/// Write the token numbers (of `Rule::Translation`) of each text, the candidates' first, and how many each has; then the
/// generation of the vocabulary, its size, and its characters.
///
/// # Safety
/// `handle` is a living core; `columns` is what its fields say; `numbers` has a place for each
/// character, `sizes` for each text, and `about` three.
#[no_mangle]
pub unsafe extern "C" fn graders_tokens(
    handle: *const Handle,
    columns: *const Columns,
    numbers: *mut u32,
    sizes: *mut u64,
    about: *mut u64,
) -> i32 {
    // SAFETY: by the caller's promise.
    let (handle, columns, about) = unsafe { (handle.as_ref(), columns.as_ref(), place(about, 3)) };
    let (columns, about) = match (columns, about) {
        (Some(columns), Some(about)) => (columns, about),
        _ => return WRONG,
    };
    // SAFETY: by the caller's promise.
    let (texts, numbers, sizes) = unsafe {
        (
            columns.texts(),
            place(numbers, columns.narrow_size.saturating_add(columns.wide_size)),
            place(sizes, columns.pairs.saturating_mul(2)),
        )
    };
    guarded(handle, |core| match (texts, numbers, sizes) {
        (Some(texts), Some(numbers), Some(sizes)) => {
            let found = core.tokens(&texts?, sizes)?;
            numbers[..found.len()].copy_from_slice(&found); // no token is without a character
            let vocabulary = core.vocabulary();
            let sizes = [vocabulary.generation(), vocabulary.size() as u64, vocabulary.characters() as u64];
            about.copy_from_slice(&sizes);
            Ok(true)
        }
        _ => Ok(false),
    })
}

/// Write the tokens from a number on as UTF-32 end to end, and where each ends in all there are.
///
/// # Safety
/// `handle` is a living core; `text` has `characters` places and `ends` has `count`.
#[no_mangle]
pub unsafe extern "C" fn graders_words(
    handle: *const Handle,
    from: u64,
    text: *mut u32,
    characters: usize,
    ends: *mut u64,
    count: usize,
) -> i32 {
    // SAFETY: by the caller's promise.
    let (handle, text, ends) = unsafe { (handle.as_ref(), place(text, characters), place(ends, count)) };
    guarded(handle, |core| match (core.vocabulary().since(from as usize), text, ends) {
        (Some((found, stops)), Some(text), Some(ends)) if found.len() == text.len() && stops.len() == ends.len() => {
            text.copy_from_slice(found);
            ends.iter_mut().zip(stops).for_each(|(end, &stop)| *end = stop as u64);
            Ok(true)
        }
        _ => Ok(false),
    })
}

fn rule_of(number: u32) -> Option<Rule> {
    match number {
        0 => Some(Rule::Alphanumeric),
        1 => Some(Rule::Translation),
        _ => None,
    }
}

impl Columns {
    /// The texts, candidates first; None where the fields contradict one another.
    ///
    /// # Safety
    /// The fields are what they say.
    unsafe fn texts(&self) -> Option<Result<Vec<Text<'_>>, Fault>> {
        // SAFETY: by the caller's promise.
        let (lengths, kinds, narrow, wide) = unsafe {
            let texts = self.pairs.checked_mul(2)?;
            let (lengths, kinds) = (buffer(self.lengths, texts)?, buffer(self.kinds, texts)?);
            (lengths, kinds, buffer(self.narrow, self.narrow_size)?, buffer(self.wide, self.wide_size)?)
        };
        let mut texts = Vec::new();
        if let Err(fault) = texts.try_reserve(lengths.len()) {
            return Some(Err(fault.into()));
        }
        let (mut narrow, mut wide) = (narrow, wide);
        for (&length, &kind) in lengths.iter().zip(kinds) {
            let size = usize::try_from(length).ok()?;
            texts.push(match kind {
                1 => Text::Narrow(front(&mut narrow, size)?),
                0 => Text::Wide(front(&mut wide, size)?),
                _ => return None,
            });
        }
        (narrow.is_empty() && wide.is_empty()).then(|| Ok(texts))
    }
}

/// Take so many values from the front of a buffer; None where it has not so many.
fn front<'a, T>(buffer: &mut &'a [T], size: usize) -> Option<&'a [T]> {
    let all = *buffer;
    let found = all.get(..size)?;
    *buffer = &all[size..];
    Some(found)
}

/// Do something with a core; say how it ended.
fn guarded(handle: Option<&Handle>, work: impl FnOnce(&mut Core) -> Result<bool, Fault>) -> i32 {
    let handle = match handle {
        Some(handle) => handle,
        None => return WRONG,
    };
    let mut core = handle.0.lock().unwrap_or_else(PoisonError::into_inner);
    match catch_unwind(AssertUnwindSafe(|| work(&mut core))) {
        Ok(Ok(true)) => DONE,
        Ok(Ok(false)) => WRONG,
        Ok(Err(Fault::Memory)) => {
            core.forget();
            MEMORY
        }
        Err(_) => {
            core.forget();
            PANIC
        }
    }
}

/// A buffer to read. None for null, unaligned, or too large.
///
/// # Safety
/// Unless null, `data` holds `size` values for as long as the result is used, and nobody writes there.
unsafe fn buffer<'a, T>(data: *const T, size: usize) -> Option<&'a [T]> {
    let fits = size.checked_mul(std::mem::size_of::<T>()).map_or(false, |bytes| bytes <= isize::MAX as usize);
    let aligned = data as usize % std::mem::align_of::<T>() == 0;
    if data.is_null() || !fits || !aligned {
        return None;
    }
    // SAFETY: by the caller's promise, and by what was checked.
    Some(unsafe { slice::from_raw_parts(data, size) })
}

/// A buffer to write, under the same conditions, and nobody else reads there.
///
/// # Safety
/// As `buffer`; what is there was written before.
unsafe fn place<'a, T>(data: *mut T, size: usize) -> Option<&'a mut [T]> {
    // SAFETY: by the caller's promise.
    unsafe { buffer(data as *const T, size) }?;
    // SAFETY: `buffer` has checked it, and by the caller's promise nobody else has it.
    Some(unsafe { slice::from_raw_parts_mut(data, size) })
}
