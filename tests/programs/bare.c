/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bare: a program without a C library. It grows and shrinks the break, makes a mapping and touches
 * some of it, by system calls of its own. Exit 0 if the kernel gave it all of that.
 *
 * brk 3 calls, grown 262144, shrunk 131072; mmap 1 call, 1048576 bytes, 16 pages touched.
 */
/* build: -static -nostdlib -nostartfiles -fno-stack-protector */
#include <linux/mman.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
static long call6(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;

	__asm__ volatile("syscall"
			 : "+a"(number)
			 : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return number;
}
#else
static long call6(long number, long a, long b, long c, long d, long e, long f)
{
	register long x8 __asm__("x8") = number, x0 __asm__("x0") = a, x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c, x3 __asm__("x3") = d, x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;

	__asm__ volatile("svc #0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
}
#endif

static long set_break(long address)
{
	return call6(SYS_brk, address, 0, 0, 0, 0, 0);
}

void _start(void)
{
	long begin = set_break(0), failed = 1;
	volatile char *mapping;

	if (set_break(begin + 262144) == begin + 262144 &&
	    set_break(begin + 131072) == begin + 131072) {
		mapping = (char *)call6(SYS_mmap, 0, 1048576, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (int i = 0; i < 16; i++)
			mapping[i * 4096] = 1;
		failed = 0;
	}
	call6(SYS_exit_group, failed, 0, 0, 0, 0, 0);
	for (;;)
		;
}
