// SPDX-License-Identifier: GPL-2.0-or-later
// What named.cc is, for Rust.
use std::hint::black_box;

pub trait Shelf {
    fn put(&mut self, times: usize);
}

pub struct Numbers<T> {
    elements: Vec<T>,
}

impl<T: Copy + Default> Shelf for Numbers<T> {
    #[inline(never)]
    fn put(&mut self, times: usize) {
        for _ in 0..times {
            self.elements.push(T::default());
        }
    }
}

#[inline(always)]
fn inlined(size: usize) -> Vec<u8> {
    black_box(vec![7; size])
}

#[inline(never)]
pub fn leak_here(size: usize) {
    std::mem::forget(black_box(inlined(size)));
}

#[inline(never)]
pub fn apply<F: Fn(usize) -> usize>(function: F) -> usize {
    black_box(function(3))
}

fn main() {
    let mut numbers = Numbers::<u64> { elements: Vec::new() };
    let mut letters = Numbers::<char> { elements: Vec::new() };

    for round in 0..10 {
        leak_here(100 + round);
        numbers.put(4);
        letters.put(4);
        black_box(apply(|value| black_box(format!("{value}{round}")).len()));
    }
    black_box(numbers.elements.len() + letters.elements.len());
}
