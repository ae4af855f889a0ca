/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pprof.h"

#define MAX_LABELS 4

int pprof__open(struct pprof *pprof, FILE *out)
{
	int fd, error;

	memset(pprof, 0, sizeof(*pprof));
	error = string_table__open(&pprof->strings);
	if (error)
		return error;
	fd = dup(fileno(out));
	if (fd < 0)
		error = -errno;
	else
		pprof->file = gzdopen(fd, "wb");
	if (fd >= 0 && !pprof->file) {
		close(fd);
		error = -ENOMEM;
	}
	if (error)
		string_table__close(&pprof->strings);
	return error;
}

__s64 pprof__string(struct pprof *pprof, const char *text)
{
	long number = string_table__number(&pprof->strings, text);

	if (number >= 0)
		return number;
	if (!pprof->error)
		pprof->error = (int)number;
	return 0;
}

void pprof__put(struct pprof *pprof, const Pprof__Profile *part)
{
	size_t size = pprof__profile__get_packed_size(part);
	unsigned char *larger;

	if (pprof->error)
		return;
	if (size > pprof->buffer_size) {
		larger = realloc(pprof->buffer, 2 * size);
		if (!larger) {
			pprof->error = -ENOMEM;
			return;
		}
		pprof->buffer = larger;
		pprof->buffer_size = 2 * size;
	}
	pprof__profile__pack(part, pprof->buffer);
	errno = 0;
	if (size && gzwrite(pprof->file, pprof->buffer, (unsigned int)size) != (int)size)
		pprof->error = errno ? -errno : -EIO;
}

void pprof__put_recording(struct pprof *pprof, Recording__Recording *recording)
{
	Pprof__Profile part = PPROF__PROFILE__INIT;

	part.recording = recording;
	pprof__put(pprof, &part);
}

void pprof__set_types(struct pprof *pprof, const struct pprof_type *types, size_t nr, size_t shown)
{
	Pprof__Profile part = PPROF__PROFILE__INIT;
	Pprof__ValueType values[PPROF_MAX_TYPES], *list[PPROF_MAX_TYPES];

	for (size_t i = 0; i < nr; i++) {
		pprof__value_type__init(&values[i]);
		values[i].type = pprof__string(pprof, types[i].type);
		values[i].unit = pprof__string(pprof, types[i].unit);
		list[i] = &values[i];
	}
	part.sample_type = list;
	part.n_sample_type = nr;
	part.default_sample_type = pprof__string(pprof, types[shown].type);
	pprof->nr_types = nr;
	pprof__put(pprof, &part);
}

/* Room for the location of the string of that number. */
static __u64 *pprof__location_of(struct pprof *pprof, size_t number)
{
	if (number >= pprof->nr_location_of) {
		size_t nr = 2 * number + 64;
		__u64 *larger = realloc(pprof->location_of, nr * sizeof(*larger));

		if (!larger) {
			pprof->error = -ENOMEM;
			return NULL;
		}
		memset(larger + pprof->nr_location_of, 0,
		       (nr - pprof->nr_location_of) * sizeof(*larger));
		pprof->location_of = larger;
		pprof->nr_location_of = nr;
	}
	return &pprof->location_of[number];
}

__u64 pprof__name(struct pprof *pprof, const char *name)
{
	Pprof__Profile part = PPROF__PROFILE__INIT;
	Pprof__Function function = PPROF__FUNCTION__INIT, *functions = &function;
	Pprof__Location location = PPROF__LOCATION__INIT, *locations = &location;
	Pprof__Line line = PPROF__LINE__INIT, *lines = &line;
	__s64 number = pprof__string(pprof, name);
	__u64 *known = pprof__location_of(pprof, (size_t)number);

	if (!known || *known)
		return known ? *known : 0;
	function.id = ++pprof->nr_functions;
	function.name = number;
	function.system_name = number;
	line.function_id = function.id;
	location.id = ++pprof->nr_locations;
	location.line = &lines;
	location.n_line = 1;
	part.function = &functions;
	part.n_function = 1;
	part.location = &locations;
	part.n_location = 1;
	pprof__put(pprof, &part);
	*known = location.id;
	return location.id;
}

static void pprof__text_label(struct pprof *pprof, Pprof__Label *label, const char *key,
			      const char *text)
{
	pprof__label__init(label);
	label->key = pprof__string(pprof, key);
	label->str = pprof__string(pprof, text);
}

static void pprof__number_label(struct pprof *pprof, Pprof__Label *label, const char *key,
				__u64 number, const char *unit)
{
	pprof__label__init(label);
	label->key = pprof__string(pprof, key);
	label->num = (__s64)number;
	label->num_unit = pprof__string(pprof, unit);
}

void pprof__sample(struct pprof *pprof, const __u64 *locations, size_t nr, const __u64 *values,
		   const struct pprof_labels *labels)
{
	Pprof__Profile part = PPROF__PROFILE__INIT;
	Pprof__Sample sample = PPROF__SAMPLE__INIT, *samples = &sample;
	Pprof__Label label[MAX_LABELS], *list[MAX_LABELS];
	int64_t signed_values[PPROF_MAX_TYPES];

	for (size_t i = 0; i < pprof->nr_types; i++)
		signed_values[i] = values[i] > INT64_MAX ? INT64_MAX : (int64_t)values[i];
	pprof__number_label(pprof, &label[sample.n_label++], "pid", labels->pid, "");
	pprof__text_label(pprof, &label[sample.n_label++], "comm", labels->comm);
	if (labels->path) {
		pprof__text_label(pprof, &label[sample.n_label++], "path", labels->path);
		pprof__number_label(pprof, &label[sample.n_label++], "size_class", labels->size,
				    "bytes");
	}
	for (size_t i = 0; i < sample.n_label; i++)
		list[i] = &label[i];
	sample.label = list;
	sample.location_id = (uint64_t *)locations;
	sample.n_location_id = nr;
	sample.value = signed_values;
	sample.n_value = pprof->nr_types;
	part.sample = &samples;
	part.n_sample = 1;
	pprof__put(pprof, &part);
}

void pprof__comment(struct pprof *pprof, const char *text)
{
	Pprof__Profile part = PPROF__PROFILE__INIT;
	int64_t comment = pprof__string(pprof, text);

	part.comment = &comment;
	part.n_comment = 1;
	pprof__put(pprof, &part);
}

static void pprof__put_strings(struct pprof *pprof)
{
	for (size_t i = 0; i < pprof->strings.nr; i++) {
		Pprof__Profile part = PPROF__PROFILE__INIT;

		part.string_table = &pprof->strings.texts[i];
		part.n_string_table = 1;
		pprof__put(pprof, &part);
	}
}

int pprof__close(struct pprof *pprof)
{
	int closed;

	pprof__put_strings(pprof);
	errno = 0;
	closed = gzclose(pprof->file);
	if (closed != Z_OK && !pprof->error)
		pprof->error = closed == Z_ERRNO && errno ? -errno : -EIO;
	string_table__close(&pprof->strings);
	free(pprof->location_of);
	free(pprof->functions);
	free(pprof->buffer);
	return pprof->error;
}
