/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every type of include/contract.h, rule.h, stack.h and unwind.h, as this compiler laid it out
 * (its own DWARF; the Makefile keeps unused types in it), against the BTF of the BPF object.
 * Nothing is listed by hand: a struct or member that is on one side only is a difference.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <bpf/btf.h>
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "built_object.h"
#include "contract.h"
#include "rule.h"
#include "stack.h"
#include "unwind.h"

struct fixture {
	int fd;
	Dwarf *dwarf;
	Dwarf_Die unit; /* of this file */
	struct btf *btf;
};

static char why[512]; /* the last difference */

static bool differs(const char *format, ...) __attribute__((format(printf, 1, 2)));

static bool differs(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, sizeof(why), format, arguments);
	va_end(arguments);
	return true;
}

static bool type__differs(const char *path, Dwarf_Die *die, const struct btf *btf, __u32 id);

/* The DWARF type of a member or an array, typedefs and qualifiers taken off. */
static bool die__type(Dwarf_Die *die, Dwarf_Die *type)
{
	Dwarf_Attribute attribute;

	return dwarf_formref_die(dwarf_attr_integrate(die, DW_AT_type, &attribute), type) &&
	       !dwarf_peel_type(type, type);
}

static long long die__number(Dwarf_Die *die, unsigned int name, long long otherwise)
{
	Dwarf_Attribute attribute;
	Dwarf_Word value;

	/* Not as signed: the short forms would be extended with a sign that they do not have. */
	if (dwarf_formudata(dwarf_attr(die, name, &attribute), &value))
		return otherwise;
	return (long long)value;
}

static const char *die__name(Dwarf_Die *die)
{
	const char *name = dwarf_diename(die);

	return name ? name : "";
}

/* The first child of a tag, then the next; false when there is none. */
static bool die__next_child(Dwarf_Die *parent, unsigned int tag, Dwarf_Die *child, bool first)
{
	int end = first ? dwarf_child(parent, child) : dwarf_siblingof(child, child);

	while (!end && dwarf_tag(child) != (int)tag)
		end = dwarf_siblingof(child, child);
	return !end;
}

static bool integer__differs(const char *path, Dwarf_Die *die, const struct btf_type *type)
{
	long long encoding = die__number(die, DW_AT_encoding, 0);
	bool is_signed = btf_int_encoding(type) & BTF_INT_SIGNED;

	if (!btf_is_int(type) || btf_int_offset(type) || btf_int_bits(type) != 8 * type->size)
		return differs("%s: not a whole integer in the BPF object", path);
	if (dwarf_bytesize(die) != (int)type->size)
		return differs("%s: %d bytes here, %u in the BPF object", path, dwarf_bytesize(die),
			       type->size);
	/* A plain char has the sign that the architecture likes; it holds text. */
	if (strcmp(die__name(die), "char") == 0)
		return false;
	if ((encoding == DW_ATE_signed || encoding == DW_ATE_signed_char) != is_signed)
		return differs("%s: its sign differs", path);
	return false;
}

static bool array__differs(const char *path, Dwarf_Die *die, const struct btf *btf, __u32 id)
{
	const struct btf_type *type = btf__type_by_id(btf, id);
	Dwarf_Die bound, element;
	char below[256];

	for (bool first = true; die__next_child(die, DW_TAG_subrange_type, &bound, first);
	     first = false) {
		long long count = die__number(&bound, DW_AT_upper_bound, -1) + 1;

		count = die__number(&bound, DW_AT_count, count);
		if (!btf_is_array(type) || btf_array(type)->nelems != count)
			return differs("%s: %lld elements here, %u in the BPF object", path, count,
				       btf_is_array(type) ? btf_array(type)->nelems : 0);
		id = btf_array(type)->type;
		type = btf__type_by_id(btf, (__u32)btf__resolve_type(btf, id));
	}
	snprintf(below, sizeof(below), "%s[]", path);
	return !die__type(die, &element) || type__differs(below, &element, btf, id);
}

