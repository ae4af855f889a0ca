# SPDX-License-Identifier: GPL-2.0-or-later
#
# make help lists the targets. Sources are found by wildcard; nothing is listed by hand.
#
#   user/X.proto -> O/X.pb-c.c, O/X.pb-c.h
#   user/flame.js, .css -> O/flame_js.h, O/flame_css.h, as strings
#   bpf/X.bpf.c -> O/X.bpf.o -> O/X.skel.h        (only .c files include a skeleton)
#   user/*.c    -> O/user/*.o -> O/liballocpath.a (all but main.o) -> O/allocpath
#   user/experiments/*.c -> O/allocpath-experiment     (what "allocpath validate" measures; no library)
#   user/alloc/*.c -> O/alloc/*.o -> O/librefalloc.so, O/librefalloc.a   (knows nothing of the rest)
#   tests/unit/test_*.c  -> O/tests/unit/test_*   linked with liballocpath.a and cmocka
#   tests/tools/*.c      -> O/tests/tools/*       linked with liballocpath.a
#   tests/programs/*.c, *.cc -> O/tests/programs/*;  lib*.c -> lib*.so
#
# A test program that needs other flags says so in a comment of its own: "/* build: -static */".

VERSION := 0.1.0
PREFIX ?= /usr/local
O ?= build

V ?=
DEBUG ?=
SAN ?=
COVERAGE ?=

CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
CXX := $(if $(filter default,$(origin CXX)),g++,$(CXX))
CLANG ?= clang
LLVM_STRIP ?= $(firstword $(shell command -v llvm-strip llvm-strip-14) true)
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PKG_CONFIG ?= pkg-config
PROTOC ?= protoc-c

BUILD_PACKAGES := gcc make clang llvm libbpf-dev bpftool libelf-dev libdw-dev libdebuginfod-dev \
	libcapstone-dev libiberty-dev liblzma-dev libjson-c-dev libprotobuf-c-dev \
	protobuf-c-compiler systemtap-sdt-dev zlib1g-dev pkg-config linux-libc-dev ca-certificates
TEST_PACKAGES := g++ golang-go libcap2-bin libcmocka-dev python3 strace sqlite3 git xz-utils \
	libjemalloc2 libtcmalloc-minimal4 libgoogle-perftools4 libmimalloc2.0 musl-tools \
	redis-server gdb libc6-dbg
BENCH_PACKAGES := bpftrace linux-perf heaptrack valgrind redis-tools
# Where node does not come from Debian it has its npm, and conflicts with Debian's.
LONG_PACKAGES := dwz qemu-system-x86 libclang-rt-14-dev libc6-arm64-cross nginx-light postgresql curl chromium libpython3.11-testsuite perl redis-tools \
	$(if $(shell command -v npm),,nodejs npm)
LINT_PACKAGES := clang-format clang-tidy libcmocka-dev

MACHINE := $(shell uname -m)
# Directory under vmlinux/ and the name that bpf_tracing.h wants.
ARCH := $(patsubst aarch64,arm64,$(MACHINE))
BPF_ARCH := $(patsubst x86_64,x86,$(ARCH))
ifeq ($(wildcard vmlinux/$(ARCH)/vmlinux.h),)
$(error allocpath is for x86_64 and arm64: no vmlinux/$(ARCH)/vmlinux.h)
endif

Q := $(if $(filter-out 0,$(V)),,@)
say = $(if $(filter-out 0,$(V)),@:,@printf '  %-8s %s\n' $(1) $(2))

# Flags. What needs an installed tool is expanded late, so that "deps" can install it first.
LIBS = libbpf libelf libdw capstone json-c libprotobuf-c zlib liblzma
LIB_CFLAGS = $(shell $(PKG_CONFIG) --cflags $(LIBS))
# libiberty, for names of C++ and Rust, is no pkg-config package.
LIB_LDLIBS = $(shell $(PKG_CONFIG) --libs $(LIBS)) -liberty -pthread -lm

