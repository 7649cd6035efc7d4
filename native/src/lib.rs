//! The native core of local-graders: texts in columns go in, counts come out, and nothing else.
//!
//! This module is the door, a C ABI over buffers that Python calls by ctypes, and the only one with
//! `unsafe` in it. Behind it: `core` works columns off, in threads; `rouge` cuts texts into words, and
//! `text`, `piece`, `sentence` and `words` into tokens; `index` gives them numbers, and `count` and
//! `subsequence` compare those. What Unicode and NLTK's model have to say comes in through the door too (`classes`, `sentence`).
//!
//! A panic does not cross the door: it is a status, the core forgets what it knew, and Python
//! computes the rows itself. So is a call that would need more memory than there is.

#![deny(unsafe_op_in_unsafe_fn)]

mod classes;
mod core;
mod count;
mod index;
mod piece;
mod rouge;
mod sentence;
mod subsequence;
mod text;
mod words;

use std::panic::{catch_unwind, AssertUnwindSafe};
use std::slice;
use std::sync::{Mutex, PoisonError};

use crate::core::{Core, Pair, Rule, Wanted};
use crate::text::Vocabulary;

/// Changes with anything that Python must know of this module.
const ABI: u32 = 5;

/// Why a call did not end well, which is 0.
enum Status {
    Panicked = 1,
    NoMemory,
    Wrong,
    /// The call is to be made again when the pages of its characters were learned.
    Lacking,
}

/// What a call is to do with its `input`, its `numbers` and its `output`; the lowest byte of `what`.
///
/// Count ROUGE's words, tokens as BLEU has them, or characters, of texts that lie end to end in the input; the numbers are their
/// lengths, a candidate's and its reference's in turn. The other bytes of `what` are `Wanted::orders`,
/// `Wanted::longest`, and in how many threads. Out come `Wanted::width` counts a pair.
const COUNT_WORDS: u8 = 0;
const COUNT_TOKENS: u8 = 1;
const COUNT_CHARACTERS: u8 = 2;
/// Number the tokens of such texts. Out come the generation of the vocabulary, its size, and its bytes; how
/// many tokens each text has; the tokens.
const NUMBER: u8 = 3;
/// Tell the tokens from the number that is given on. Out come where each ends in all, and their bytes, as they lie in
/// memory.
const TELL: u8 = 4;
/// Learn the page of `classes` whose number is given, or for 0x1100 what `sentence::Punkt` knows.
const LEARN: u8 = 5;

/// The most memory that a call takes for each byte of its longest pair, and for what it keeps of all.
const BYTES_PER_BYTE: usize = 128;
const BYTES_KEPT: usize = 1 << 25;

/// A core behind a lock: calls from several threads wait for one another.
pub struct Handle(Mutex<Core>);

#[no_mangle]
pub extern "C" fn graders_abi() -> u32 {
    ABI
}

