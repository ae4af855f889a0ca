/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "claims.h"
#include "log.h"
#include "options.h"
#include "output.h"
#include "quantity.h"
#include "recording.h"
#include "report_validate.h"
#include "signals.h"
#include "validate.h"

#define MAX_WORDS 128
#define HUGE_PAGES "/sys/kernel/mm/transparent_hugepage/enabled"

/* An allocator that the experiments may run with. */
struct candidate {
	const char *name;
	const char *libraries; /* where its library lies, a pattern; NULL: the C library */
	const char *setting; /* of its environment; NULL: none */
};

static const struct candidate candidates[] = {
	{ "glibc", NULL, NULL },
	{ "musl", "*-musl", NULL }, /* a program that is linked with it */
	{ "jemalloc", "/usr/lib/*/libjemalloc.so.2", NULL },
	{ "tcmalloc", "/usr/lib/*/libtcmalloc_minimal.so.4", NULL },
	{ "mimalloc", "/usr/lib/*/libmimalloc.so.2*", NULL },
	{ "reference hybrid", "librefalloc.so", "REFALLOC=policy=hybrid" },
	{ "reference brk", "librefalloc.so", "REFALLOC=policy=brk" },
	{ "reference mmap", "librefalloc.so", "REFALLOC=policy=mmap" },
};
#define NR_CANDIDATES (sizeof(candidates) / sizeof(candidates[0]))

struct validation {
	const struct options *options;
	bool chosen[NR_CLAIMS + 1];
	char directory[PATH_MAX]; /* of this program */
	struct evidence evidence[NR_CANDIDATES];
	size_t nr_evidence;
	struct claim_result results[NR_CANDIDATES * NR_CLAIMS];
	size_t nr_results;
	size_t nr_missed; /* allocators that a signal left unmeasured */
};

static int validation__find_directory(struct validation *validation)
{
	ssize_t length = readlink("/proc/self/exe", validation->directory,
				  sizeof(validation->directory) - 1);
	char *slash;

	if (length < 0)
		return log__error(-errno, "cannot find this program: %s", strerror(errno));
	validation->directory[length] = 0;
	slash = strrchr(validation->directory, '/');
	if (slash)
		*slash = 0;
	return 0;
}

/* Beside this program, or where make install puts it. false: nowhere, errno says why. */
static bool validation__find(const struct validation *validation, const char *name, char *path,
			     size_t size)
{
	static const char *const places[] = { "", "/../libexec/allocpath", "/../lib" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		int length =
			snprintf(path, size, "%s%s/%s", validation->directory, places[i], name);

		if (length > 0 && (size_t)length < size && access(path, R_OK) == 0)
			return true;
	}
	return false;
}

static int validation__choose(struct validation *validation)
{
	char *const *words = validation->options->claims;

	for (size_t i = 0; words && words[i]; i++) {
		int id;

		if (!quantity__parse_number(words[i], strlen(words[i]), 1, &id) || id > NR_CLAIMS)
			return log__error(-EINVAL,
					  "there is no claim '%s': they are numbered from 1 to "
					  "%d",
					  words[i], NR_CLAIMS);
		validation->chosen[id] = true;
		validation->chosen[0] = true;
	}
	for (int id = 1; id <= NR_CLAIMS && !validation->chosen[0]; id++)
		validation->chosen[id] = true;
	return 0;
}

static void huge_pages__look(struct evidence *evidence)
{
	char text[64] = "";
	FILE *file = fopen(HUGE_PAGES, "re");

	if (file && !fgets(text, sizeof(text), file))
		text[0] = 0;
	if (file)
		fclose(file);
	evidence->huge_always = strstr(text, "[always]") != NULL;
	evidence->huge_never = !*text || strstr(text, "[never]") != NULL;
}

/* The words of "record ... -- experiment run ..."; words point into what lives as long. */
static void validation__compose(const struct validation *validation, bool is_glibc,
				const char **words, size_t *nr)
{
	for (int id = 1; id <= NR_CLAIMS; id++) {
		const char *const *experiments = claim__experiments(id, is_glibc);

		for (size_t i = 0; validation->chosen[id] && experiments[i]; i++)
			words[(*nr)++] = experiments[i];
	}
	words[*nr] = NULL;
}

