/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of code: functions, and with debug information inlined functions, files and lines, by
 * file and file offset. A file is what its build id says; its name counts only as far as that
 * agrees. Reading is lazy, off the hot path, bounded and can be cancelled; what is found is kept.
 * An offset that no symbol covers has no name: never that of a neighbour.
 */
#ifndef ALLOCPATH_SYMBOLS_H
#define ALLOCPATH_SYMBOLS_H

#include <linux/types.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct symbols;

struct symbols_options {
	bool lines; /* inlined functions, files and lines too; reads debug information */
	const char *debug_root; /* NULL: /usr/lib/debug */
	__u64 max_bytes; /* of own memory, about; 0: SYMBOLS_MAX_BYTES */
	unsigned int fetch_ms; /* for all that debuginfod is asked; 0: SYMBOLS_FETCH_MS */
	bool no_fetch; /* debuginfod is not asked, whatever DEBUGINFOD_URLS says */
	const volatile sig_atomic_t *cancel; /* once it is not 0 nothing more is read; or NULL */
};

#define SYMBOLS_MAX_BYTES (48ULL << 20)
#define SYMBOLS_FETCH_MS 20000

/* A file of code. Two that agree in build id are one, as are two without that agree in all. */
struct symbol_object {
	const char *path; /* as it was mapped, or [vdso] or [kernel] */
	const char *build_id; /* hex; NULL: not known, or none */
	int fd; /* an open descriptor of the very file; -1: by path. Stays the caller's */
	bool by_path; /* without fd and build id: take what lies at path, the caller vouches for it */
};

/* Strings live until symbols__close. */
struct symbol_frame {
	const char *function; /* demangled; NULL: not known. Show module+0xoffset then */
	const char *file; /* NULL: not known */
	unsigned int line; /* 0: not known */
	bool inlined; /* into the next one */
};

struct symbols_stats {
	size_t files; /* read */
	size_t files_unnamed; /* that gave no symbol */
	size_t files_refused; /* another build id lies at that path, or none can be read */
	size_t debug_files; /* separate debug files found here */
	size_t fetched; /* by debuginfod */
	size_t frames; /* asked for, each once */
	size_t frames_named;
	size_t frames_not_kept; /* no memory left for their names: shown without */
	bool fetch_gave_up; /* debuginfod took longer than it may, and was left */
	bool lines_gave_up; /* debug information that took too long, or broke its reader */
	__u64 bytes; /* own memory now */
};

/* NULL: no memory. options NULL: the defaults. DEBUGINFOD_URLS is read here. */
struct symbols *symbols__open(const struct symbols_options *options);
void symbols__close(struct symbols *symbols);

/*
 * The frames at a file offset (of a caller: of its call, the return address less 1), innermost
 * first, at least one. They belong to symbols and live as long. 0, or -ENOMEM. Never blocks for
 * longer than its limits; from more than one thread only with a lock of the caller's.
 */
int symbols__frames(struct symbols *symbols, const struct symbol_object *object, __u64 offset,
		    const struct symbol_frame **frames, size_t *nr_frames);

/*
 * Reads the file of an object now, while it can be: what is asked of the same build id later finds
 * it without descriptor or path. 0 or -ENOMEM.
 */
int symbols__read(struct symbols *symbols, const struct symbol_object *object);
/* Is it read, or known to be no use? */
bool symbols__has_read(struct symbols *symbols, const struct symbol_object *object);

struct symbol_process {
	pid_t pid;
	__u64 start_ns; /* CLOCK_BOOTTIME, about; 0: not known, the number alone counts */
};

/* Is it the process of that number that began then? */
bool symbol_process__is(const struct symbol_process *process, pid_t pid, __u64 start_ns);

/*
 * Code that a process made at run time: names from its perf map, /tmp/perf-PID.map. Keep takes a
 * descriptor of that file, which stays the caller's; with -1 it opens it while the process lives, if
 * it is there and the process's own or root's. May be called again, since the map may come later. At
 * most SYMBOLS_MAX_MAPS are kept.
 */
#define SYMBOLS_MAX_MAPS 256
void symbols__keep_map(struct symbols *symbols, const struct symbol_process *process, int fd);
int symbols__jit_frames(struct symbols *symbols, const struct symbol_process *process,
			__u64 address, const struct symbol_frame **frames, size_t *nr_frames);

/*
 * "name (file:line)" is the caller's business; this is "libc.so.6+0x98930" of a nameless one, and
 * "[kernel]" of all those in the kernel.
 */
void symbols__nameless(const struct symbol_object *object, __u64 offset, char *text, size_t size);

/*
 * The build id that a nameless frame of this object shows, in hex: the file's own, or the
 * object's. NULL: none. Owned by symbols.
 */
const char *symbols__build_id(struct symbols *symbols, const struct symbol_object *object);

/* Are inlined functions, files and lines looked for? */
bool symbols__wants_lines(const struct symbols *symbols);

const struct symbols_stats *symbols__stats(struct symbols *symbols);

#endif