/// A new core, or null.
#[no_mangle]
pub extern "C" fn graders_new() -> *mut Handle {
    let made = catch_unwind(|| Box::into_raw(Box::new(Handle(Mutex::default()))));
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

/// What a call is given besides its input: six numbers of a pointer's size, for arguments are what a call by ctypes costs.
#[repr(C)]
pub struct Call {
    handle: *const Handle,
    what: usize,
    numbers: *const u64,
    count: usize,
    output: *mut u64,
    places: usize,
}

/// Do what `what` says; return 0 or a `Status`.
///
/// # Safety
/// `call` is null or one; its handle is null or a living core; `input` holds `size` bytes, `numbers` holds `count`
/// numbers, and `output` has `places` places, which were written before and are nobody else's.
#[no_mangle]
pub unsafe extern "C" fn graders_call(call: *const Call, input: *const u8, size: usize) -> i32 {
    // SAFETY: by the caller's promise, as all that follows from it.
    let call = match unsafe { call.as_ref() } {
        Some(call) => call,
        None => return Status::Wrong as i32,
    };
    let &Call { handle, what, numbers, count, output, places } = call;
    // SAFETY: by the caller's promise.
    let given = unsafe { (handle.as_ref(), buffer(input, size), buffer(numbers, count), buffer(output, places)) };
    let (handle, input, numbers) = match given {
        (Some(handle), Some(input), Some(numbers), Some(_)) => (handle, input, numbers),
        _ => return Status::Wrong as i32,
    };
    // SAFETY: `buffer` has checked it, and by the caller's promise nobody else has it.
    let output = if places == 0 { &mut [] } else { unsafe { slice::from_raw_parts_mut(output, places) } };
    let mut core = handle.0.lock().unwrap_or_else(PoisonError::into_inner);
    let done =
        catch_unwind(AssertUnwindSafe(|| called(&mut core, (what as u32).to_le_bytes(), input, numbers, output)));
    match done {
        Ok(Ok(())) => 0,
        Ok(Err(status)) => status as i32,
        Err(_) => {
            core.forget();
            Status::Panicked as i32
        }
    }
}

/// A buffer to read. None for null, unaligned, or too large, unless it is empty.
///
/// # Safety
/// Unless null, `data` holds `size` values for as long as the result is used, and nobody writes there.
unsafe fn buffer<'a, T>(data: *const T, size: usize) -> Option<&'a [T]> {
    if size == 0 {
        return Some(&[]);
    }
    let fits = size.checked_mul(std::mem::size_of::<T>()).map_or(false, |bytes| bytes <= isize::MAX as usize);
    let aligned = data as usize % std::mem::align_of::<T>() == 0;
    if data.is_null() || !fits || !aligned {
        return None;
    }
    // SAFETY: by the caller's promise, and by what was checked.
    Some(unsafe { slice::from_raw_parts(data, size) })
}

fn called(
    core: &mut Core,
    [what, orders, longest, threads]: [u8; 4],
    input: &[u8],
    numbers: &[u64],
    output: &mut [u64],
) -> Result<(), Status> {
    match (what, numbers) {
        (COUNT_WORDS | COUNT_TOKENS | COUNT_CHARACTERS, _) => {
            let pairs = pairs(input, numbers)?;
            let rule = [Rule::Words, Rule::Translation, Rule::Characters][usize::from(what)];
            let wanted = Wanted { rule, orders: orders.into(), longest: longest == 1 };
            if longest > 1 || Some(output.len()) != wanted.width().checked_mul(pairs.len()) {
                return Err(Status::Wrong);
            }
            core.count(wanted, &pairs, threads.into(), output);
        }
        (NUMBER, _) => {
            let (tokens, sizes) = core.tokens(&pairs(input, numbers)?);
            let Vocabulary { text, ends, generation, .. } = core.vocabulary();
            let about = [*generation, ends.len() as u64, text.len() as u64];
            write(output, about.into_iter().chain(sizes).chain(tokens.into_iter().map(u64::from)))?;
        }
        (TELL, &[from]) => {
            let Vocabulary { text, ends, .. } = core.vocabulary();
            let (before, new) = ends.split_at(ends.len().min(from as usize));
            let start = before.last().map_or(0, |&end| end as usize);
            let eight = |part: &[u8]| {
                let mut bytes = [0; 8];
                bytes[..part.len()].copy_from_slice(part);
                u64::from_ne_bytes(bytes)
            };
            write(output, new.iter().copied().chain(text[start..].chunks(8).map(eight)))?;
        }
        (LEARN, &[classes::PAGES]) => core.tables.punkt.learn(input),
        (LEARN, &[page]) if page < classes::PAGES && input.len() == classes::PAGE => {
            core.tables.classes.set(page as usize, input);
        }
        _ => return Err(Status::Wrong),
    }
    if core.lacking() {
        return Err(Status::Lacking);
    }
    Ok(())
}

/// Pairs of texts that lie end to end, where there is the memory to work on them.
fn pairs<'a>(mut text: &'a [u8], lengths: &[u64]) -> Result<Vec<Pair<'a>>, Status> {
    let mut front = |length: u64| {
        let (found, rest) = text.split_at(usize::try_from(length).ok().filter(|&length| length <= text.len())?);
        text = rest;
        Some(found)
    };
    let cut = lengths.chunks(2).map(|pair| match *pair {
        [candidate, reference] => Some([front(candidate)?, front(reference)?]),
        _ => None,
    });
    let pairs = cut.collect::<Option<Vec<_>>>().filter(|_| text.is_empty()).ok_or(Status::Wrong)?;
    let longest = pairs.iter().map(|[one, other]| one.len() + other.len()).max().unwrap_or(0);
    let most = longest.saturating_mul(BYTES_PER_BYTE).saturating_add(BYTES_KEPT);
    // Of short texts, nobody is asked.
    if longest > 1 << 12 && (longest > count::MOST || Vec::<u8>::new().try_reserve_exact(most).is_err()) {
        return Err(Status::NoMemory);
    }
    Ok(pairs)
}

/// Write what there is at the beginning of the output.
fn write(output: &mut [u64], values: impl Iterator<Item = u64>) -> Result<(), Status> {
    let mut places = output.iter_mut();
    for value in values {
        *places.next().ok_or(Status::Wrong)? = value;
    }
    Ok(())
}