static bool enum__differs(const char *path, Dwarf_Die *die, const struct btf *btf,
			  const struct btf_type *type)
{
	Dwarf_Die constant;
	bool more = die__next_child(die, DW_TAG_enumerator, &constant, true);

	if (!btf_is_enum(type) || dwarf_bytesize(die) != (int)type->size)
		return differs("%s: not an enum of that size in the BPF object", path);
	for (__u16 i = 0; i < btf_vlen(type); i++) {
		const struct btf_enum *other = &btf_enum(type)[i];
		const char *name = btf__name_by_offset(btf, other->name_off);

		if (!more || strcmp(die__name(&constant), name) != 0)
			return differs("%s: %s is not in its place here", path, name);
		if (die__number(&constant, DW_AT_const_value, -1) != other->val)
			return differs("%s: %s is %d in the BPF object", path, name, other->val);
		more = die__next_child(die, DW_TAG_enumerator, &constant, false);
	}
	return more && differs("%s: %s is not in the BPF object", path, die__name(&constant));
}

static bool struct__differs(const char *path, Dwarf_Die *die, const struct btf *btf,
			    const struct btf_type *type)
{
	Dwarf_Die member, below;
	bool more = die__next_child(die, DW_TAG_member, &member, true);

	if (!btf_is_struct(type))
		return differs("%s: not a struct in the BPF object", path);
	if (strcmp(die__name(die), btf__name_by_offset(btf, type->name_off)) != 0)
		return differs("%s: another struct in the BPF object", path);
	if (dwarf_bytesize(die) != (int)type->size)
		return differs("%s: %d bytes here, %u in the BPF object", path, dwarf_bytesize(die),
			       type->size);
	for (__u16 i = 0; i < btf_vlen(type); i++) {
		const struct btf_member *other = &btf_members(type)[i];
		const char *name = btf__name_by_offset(btf, other->name_off);
		char member_path[256];

		snprintf(member_path, sizeof(member_path), "%s.%s", path, name);
		if (!more || strcmp(die__name(&member), name) != 0)
			return differs("%s: not in its place here", member_path);
		if (8 * die__number(&member, DW_AT_data_member_location, -1) !=
			    btf_member_bit_offset(type, i) ||
		    btf_member_bitfield_size(type, i))
			return differs("%s: offset %u in the BPF object", member_path,
				       btf_member_bit_offset(type, i) / 8);
		if (!die__type(&member, &below))
			return differs("%s: has no type here", member_path);
		if (type__differs(member_path, &below, btf, other->type))
			return true;
		more = die__next_child(die, DW_TAG_member, &member, false);
	}
	return more && differs("%s.%s: not in the BPF object", path, die__name(&member));
}

static bool type__differs(const char *path, Dwarf_Die *die, const struct btf *btf, __u32 id)
{
	int resolved = btf__resolve_type(btf, id);
	const struct btf_type *type;

	if (resolved < 0)
		return differs("%s: not in the BPF object", path);
	type = btf__type_by_id(btf, (__u32)resolved);
	switch (dwarf_tag(die)) {
	case DW_TAG_base_type:
		return integer__differs(path, die, type);
	case DW_TAG_array_type:
		return array__differs(path, die, btf, (__u32)resolved);
	case DW_TAG_enumeration_type:
		return enum__differs(path, die, btf, type);
	case DW_TAG_structure_type:
		return struct__differs(path, die, btf, type);
	default:
		return differs("%s: neither an integer nor a struct, an array or an enum", path);
	}
}

static bool header__is_shared(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL, *name = slash ? slash + 1 : path;

	return name && (strcmp(name, "contract.h") == 0 || strcmp(name, "stack.h") == 0 ||
			strcmp(name, "unwind.h") == 0 || strcmp(name, "rule.h") == 0);
}

