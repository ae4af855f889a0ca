/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The edges of a window: attaching and detaching all files at once, and what that costs. */
#ifndef ALLOCPATH_WINDOW_EDGE_H
#define ALLOCPATH_WINDOW_EDGE_H

struct windows;

/*
 * Attaches all files, one after the other: on threads they would wait for one another in the
 * kernel, 7 ms instead of 1.2 for four files. *cpu_s is the CPU time that it took; returns
 * when the first of them may have been attached.
 */
double window_edge__attach(struct windows *windows, double *cpu_s);

/* Begins to detach all, and does not wait: each link waits for the kernel some 17 ms. */
void window_edge__detach(struct windows *windows);

/*
 * After that: how long allocation functions of this process go on being hit, which is probed as
 * all others are. Below 0: it is not probed, so this cannot be known.
 */
double window_edge__tail_s(struct windows *windows);

/* Waits for the end of detaching; returns the CPU time that it took. */
double window_edge__join(struct windows *windows);

#endif
