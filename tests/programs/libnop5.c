/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libnop5.so: allocation functions that begin with a five-byte nop, or have one behind an endbr64,
 * as code built for patching has. On some kernels a probe on such a nop becomes a call that forked
 * children cannot follow. To be preloaded; glibc does the work.
 */
#if defined(__x86_64__)

#define NOP5 ".byte 0x0f, 0x1f, 0x44, 0x00, 0x00\n"
#define ENDBR64 ".byte 0xf3, 0x0f, 0x1e, 0xfa\n"

#define FUNCTION(name, target, beginning)                                                          \
	__asm__(".text\n"                                                                          \
		".balign 16\n"                                                                     \
		".globl " name "\n"                                                                \
		".type " name ", @function\n" name ":\n" beginning "jmp " target "@PLT\n"          \
		".size " name ", . - " name "\n")

FUNCTION("malloc", "__libc_malloc", NOP5);
FUNCTION("free", "__libc_free", NOP5);
FUNCTION("calloc", "__libc_calloc", ENDBR64 NOP5);
FUNCTION("realloc", "__libc_realloc", ENDBR64 NOP5);
FUNCTION("memalign", "__libc_memalign", NOP5);
FUNCTION("aligned_alloc", "__libc_memalign", NOP5);

#else
int libnop5_is_for_x86;
#endif
