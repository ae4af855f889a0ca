/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Size classes: log-linear, SIZE_CLASS_STEPS a power of two, so a class is at most 12.5 % wide.
 * Sizes below SIZE_CLASS_STEPS have a class each. Pure arithmetic, compiled on both sides.
 */
#ifndef ALLOCPATH_SIZE_CLASS_H
#define ALLOCPATH_SIZE_CLASS_H

#define SIZE_CLASS_BITS 3
#define SIZE_CLASS_STEPS (1 << SIZE_CLASS_BITS)
#define NR_SIZE_CLASSES (SIZE_CLASS_STEPS + (64 - SIZE_CLASS_BITS) * SIZE_CLASS_STEPS)

/* Index of the highest set bit; value must not be 0. By halves: BPF has no count of leading zeros. */
static inline __attribute__((always_inline)) __u32 size_class__msb(__u64 value)
{
#ifndef __bpf__
	return 63 - (__u32)__builtin_clzll(value);
#else
	__u32 bit = 0;

	if (value >> 32) {
		value >>= 32;
		bit += 32;
	}
	if (value >> 16) {
		value >>= 16;
		bit += 16;
	}
	if (value >> 8) {
		value >>= 8;
		bit += 8;
	}
	if (value >> 4) {
		value >>= 4;
		bit += 4;
	}
	if (value >> 2) {
		value >>= 2;
		bit += 2;
	}
	return bit + (__u32)(value >> 1);
#endif
}

/* Class of a size in bytes: 0 to NR_SIZE_CLASSES - 1. */
static inline __attribute__((always_inline)) __u32 size_class__of(__u64 size)
{
	__u32 msb;

	if (size < SIZE_CLASS_STEPS)
		return (__u32)size;
	msb = size_class__msb(size);
	return SIZE_CLASS_STEPS + (msb - SIZE_CLASS_BITS) * SIZE_CLASS_STEPS +
	       (__u32)((size >> (msb - SIZE_CLASS_BITS)) & (SIZE_CLASS_STEPS - 1));
}

/* Smallest size of a class, in bytes. */
static inline __u64 size_class__min(__u32 class_index)
{
	__u32 group, step;

	if (class_index < SIZE_CLASS_STEPS)
		return class_index;
	group = (class_index - SIZE_CLASS_STEPS) / SIZE_CLASS_STEPS;
	step = (class_index - SIZE_CLASS_STEPS) % SIZE_CLASS_STEPS;
	return (__u64)(SIZE_CLASS_STEPS + step) << group;
}

/* Largest size of a class, in bytes, inclusive. */
static inline __u64 size_class__max(__u32 class_index)
{
	if (class_index + 1 >= NR_SIZE_CLASSES)
		return ~0ULL;
	return size_class__min(class_index + 1) - 1;
}

#endif