/*
 * Runs allocpath record on the experiments. 0; -EINTR: a signal has ended it; or -EIO: reported with
 * what it said.
 */
static int record__run(const char *const *words, const char *preload, FILE *told, FILE *said)
{
	char number[16], line[512];
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		/* The descriptor goes on to the experiments: only this one is to be inherited. */
		int fd = dup(fileno(told));

		snprintf(number, sizeof(number), "%d", fd);
		setenv("EXPERIMENT_FD", number, 1);
		/* So that its probes stand before the first experiment maps it. */
		if (preload)
			setenv("LD_PRELOAD", preload, 1);
		else
			unsetenv("LD_PRELOAD");
		signal(SIGPIPE, SIG_DFL);
		dup2(fileno(said), STDERR_FILENO);
		dup2(fileno(said), STDOUT_FILENO);
		execv("/proc/self/exe", (char *const *)words);
		_exit(127);
	}
	if (pid < 0)
		return log__error(-errno, "cannot fork: %s", strerror(errno));
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return log__error(-errno, "cannot wait: %s", strerror(errno));
		if (signals__stopped())
			kill(pid, SIGINT);
	}
	if (signals__stopped())
		return -EINTR;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	rewind(said);
	while (fgets(line, sizeof(line), said))
		fputs(line, stderr);
	return log__error(-EIO, "the experiments could not be measured");
}

static int evidence__gather(struct evidence *evidence, const struct validation *validation,
			    const struct candidate *candidate, const char *library)
{
	const char *words[MAX_WORDS] = { "allocpath", "record", "--no-stacks",
					 "--probes",  "full",	"-o" };
	char program[PATH_MAX], preload[PATH_MAX + 16], setting[128],
		file[] = "/tmp/allocpath-XXXXXX";
	bool is_program = library && strstr(library, "-musl");
	FILE *told = tmpfile(), *said = tmpfile();
	int error = 0, fd = mkstemp(file);
	size_t nr = 6;

	if (!told || !said || fd < 0) {
		error = log__error(-errno, "no temporary file: %s", strerror(errno));
		goto out;
	}
	if (!validation__find(validation, "allocpath-experiment", program, sizeof(program))) {
		error = errno == EACCES ?
				log__error(-EACCES, "allocpath-experiment, beside this program, "
						    "cannot be read: run as root") :
				log__error(-ENOENT, "allocpath-experiment is not beside this "
						    "program: run make, or make install");
		goto out;
	}
	words[nr++] = file;
	words[nr++] = "--";
	words[nr++] = is_program ? library : program;
	words[nr++] = "run";
	if (library && !is_program) {
		snprintf(preload, sizeof(preload), "preload=%s", library);
		words[nr++] = preload;
	}
	if (candidate->setting) {
		snprintf(setting, sizeof(setting), "setting=%s", candidate->setting);
		words[nr++] = setting;
	}
	validation__compose(validation, !library, words, &nr);
	evidence->allocator = candidate->name;
	huge_pages__look(evidence);
	error = record__run(words, is_program ? NULL : library, told, said);
	if (!error) {
		rewind(told);
		error = evidence__read(evidence, told);
	}
	if (!error)
		error = recording__open(file, &evidence->profile);
out:
	if (fd >= 0) {
		close(fd);
		unlink(file);
	}
	if (told)
		fclose(told);
	if (said)
		fclose(said);
	return error;
}

/* Its library or program; false: it is not here. */
static bool candidate__find(const struct validation *validation, const struct candidate *candidate,
			    char *path, size_t size)
{
	glob_t found = {};
	bool is_here;

	if (strcmp(candidate->name, "musl") == 0)
		return validation__find(validation, "allocpath-experiment-musl", path, size);
	if (*candidate->libraries != '/')
		return validation__find(validation, candidate->libraries, path, size);
	is_here = glob(candidate->libraries, 0, NULL, &found) == 0 && found.gl_pathc;
	if (is_here)
		snprintf(path, size, "%s", found.gl_pathv[0]);
	globfree(&found);
	return is_here;
}