/* Types of the contract in this file's unit: the first, then the next. */
static bool contract__next(struct fixture *fixture, Dwarf_Die *die, bool first)
{
	int end = first ? dwarf_child(&fixture->unit, die) : dwarf_siblingof(die, die);

	for (; !end; end = dwarf_siblingof(die, die)) {
		int tag = dwarf_tag(die);

		if (header__is_shared(dwarf_decl_file(die)) &&
		    (tag == DW_TAG_structure_type || tag == DW_TAG_union_type ||
		     tag == DW_TAG_enumeration_type || tag == DW_TAG_typedef))
			return true;
	}
	return false;
}

static bool contract__find(struct fixture *fixture, const char *name, Dwarf_Die *die)
{
	for (bool first = true; contract__next(fixture, die, first); first = false)
		if (strcmp(die__name(die), name) == 0)
			return true;
	return false;
}

static bool unit__is_ours(Dwarf_Die *unit)
{
	const char *name = die__name(unit), *slash = strrchr(name, '/');

	return strcmp(slash ? slash + 1 : name, "test_contract.c") == 0;
}

static int open_both(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	Dwarf_CU *unit = NULL;
	bool found = false;

	assert_non_null(fixture);
	*state = fixture;
	fixture->fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_true(fixture->fd >= 0);
	fixture->dwarf = dwarf_begin(fixture->fd, DWARF_C_READ);
	if (!fixture->dwarf)
		fail_msg("the test was built without -g: %s", dwarf_errmsg(-1));
	while (!found &&
	       !dwarf_get_units(fixture->dwarf, unit, &unit, NULL, NULL, &fixture->unit, NULL))
		found = unit__is_ours(&fixture->unit);
	assert_true(found);
	fixture->btf = btf__parse(built_object__path(), NULL);
	if (!fixture->btf)
		fail_msg("no BTF in %s", built_object__path());
	return 0;
}

static int close_both(void **state)
{
	struct fixture *fixture = *state;

	btf__free(fixture->btf);
	dwarf_end(fixture->dwarf);
	close(fixture->fd);
	free(fixture);
	return 0;
}

static void every_type_is_the_same_on_both_sides(void **state)
{
	struct fixture *fixture = *state;
	Dwarf_Die die;

	for (bool first = true; contract__next(fixture, &die, first); first = false) {
		bool is_enum = dwarf_tag(&die) == DW_TAG_enumeration_type;
		int id = btf__find_by_name_kind(fixture->btf, die__name(&die),
						is_enum ? BTF_KIND_ENUM : BTF_KIND_STRUCT);

		if (id < 0)
			fail_msg("%s: not in the BPF object's BTF: name it in contract_types",
				 die__name(&die));
		if (type__differs(die__name(&die), &die, fixture->btf, (__u32)id))
			fail_msg("%s", why);
	}
}

#define STRUCT(name)                                                                               \
	{                                                                                          \
#name, sizeof(struct name)                                                         \
	}

/* The walk above would pass if it met nothing: it has to meet these. */
static void the_walk_meets_what_crosses_the_boundary(void **state)
{
	static const struct {
		const char *name;
		size_t size;
	} structs[] = {
		STRUCT(process_identity), STRUCT(path_counters), STRUCT(process_counters),
		STRUCT(path_limits),	  STRUCT(process),	 STRUCT(size_key),
		STRUCT(size_row),	  STRUCT(live_key),	 STRUCT(live_block),
		STRUCT(granule_key),	  STRUCT(granule_block), STRUCT(granule),
		STRUCT(file_range),	  STRUCT(wrapper_key),	 STRUCT(wrapper_site),
		STRUCT(file_key),	  STRUCT(event),	 STRUCT(ledger),
		STRUCT(unwind_rule),	  STRUCT(unwind_page),	 STRUCT(mapping),
		STRUCT(mappings),	  STRUCT(unwind_file),	 STRUCT(unwind_file_key),
		STRUCT(stack_record),	  STRUCT(sample_key),	 STRUCT(sample_row),
		STRUCT(sample_tables),	  STRUCT(sample_rate),	 STRUCT(sample_sums),
		STRUCT(code_question),
	};
	static const char *const enums[] = {
		"probe_depth",	     "alloc_path",  "release",	   "home",	  "region",
		"fault_class",	     "event_kind",  "loss",	   "outcome",	  "alloc_function",
		"event_type",	     "target_mode", "unwind_kind", "unwind_slot", "stack_status",
		"unwind_file_state", "sample_kind"
	};
	Dwarf_Die die;

	for (size_t i = 0; i < sizeof(structs) / sizeof(structs[0]); i++) {
		if (!contract__find(*state, structs[i].name, &die))
			fail_msg("struct %s was not compared", structs[i].name);
		assert_int_equal(dwarf_bytesize(&die), structs[i].size);
	}
	for (size_t i = 0; i < sizeof(enums) / sizeof(enums[0]); i++)
		if (!contract__find(*state, enums[i], &die))
			fail_msg("enum %s was not compared", enums[i]);
}

