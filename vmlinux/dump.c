/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prints a trimmed vmlinux.h: the types named in a list of roots and everything that these hold
 * by value. A type that is only pointed to stays a forward declaration, which is what keeps the
 * header small: name it as a root when its fields are needed.
 *
 * usage: dump ROOTS [BTF]     BTF: raw BTF data, by default the running kernel's
 *
 * A root is one line: "struct NAME", "union NAME", "enum NAME", "typedef NAME", or "enum:MEMBER"
 * for the enum, named or not, that defines MEMBER. With a leading "?" it may be missing.
 */
#include <bpf/btf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_BTF "/sys/kernel/btf/vmlinux"
#define MAX_LINE 256

static void print(void *context, const char *format, va_list arguments)
{
	(void)context;
	vprintf(format, arguments);
}

/* True if the type is an enum that defines the member. */
static bool enum_defines(const struct btf *btf, const struct btf_type *type, const char *member)
{
	const char *name;
	__u32 i;

	if (!btf_is_any_enum(type))
		return false;
	for (i = 0; i < btf_vlen(type); i++) {
		if (btf_is_enum(type))
			name = btf__name_by_offset(btf, btf_enum(type)[i].name_off);
		else
			name = btf__name_by_offset(btf, btf_enum64(type)[i].name_off);
		if (name && !strcmp(name, member))
			return true;
	}
	return false;
}

/* Id of the enum that defines the member, or -ENOENT. */
static int find_enum_by_member(const struct btf *btf, const char *member)
{
	__u32 id, count = btf__type_cnt(btf);

	for (id = 1; id < count; id++)
		if (enum_defines(btf, btf__type_by_id(btf, id), member))
			return (int)id;
	return -ENOENT;
}

/* Id of the type that a root names, or negative errno. */
static int find_root(const struct btf *btf, const char *root)
{
	static const struct {
		const char *prefix;
		__u32 kind;
	} kinds[] = {
		{ "struct ", BTF_KIND_STRUCT },	  { "union ", BTF_KIND_UNION },
		{ "enum ", BTF_KIND_ENUM },	  { "enum ", BTF_KIND_ENUM64 },
		{ "typedef ", BTF_KIND_TYPEDEF },
	};
	int id = -EINVAL;
	size_t i, length;

	if (!strncmp(root, "enum:", 5))
		return find_enum_by_member(btf, root + 5);
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		length = strlen(kinds[i].prefix);
		if (strncmp(root, kinds[i].prefix, length) != 0)
			continue;
		id = btf__find_by_name_kind(btf, root + length, kinds[i].kind);
		if (id > 0)
			break;
	}
	return id;
}

/* Dumps every root of the file. 0, or negative errno if one is missing. */
static int dump_roots(const struct btf *btf, struct btf_dump *dump, FILE *roots)
{
	char line[MAX_LINE];
	int err = 0, id;
	bool optional;
	char *root;

	while (fgets(line, sizeof(line), roots)) {
		line[strcspn(line, "#\n")] = '\0';
		root = line + strspn(line, " \t");
		while (*root && strchr(" \t", root[strlen(root) - 1]))
			root[strlen(root) - 1] = '\0';
		if (!*root)
			continue;
		optional = *root == '?';
		if (optional)
			root++;
		id = find_root(btf, root);
		if (id <= 0 && optional)
			continue;
		if (id > 0)
			id = btf_dump__dump_type(dump, (__u32)id);
		if (id < 0) {
			fprintf(stderr, "dump: %s: %s\n", root, strerror(-id));
			err = id;
		}
	}
	return err;
}

int main(int argc, char **argv)
{
	const char *btf_path = argc > 2 ? argv[2] : DEFAULT_BTF;
	struct btf_dump *dump = NULL;
	struct btf *btf = NULL;
	FILE *roots = NULL;
	int status = 1;

	if (argc < 2 || argc > 3) {
		fprintf(stderr, "usage: dump ROOTS [BTF]\n");
		return 2;
	}
	roots = fopen(argv[1], "r");
	if (!roots) {
		fprintf(stderr, "dump: %s: %s\n", argv[1], strerror(errno));
		goto out;
	}
	btf = btf__parse(btf_path, NULL);
	if (!btf) {
		fprintf(stderr, "dump: %s: %s\n", btf_path, strerror(errno));
		goto out;
	}
	dump = btf_dump__new(btf, print, NULL, NULL);
	if (!dump) {
		fprintf(stderr, "dump: %s\n", strerror(errno));
		goto out;
	}

	printf("/* Made by vmlinux/dump; see vmlinux/README. Do not edit. */\n");
	printf("#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n\n");
	printf("#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n");
	printf("#pragma clang attribute push (__attribute__((preserve_access_index)), "
	       "apply_to = record)\n#endif\n\n");
	if (dump_roots(btf, dump, roots))
		goto out;
	printf("#ifndef BPF_NO_PRESERVE_ACCESS_INDEX\n#pragma clang attribute pop\n#endif\n\n");
	printf("#endif\n");
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "dump: stdout: %s\n", strerror(errno));
		goto out;
	}
	status = 0;
out:
	btf_dump__free(dump);
	btf__free(btf);
	if (roots)
		fclose(roots);
	return status;
}
