/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * set_latency SOCKET SECONDS FILE: asks the redis-server at a socket to SET one of 10,000 keys, again
 * and again; writes of each when it began and how long it took: nanoseconds, CLOCK_MONOTONIC, two
 * native 64-bit words.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define VALUE_BYTES 100

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec;
}

static int set_key(int server, unsigned int key)
{
	char command[256], answer[64];
	int length;

	length = snprintf(command, sizeof(command),
			  "*3\r\n$3\r\nSET\r\n$8\r\nkey%05u\r\n$%d\r\n%0*d\r\n", key % 10000,
			  VALUE_BYTES, VALUE_BYTES, 7);
	if (write(server, command, (size_t)length) != length)
		return -1;
	/* "+OK\r\n" comes whole over a socket of this host. */
	return read(server, answer, sizeof(answer)) == 5 && answer[0] == '+' ? 0 : -1;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	uint64_t end_ns, took[2];
	FILE *file;
	int server;

	if (argc != 4)
		return 2;
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", argv[1]);
	end_ns = now_ns() + (uint64_t)(strtod(argv[2], NULL) * 1e9);
	file = fopen(argv[3], "w");
	server = socket(AF_UNIX, SOCK_STREAM, 0);
	if (!file || server < 0 || connect(server, (struct sockaddr *)&address, sizeof(address))) {
		perror("set_latency");
		return 1;
	}
	for (unsigned int key = 0; now_ns() < end_ns; key++) {
		took[0] = now_ns();
		if (set_key(server, key)) {
			fputs("set_latency: no answer\n", stderr);
			return 1;
		}
		took[1] = now_ns() - took[0];
		fwrite(took, sizeof(took), 1, file);
	}
	return fclose(file) ? 1 : 0;
}