static void validation__miss(struct validation *validation, const struct candidate *candidate,
			     const char *why)
{
	for (int id = 1; id <= NR_CLAIMS; id++) {
		struct claim_result *result = &validation->results[validation->nr_results];

		if (!validation->chosen[id])
			continue;
		memset(result, 0, sizeof(*result));
		result->id = id;
		result->allocator = candidate->name;
		result->as_expected = true;
		claim__say(result, CLAIM_UNMEASURED, "%s %s.", candidate->name, why);
		validation->nr_results++;
	}
}

static int validation__measure(struct validation *validation, const struct candidate *candidate,
			       const char *library)
{
	struct evidence *evidence = &validation->evidence[validation->nr_evidence++];
	int error = signals__stopped() ? -EINTR :
					 evidence__gather(evidence, validation, candidate, library);

	if (error == -EINTR) {
		evidence__free(evidence);
		validation->nr_evidence--;
		validation->nr_missed++;
		validation__miss(validation, candidate, "was not measured: a signal came before");
		return 0;
	}
	for (int id = 1; !error && id <= NR_CLAIMS; id++) {
		struct claim_result *result = &validation->results[validation->nr_results];

		if (!validation->chosen[id])
			continue;
		claim__measure(result, id, evidence);
		if (validation->options->expect &&
		    claim__expect(result, validation->options->expect))
			claim__judge(result);
		validation->nr_results++;
	}
	return error;
}

/* "all", a name of the table or its first word, or a library by its path. */
static int validation__run(struct validation *validation)
{
	const char *wanted = validation->options->allocator ? validation->options->allocator :
							      "glibc";
	bool all = strcmp(wanted, "all") == 0, found = false;
	int error = 0;

	for (size_t i = 0; !error && i < NR_CANDIDATES; i++) {
		const struct candidate *candidate = &candidates[i];
		char library[PATH_MAX];

		if (!all && strncmp(wanted, candidate->name, strlen(wanted)))
			continue;
		found = true;
		if (!candidate->libraries)
			error = validation__measure(validation, candidate, NULL);
		else if (candidate__find(validation, candidate, library, sizeof(library)))
			error = validation__measure(validation, candidate, library);
		else
			validation__miss(validation, candidate, "is not installed here");
	}
	if (!found && strchr(wanted, '/') && access(wanted, R_OK) == 0) {
		struct candidate own = { .name = wanted, .libraries = wanted };

		found = true;
		error = validation__measure(validation, &own, wanted);
	}
	if (!found)
		return log__error(-EINVAL,
				  "there is no allocator '%s': give glibc, musl, jemalloc, "
				  "tcmalloc, mimalloc, reference, all, or the path of a library",
				  wanted);
	return error;
}

static int validation__write(struct validation *validation, struct output *output)
{
	int error;

	if (validation->options->json)
		error = report_validate__write_json(output->stream, validation->results,
						    validation->nr_results);
	else
		error = report_validate__write_text(output->stream, validation->results,
						    validation->nr_results, validation->evidence,
						    validation->nr_evidence, 80,
						    validation->options->verbose);
	if (error)
		return log__error(error, "the report cannot be written to %s: %s", output->name,
				  strerror(-error));
	return 0;
}

int validate__run(const struct options *options)
{
	struct validation *validation = calloc(1, sizeof(*validation));
	struct output output;
	int error, status;

	if (!validation)
		return log__error(1, "no memory");
	validation->options = options;
	error = validation__choose(validation);
	if (error) {
		free(validation);
		return EXIT_USAGE;
	}
	error = signals__catch();
	if (error) {
		free(validation);
		return log__error(1, "signals cannot be caught: %s", strerror(-error));
	}
	error = output__open(&output, options->output, false);
	if (!error)
		error = validation__find_directory(validation);
	if (!error)
		error = validation__run(validation);
	if (!error)
		error = validation__write(validation, &output);
	status = output__close(&output, error) ? (error == -EINVAL ? EXIT_USAGE : 1) : 0;
	for (size_t i = 0; i < validation->nr_results; i++)
		if (!validation->results[i].as_expected)
			status = status ? status : 1;
	if (validation->nr_missed && !status)
		status = log__error(1,
				    "a signal came before all was measured: %zu of %zu allocators",
				    validation->nr_evidence,
				    validation->nr_evidence + validation->nr_missed);
	for (size_t i = 0; i < validation->nr_evidence; i++)
		evidence__free(&validation->evidence[i]);
	free(validation);
	return status;
}
