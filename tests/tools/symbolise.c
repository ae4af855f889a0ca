/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Symbols without a profile: reads lines "OFFSET PATH" (or "ADDRESS jit:PID") and writes the frames
 * of each, one a line, innermost first: "OFFSET<tab>function<tab>file:line", the inlined ones with
 * " (inlined)". A function without name is written as module+0xoffset and its build id.
 *
 *     symbolise [-l] [-b BUILD_ID] [-d DEBUG_ROOT] [-m MAX_BYTES] [-t FETCH_MS] [-r REPEAT] [-s]
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "symbols.h"

struct request {
	__u64 offset;
	pid_t pid; /* of code made at run time; 0: of a file */
	struct symbol_object object;
};

static double now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static struct request *read_requests(const char *build_id, size_t *nr)
{
	struct request *requests = NULL;
	char *line = NULL;
	size_t room = 0;

	while (getline(&line, &room, stdin) > 0) {
		char *path = NULL;
		__u64 offset = strtoull(line, &path, 0);

		path += strspn(path, " ");
		path[strcspn(path, "\n")] = '\0';
		requests = realloc(requests, (*nr + 1) * sizeof(*requests));
		if (!requests)
			abort();
		requests[(*nr)++] = (struct request){
			.offset = offset,
			.pid = strncmp(path, "jit:", 4) ? 0 : (pid_t)strtol(path + 4, NULL, 10),
			.object = { .path = strdup(path),
				    .build_id = build_id,
				    .fd = -1,
				    .by_path = true },
		};
	}
	free(line);
	return requests;
}

static int frames_of(struct symbols *symbols, const struct request *request,
		     const struct symbol_frame **frames, size_t *nr)
{
	const struct symbol_process code_of = { .pid = request->pid };

	if (request->pid)
		return symbols__jit_frames(symbols, &code_of, request->offset, frames, nr);
	return symbols__frames(symbols, &request->object, request->offset, frames, nr);
}

static void print(struct symbols *symbols, const struct request *request,
		  const struct symbol_frame *frames, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		const char *build_id = symbols__build_id(symbols, &request->object);
		char text[512];

		printf("0x%llx\t", (unsigned long long)request->offset);
		if (frames[i].function) {
			printf("%s", frames[i].function);
		} else {
			symbols__nameless(&request->object, request->offset, text, sizeof(text));
			printf("%s [%s]", text, build_id ? build_id : "no build id");
		}
		if (frames[i].file)
			printf("\t%s:%u", frames[i].file, frames[i].line);
		else
			printf("\t?");
		printf("%s\n", frames[i].inlined ? " (inlined)" : "");
	}
}

static void print_stats(const struct symbols_stats *stats)
{
	fprintf(stderr,
		"files %zu unnamed %zu refused %zu debug %zu fetched %zu frames %zu named %zu "
		"not-kept %zu fetch-gave-up %d lines-gave-up %d bytes %" PRIu64 "\n",
		stats->files, stats->files_unnamed, stats->files_refused, stats->debug_files,
		stats->fetched, stats->frames, stats->frames_named, stats->frames_not_kept,
		stats->fetch_gave_up, stats->lines_gave_up, (uint64_t)stats->bytes);
}

int main(int argc, char **argv)
{
	struct symbols_options options = { 0 };
	const char *build_id = NULL;
	struct request *requests;
	struct symbols *symbols;
	int option, repeat = 1;
	bool say = false;
	size_t nr = 0;

	while ((option = getopt(argc, argv, "lb:d:m:t:r:s")) != -1) {
		switch (option) {
		case 'l':
			options.lines = true;
			break;
		case 'b':
			build_id = optarg;
			break;
		case 'd':
			options.debug_root = optarg;
			break;
		case 'm':
			options.max_bytes = strtoull(optarg, NULL, 0);
			break;
		case 't':
			options.fetch_ms = (unsigned int)strtoul(optarg, NULL, 0);
			break;
		case 'r':
			repeat = (int)strtol(optarg, NULL, 0);
			break;
		case 's':
			say = true;
			break;
		default:
			return 2;
		}
	}
	requests = read_requests(build_id, &nr);
	symbols = symbols__open(&options);
	if (!symbols)
		abort();
	for (int turn = 0; turn < repeat; turn++) {
		double start = now_ms();

		for (size_t i = 0; i < nr; i++) {
			const struct symbol_frame *frames;
			size_t nr_frames;

			if (frames_of(symbols, &requests[i], &frames, &nr_frames))
				abort();
			if (!turn)
				print(symbols, &requests[i], frames, nr_frames);
		}
		if (say)
			fprintf(stderr, "turn %d: %.1f ms\n", turn, now_ms() - start);
	}
	if (say)
		print_stats(symbols__stats(symbols));
	symbols__close(symbols);
	for (size_t i = 0; i < nr; i++)
		free((char *)requests[i].object.path);
	free(requests);
	return 0;
}