WARNINGS := -Wall -Wextra -Werror
SWITCH_FLAGS := $(if $(filter-out 0,$(DEBUG)),-Og -g3,-O2 -g)
ifneq ($(filter-out 0,$(SAN)),)
SWITCH_FLAGS += -fsanitize=address,undefined -fno-omit-frame-pointer
endif
ifneq ($(filter-out 0,$(COVERAGE)),)
SWITCH_FLAGS += --coverage
endif
USER_FLAGS := -std=gnu11 -D_GNU_SOURCE -DALLOCPATH_VERSION='"$(VERSION)"' $(SWITCH_FLAGS) \
	$(WARNINGS) -Iinclude -Iuser -I$(O) $(CPPFLAGS) $(CFLAGS)
PROGRAM_FLAGS := -O1 -g -D_GNU_SOURCE $(WARNINGS) -pthread
BPF_FLAGS := -g -O2 -mcpu=v3 -target bpf -D__TARGET_ARCH_$(BPF_ARCH) -Wall -Werror \
	-Iinclude -Ibpf -Ivmlinux/$(ARCH)
# asm/ headers, which -target bpf does not look for
BPF_SYSTEM = -idirafter /usr/include/$(shell $(CC) -print-multiarch)

# The allocator: the same whatever the switches, for it is measured; no function of libc's is assumed
# to be what it replaces, and its first instructions are its own.
ALLOC_FLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g $(WARNINGS) -Iinclude -Iuser/alloc -fPIC \
	-fvisibility=hidden -ftls-model=initial-exec \
	$(addprefix -fno-builtin-,malloc calloc realloc free aligned_alloc memalign posix_memalign)
ifeq ($(MACHINE),x86_64)
ALLOC_FLAGS += -fcf-protection=none
endif

