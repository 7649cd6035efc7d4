//! Numbers by keys of a fixed size: what n-grams and ROUGE's words are looked up in.

use crate::vocabulary::Fault;

/// The number of what has none.
pub const NONE: u32 = u32::MAX;

/// Open addressing, at most half full. To be emptied costs nothing: a slot of an earlier round is free.
#[derive(Default)]
pub struct Table<K> {
    /// The round in which a slot was taken, and where its key is among all.
    slots: Vec<(u32, u32)>,
    keys: Vec<(K, u32)>,
    mask: usize,
    round: u32,
}

impl<K: Copy + PartialEq> Table<K> {
    /// Forget all keys, and be ready for so many.
    pub fn empty(&mut self, keys: usize) -> Result<(), Fault> {
        self.keys.clear();
        self.free(keys)
    }

    /// Use as many slots as so many keys need, all of them free.
    fn free(&mut self, keys: usize) -> Result<(), Fault> {
        let slots = (keys * 2).max(16).next_power_of_two();
        if self.round == u32::MAX {
            self.slots.clear();
            self.round = 0;
        }
        self.round += 1;
        if self.slots.len() < slots {
            self.slots.try_reserve_exact(slots - self.slots.len())?;
            self.slots.resize(slots, (0, 0));
        }
        self.mask = slots - 1;
        Ok(())
    }

    /// The number of a key; `NONE` for one that is not there.
    #[inline]
    pub fn find(&self, hash: u64, key: &K) -> u32 {
        let mut at = hash as usize & self.mask;
        loop {
            let (round, place) = self.slots[at];
            if round != self.round {
                return NONE;
            }
            let (other, number) = &self.keys[place as usize];
            if other == key {
                return *number;
            }
            at = (at + 1) & self.mask;
        }
    }

    /// The number of a key; one that is not there has the `next` one from then on. `hash` is asked of
    /// all keys when the table must grow.
    #[inline]
    pub fn add(&mut self, key: K, next: u32, hash: impl Fn(&K) -> u64) -> Result<u32, Fault> {
        let mut at = hash(&key) as usize & self.mask;
        loop {
            let (round, place) = self.slots[at];
            if round != self.round {
                break;
            }
            let (other, number) = &self.keys[place as usize];
            if *other == key {
                return Ok(*number);
            }
            at = (at + 1) & self.mask;
        }
        self.slots[at] = (self.round, self.keys.len() as u32);
        self.keys.try_reserve(1)?;
        self.keys.push((key, next));
        if self.keys.len() * 2 > self.mask {
            self.grow(hash)?;
        }
        Ok(next)
    }

    #[cold]
    fn grow(&mut self, hash: impl Fn(&K) -> u64) -> Result<(), Fault> {
        self.free(self.keys.len() * 2)?;
        for (place, (key, _)) in self.keys.iter().enumerate() {
            let mut at = hash(key) as usize & self.mask;
            while self.slots[at].0 == self.round {
                at = (at + 1) & self.mask;
            }
            self.slots[at] = (self.round, place as u32);
        }
        Ok(())
    }
}
