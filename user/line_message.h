/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What goes between us and the process that reads debug information. One message a packet. */
#ifndef ALLOCPATH_LINE_MESSAGE_H
#define ALLOCPATH_LINE_MESSAGE_H

#include <linux/types.h>

#define LINE_MAX_FILES 64 /* open at a time; a slot that is opened again is another file */
#define LINE_MAX_FRAMES 64 /* inlined into each other at one address */
#define LINE_MAX_TEXT (48 << 10) /* of one answer */

enum line_operation {
	LINE_OPEN, /* with a descriptor of the file, and one of its dwz file if it has one */
	LINE_FRAMES, /* of an address, to be answered */
};

struct line_request {
	__u32 operation;
	__u32 slot;
	__u64 address; /* of the file */
};

/* Texts are offsets into the answer's text; 0, where an empty one stands, is none. */
struct line_frame {
	__u32 function; /* its linkage name where it has one */
	__u32 file;
	__u32 line;
};

/* Frames are innermost first; all but the last are inlined. The text follows up to its size. */
struct line_answer {
	__u32 nr_frames;
	__u32 text_size;
	struct line_frame frames[LINE_MAX_FRAMES];
	char text[LINE_MAX_TEXT];
};

#endif