/* struct live_key as BTF, with what may be wrong about it. */
static bool live_key__differs(Dwarf_Die *die, __u32 size, const char *last, int last_offset,
			      int last_size, int last_encoding)
{
	struct btf *btf = btf__new_empty();
	bool is_different;
	int u64, other, id;

	assert_non_null(btf);
	u64 = btf__add_int(btf, "u64", 8, 0);
	other = btf__add_int(btf, "other", last_size, last_encoding);
	id = btf__add_struct(btf, "live_key", size);
	assert_true(u64 > 0 && other > 0 && id > 0);
	assert_int_equal(btf__add_field(btf, "address", u64, 0, 0), 0);
	assert_int_equal(btf__add_field(btf, "id", other, 64, 0), 0);
	if (last)
		assert_int_equal(btf__add_field(btf, last, other, last_offset, 0), 0);
	is_different = type__differs("live_key", die, btf, (__u32)id);
	btf__free(btf);
	return is_different;
}

static void a_difference_is_seen(void **state)
{
	Dwarf_Die die;

	assert_true(contract__find(*state, "live_key", &die));
	assert_false(live_key__differs(&die, 16, "pad", 96, 4, 0));
	assert_true(live_key__differs(&die, 24, "pad", 96, 4, 0));
	assert_true(live_key__differs(&die, 16, "pod", 96, 4, 0));
	assert_true(live_key__differs(&die, 16, "pad", 104, 4, 0));
	assert_true(live_key__differs(&die, 16, "pad", 96, 2, 0));
	assert_true(live_key__differs(&die, 16, "pad", 96, 4, BTF_INT_SIGNED));
	assert_true(live_key__differs(&die, 16, NULL, 0, 4, 0));
	assert_string_equal(why, "live_key.pad: not in the BPF object");
}

static void a_changed_enum_is_seen(void **state)
{
	struct btf *btf = btf__new_empty();
	Dwarf_Die die;
	int id;

	assert_non_null(btf);
	assert_true(contract__find(*state, "probe_depth", &die));
	id = btf__add_enum(btf, "probe_depth", 4);
	assert_int_equal(btf__add_enum_value(btf, "DEPTH_KERNEL", 0), 0);
	assert_int_equal(btf__add_enum_value(btf, "DEPTH_ENTRY", 1), 0);
	assert_true(type__differs("probe_depth", &die, btf, (__u32)id));
	assert_int_equal(btf__add_enum_value(btf, "DEPTH_FULL", 2), 0);
	assert_false(type__differs("probe_depth", &die, btf, (__u32)id));
	assert_int_equal(btf__add_enum_value(btf, "DEPTH_MORE", 3), 0);
	assert_true(type__differs("probe_depth", &die, btf, (__u32)id));
	btf__free(btf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_is_the_same_on_both_sides),
		cmocka_unit_test(the_walk_meets_what_crosses_the_boundary),
		cmocka_unit_test(a_difference_is_seen),
		cmocka_unit_test(a_changed_enum_is_seen),
	};

	return cmocka_run_group_tests_name("contract", tests, open_both, close_both);
}