BPF_NAMES := $(patsubst bpf/%.bpf.c,%,$(wildcard bpf/*.bpf.c))
SKELETONS := $(BPF_NAMES:%=$(O)/%.skel.h)
USER_SOURCES := $(wildcard user/*.c)
PROTOS := $(patsubst user/%.proto,$(O)/%.pb-c.c,$(wildcard user/*.proto))
USER_OBJECTS := $(USER_SOURCES:%.c=$(O)/%.o)
# Text files that are built in as strings.
TEXTS := $(O)/flame_js.h $(O)/flame_css.h
LIB_OBJECTS := $(filter-out $(O)/user/main.o,$(USER_OBJECTS)) $(PROTOS:.c=.o)
ALLOC_SOURCES := $(wildcard user/alloc/*.c)
ALLOC_NAMES := $(ALLOC_SOURCES:user/alloc/%.c=%)
ALLOC := $(O)/librefalloc.so $(O)/librefalloc.a
UNIT_SOURCES := $(wildcard tests/unit/test_*.c)
UNIT_TESTS := $(UNIT_SOURCES:%.c=$(O)/%)
EXPERIMENT_SOURCES := $(wildcard user/experiments/*.c)
EXPERIMENT_FLAGS := -std=gnu11 -O1 -g -D_GNU_SOURCE $(WARNINGS) -fno-builtin-malloc -pthread
TOOLS := $(patsubst %.c,$(O)/%,$(wildcard tests/tools/*.c))
FUZZERS := $(patsubst %.c,$(O)/%,$(wildcard tests/fuzz/fuzz_*.c))
PROGRAM_SOURCES := $(wildcard tests/programs/*.c tests/programs/*.cc)
PROGRAM_LIBRARIES := $(patsubst %.c,$(O)/%.so,$(wildcard tests/programs/lib*.c))
PROGRAMS := $(filter-out $(PROGRAM_LIBRARIES:.so=),$(basename $(PROGRAM_SOURCES:%=$(O)/%)))

FORMATTED := $(wildcard include/*.h user/experiments/*.[ch] bpf/*.[ch] user/*.[ch] user/alloc/*.[ch] vmlinux/*.c tests/*/*.[ch] tests/*/*.cc)
TIDIED := $(USER_SOURCES) $(EXPERIMENT_SOURCES) $(ALLOC_SOURCES) $(UNIT_SOURCES) $(wildcard tests/tools/*.c) $(filter %.c,$(PROGRAM_SOURCES))

# Targets that make a fresh host ready first; for a plain "make" the packages are there or it fails.
DEPS_GOALS := run test check-long bench lint deps
READY := $(if $(filter $(DEPS_GOALS),$(MAKECMDGOALS)),deps)
PACKAGES := $(BUILD_PACKAGES)
ifneq ($(filter test check-long bench,$(MAKECMDGOALS)),)
PACKAGES += $(TEST_PACKAGES)
endif
ifneq ($(filter bench,$(MAKECMDGOALS)),)
PACKAGES += $(BENCH_PACKAGES)
endif
ifneq ($(filter check-long,$(MAKECMDGOALS)),)
PACKAGES += $(LONG_PACKAGES)
endif
ifneq ($(filter lint,$(MAKECMDGOALS)),)
PACKAGES += $(LINT_PACKAGES)
endif

MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all run test check-long bench lint install bpf-size deps programs clean help FORCE

all: $(O)/allocpath $(O)/allocpath-experiment $(ALLOC) ## build build/allocpath and build/librefalloc.so (the default)

run: $(O)/allocpath ## install what is missing, build, profile this host for 10 seconds
	$(O)/allocpath hist -d 10s

test: $(O)/allocpath $(UNIT_TESTS) programs ## unit and end-to-end tests; as root
	$(Q)O=$(O) tests/run.sh

check-long: $(O)/allocpath $(UNIT_TESTS) programs $(FUZZERS) ## the tests that take longer
	$(Q)O=$(O) tests/long.sh

# BENCH="allocators ..." and BENCH="questions ..." run these instead.
BENCH_SCRIPT = $(or $(filter allocators many questions turns windows,$(firstword $(BENCH))),bench)
bench: $(O)/allocpath programs ## what measuring costs, against other tools; as root, half an hour
	$(Q)O=$(O) /usr/bin/python3 -u tests/bench/$(BENCH_SCRIPT).py $(patsubst $(BENCH_SCRIPT),,$(BENCH))

programs: $(PROGRAMS) $(PROGRAM_LIBRARIES) $(TOOLS) $(ALLOC) $(O)/allocpath-experiment $(O)/allocpath-experiment-musl $(O)/tests/programs/alloc_patterns-musl $(O)/noledger/librefalloc.so $(O)/walked/librefalloc.so $(O)/tests/programs/refalloc_stress_tsan $(O)/tests/programs/refalloc_interface_static ## the programs that tests measure and use

install: all ## install the program, its man page and the allocator below $(DESTDIR)$(PREFIX)
	install -D -m 755 $(O)/allocpath $(DESTDIR)$(PREFIX)/bin/allocpath
	install -D -m 755 $(O)/allocpath-experiment $(DESTDIR)$(PREFIX)/libexec/allocpath/allocpath-experiment
	install -D -m 644 user/allocpath.8 $(DESTDIR)$(PREFIX)/share/man/man8/allocpath.8
	install -D -m 755 $(O)/librefalloc.so $(DESTDIR)$(PREFIX)/lib/librefalloc.so
	install -D -m 644 $(O)/librefalloc.a $(DESTDIR)$(PREFIX)/lib/librefalloc.a
	for header in refalloc refalloc_ledger contract bounds size_class; do \
		install -D -m 644 include/$$header.h $(DESTDIR)$(PREFIX)/include/allocpath/$$header.h; \
	done

bpf-size: $(O)/allocpath programs ## instructions of each BPF program, those that the verifier walks, run time; as root
	$(Q)O=$(O) /usr/bin/python3 -u tests/bench/bpf_size.py

lint: $(SKELETONS) $(PROTOS) $(TEXTS) | $(READY) ## clang-format and clang-tidy; anything found is an error
	$(Q)clang-format --dry-run -Werror $(FORMATTED)
	$(Q)printf '%s\n' $(TIDIED) | xargs -P2 -I{} sh -c 'out=$$(clang-tidy --quiet {} -- \
		-std=gnu11 -D_GNU_SOURCE -DALLOCPATH_VERSION=\"$(VERSION)\" -Wall -Wextra \
		-Iinclude -Iuser -Iuser/alloc -isystem $(O) $(LIB_CFLAGS) 2>&1) || { echo "$$out"; exit 1; }'
	$(Q)echo lint: clean

clean: ## remove what was built
	rm -rf $(O)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' Makefile
	@echo 'switches: V=1 (show commands) DEBUG=1 SAN=1 COVERAGE=1 O=build PREFIX=/usr/local'

# Asks dpkg first, so that apt-get runs only when something is missing.
deps: ## install the Debian packages that a target needs
	$(Q)command -v dpkg-query >/dev/null || exit 0; \
	have=" $$(dpkg-query -W -f='$${db:Status-Status} $${Package}\n' $(PACKAGES) 2>/dev/null | \
		sed -n 's/^installed //p' | tr '\n' ' ') "; missing=; \
	for package in $(PACKAGES); do \
		case "$$have" in *" $$package "*) ;; *) missing="$$missing $$package" ;; esac; \
	done; \
	test -n "$$missing" || exit 0; \
	if [ "$$(id -u)" -ne 0 ]; then \
		echo "packages are missing; as root: apt-get install$$missing" >&2; exit 1; \
	fi; \
	apt-get update -q && \
	DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $$missing

# The flags of the last build: what was built with others is built again.
$(O)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(CC) $(CLANG) $(USER_FLAGS) $(BPF_FLAGS) $(PROGRAM_FLAGS) $(ALLOC_FLAGS) $(EXPERIMENT_FLAGS))' >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# The allocator, and the same without its ledger, to measure what that costs.
$(O)/alloc/%.o: user/alloc/%.c $(O)/flags | $(READY)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALLOC_FLAGS) -MMD -MP -c $< -o $@

$(O)/alloc/%.o: tests/alloc/%.c $(O)/flags | $(READY)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALLOC_FLAGS) -MMD -MP -c $< -o $@

$(O)/noledger/%.o: user/alloc/%.c $(O)/flags | $(READY)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALLOC_FLAGS) -DREFALLOC_NO_LEDGER -MMD -MP -c $< -o $@

# Once more under other names: in a program with a sanitizer, malloc is the sanitizer's. Names change
# in the objects, for a macro would change the probes' too.
ALLOC_RENAMED := $(foreach name,malloc free calloc realloc reallocarray memalign aligned_alloc \
	posix_memalign valloc pvalloc malloc_usable_size malloc_trim mallopt mallinfo mallinfo2, \
	--redefine-sym $(name)=refalloc_$(name))

$(O)/tsan/%.o: user/alloc/%.c $(O)/flags | $(READY)
	$(call say,TSAN,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALLOC_FLAGS) -fsanitize=thread -MMD -MP -c $< -o $@ && objcopy $(ALLOC_RENAMED) $@

$(O)/tsan/%.o: tests/alloc/%.c $(O)/flags | $(READY)
	$(call say,TSAN,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALLOC_FLAGS) -fsanitize=thread -MMD -MP -c $< -o $@ && objcopy $(ALLOC_RENAMED) $@

$(O)/tsan/%.o: tests/programs/%.c $(O)/flags | $(READY)
	$(call say,TSAN,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(PROGRAM_FLAGS) -fsanitize=thread -MMD -MP -c $< -o $@ && objcopy $(ALLOC_RENAMED) $@

$(O)/tests/programs/refalloc_interface_static: tests/programs/refalloc_interface.c $(O)/librefalloc.a
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(PROGRAM_FLAGS) $(own_flags) -static $^ -o $@

$(O)/tests/programs/refalloc_stress_tsan: $(O)/tsan/refalloc_stress.o $(patsubst %,$(O)/tsan/%.o,$(ALLOC_NAMES) heap_walk)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -fsanitize=thread -rdynamic $^ -ldl -o $@

ALLOC_LINK = $(CC) -shared -Wl,-soname,librefalloc.so -Wl,-z,now $(filter %.o,$^) -o $@

$(O)/librefalloc.so: $(ALLOC_SOURCES:user/alloc/%.c=$(O)/alloc/%.o)
	$(call say,LINK,$@)
	$(Q)$(ALLOC_LINK)

$(O)/noledger/librefalloc.so: $(ALLOC_SOURCES:user/alloc/%.c=$(O)/noledger/%.o)
	$(call say,LINK,$@)
	$(Q)$(ALLOC_LINK)

# For tests: the same objects, and the walk of its heap.
$(O)/walked/librefalloc.so: $(patsubst %,$(O)/alloc/%.o,$(ALLOC_NAMES) heap_walk)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(ALLOC_LINK)

$(O)/librefalloc.a: $(ALLOC_SOURCES:user/alloc/%.c=$(O)/alloc/%.o)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# BPF
$(O)/%.bpf.o: bpf/%.bpf.c $(O)/flags | $(READY)
	$(call say,BPF,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_FLAGS) $(BPF_SYSTEM) -MMD -MP -MF $(@:.o=.d) -MT $@ -c $< -o $@
	$(Q)$(LLVM_STRIP) -g $@

$(O)/%.skel.h: $(O)/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)(echo '/* NOLINTBEGIN */' && $(BPFTOOL) gen skeleton $< && echo '/* NOLINTEND */') >$@

# Only the first build needs this; after it the dependency files know better.
including = $(if $(strip $(2)),$(shell grep -lE '\#include "[a-z_]+\.$(1)"' $(2)))
SKELETON_USERS := $(call including,skel\.h,$(USER_SOURCES) $(UNIT_SOURCES))
$(SKELETON_USERS:%.c=$(O)/%.o): | $(SKELETONS)
# Quick to make, and included by headers: every object waits for these.
$(patsubst %.c,$(O)/%.o,$(USER_SOURCES) $(UNIT_SOURCES)): | $(PROTOS)

# A line of text is a line of C; -e of its own for each escape.
$(TEXTS): $(O)/flame_%.h: user/flame.%
	$(call say,TEXT,$@)
	@mkdir -p $(@D)
	$(Q)(echo 'static const char flame_$*[] ='; \
		sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/"/' -e 's/$$/\\n"/' $<; echo ';') >$@

$(O)/user/flame_svg.o $(O)/fuzz/user/flame_svg.o: | $(TEXTS)

# Each file makes its own; what one imports is there before any is compiled.
$(O)/%.pb-c.c: user/%.proto | $(READY)
	$(call say,PROTO,$@)
	@mkdir -p $(@D)
	$(Q)$(PROTOC) -Iuser --c_out=$(O) $<

$(PROTOS:.c=.o): $(O)/%.o: $(O)/%.c $(O)/flags | $(PROTOS)
	$(call say,CC,$@)
	$(Q)$(CC) $(USER_FLAGS) $(LIB_CFLAGS) -MMD -MP -c $< -o $@

# User side and unit tests
$(O)/%.o: %.c $(O)/flags | $(READY)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(USER_FLAGS) $(LIB_CFLAGS) -MMD -MP -c $< -o $@

$(O)/liballocpath.a: $(LIB_OBJECTS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(O)/allocpath: $(O)/user/main.o $(O)/liballocpath.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(SWITCH_FLAGS) $(LDFLAGS) $^ $(LIB_LDLIBS) -o $@

# Compares every type of the contract, the unused too. Private: $(O)/flags must not see it.
$(O)/tests/unit/test_contract.o: private USER_FLAGS += -fno-eliminate-unused-debug-types

$(UNIT_TESTS): $(O)/tests/unit/%: $(O)/tests/unit/%.o $(O)/liballocpath.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(SWITCH_FLAGS) $(LDFLAGS) $^ -lcmocka $(LIB_LDLIBS) -o $@

$(TOOLS): $(O)/tests/tools/%: $(O)/tests/tools/%.o $(O)/liballocpath.a
	$(call say,LINK,$@)
	$(Q)$(CC) $(SWITCH_FLAGS) $(LDFLAGS) $^ $(LIB_LDLIBS) -o $@

# Fuzzers: everything that they link is built once more, with clang's own instrumentation.
FUZZ_FLAGS := -O1 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
FUZZ_OBJECTS := $(LIB_OBJECTS:$(O)/%=$(O)/fuzz/%)

$(O)/fuzz/user/%.o: user/%.c $(O)/flags | $(SKELETONS) $(PROTOS)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(USER_FLAGS) $(FUZZ_FLAGS) $(LIB_CFLAGS) -MMD -MP -c $< -o $@

$(O)/fuzz/%.pb-c.o: $(O)/%.pb-c.c | $(PROTOS)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(USER_FLAGS) $(FUZZ_FLAGS) $(LIB_CFLAGS) -MMD -MP -c $< -o $@

$(O)/fuzz/alloc/%.o: user/alloc/%.c $(O)/flags | $(READY)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(ALLOC_FLAGS) $(FUZZ_FLAGS) -MMD -MP -c $< -o $@ && objcopy $(ALLOC_RENAMED) $@

$(O)/fuzz/alloc/%.o: tests/alloc/%.c $(O)/flags | $(READY)
	$(call say,FUZZ,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(ALLOC_FLAGS) $(FUZZ_FLAGS) -MMD -MP -c $< -o $@ && objcopy $(ALLOC_RENAMED) $@

$(O)/tests/fuzz/fuzz_refalloc: tests/fuzz/fuzz_refalloc.c $(patsubst %,$(O)/fuzz/alloc/%.o,$(ALLOC_NAMES) heap_walk)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(USER_FLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer $^ -o $@

$(filter-out %/fuzz_refalloc,$(FUZZERS)): $(O)/tests/fuzz/%: tests/fuzz/%.c $(FUZZ_OBJECTS)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(USER_FLAGS) $(FUZZ_FLAGS) -fsanitize=fuzzer $^ $(LIB_LDLIBS) -o $@

# What validate measures: flags of their own, so that what they do is fixed.
$(O)/allocpath-experiment: $(EXPERIMENT_SOURCES) user/experiments/experiment.h $(O)/flags | $(READY)
	$(call say,CC,$@)
	$(Q)$(CC) $(EXPERIMENT_FLAGS) $(EXPERIMENT_SOURCES) -o $@

$(O)/allocpath-experiment-musl: $(EXPERIMENT_SOURCES) user/experiments/experiment.h $(O)/flags | $(READY)
	$(call say,CC,$@)
	$(Q)musl-gcc $(EXPERIMENT_FLAGS) $(EXPERIMENT_SOURCES) -o $@

$(O)/tests/programs/alloc_patterns-musl: tests/programs/alloc_patterns.c $(O)/flags | $(READY)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)musl-gcc -std=gnu11 $(PROGRAM_FLAGS) $< $(own_flags) -o $@

# Programs that tests measure: no switches and no flags of ours, so that what they do is fixed.
own_flags = $(shell sed -n 's,.*/\* build: \(.*\) \*/.*,\1,p' $<)

$(O)/tests/programs/lib%.so: tests/programs/lib%.c $(O)/flags | $(READY)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(PROGRAM_FLAGS) -fPIC -shared -MMD -MP -MF $@.d -MT $@ $< $(own_flags) -ldl -o $@

$(O)/tests/programs/%: tests/programs/%.c $(O)/flags | $(READY)
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu11 $(PROGRAM_FLAGS) -MMD -MP -MF $@.d -MT $@ $< $(own_flags) -ldl -o $@

$(O)/tests/programs/%: tests/programs/%.cc $(O)/flags | $(READY)
	$(call say,CXX,$@)
	@mkdir -p $(@D)
	$(Q)$(CXX) $(PROGRAM_FLAGS) -MMD -MP -MF $@.d -MT $@ $< $(own_flags) -ldl -o $@

-include $(wildcard $(O)/*.d $(O)/alloc/*.d $(O)/noledger/*.d $(O)/tsan/*.d $(O)/fuzz/*.d $(O)/fuzz/alloc/*.d $(O)/fuzz/user/*.d $(O)/user/*.d $(O)/tests/unit/*.d $(O)/tests/tools/*.d $(O)/tests/programs/*.d)
