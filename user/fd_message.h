/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes and descriptors between us and a helper process, over a socket pair. */
#ifndef ALLOCPATH_FD_MESSAGE_H
#define ALLOCPATH_FD_MESSAGE_H

#include <stddef.h>

#define FD_MESSAGE_MAX_FDS 2

/* Sends all bytes, with descriptors. 0 or -errno; never by a signal. */
int fd_message__send(int socket, const void *bytes, size_t size, const int *fds, size_t nr_fds);

/*
 * Receives one message of at most size bytes: their number, or -errno; 0: the other side is gone.
 * fds has room for FD_MESSAGE_MAX_FDS; those that did not come are -1, those that came the
 * caller's.
 */
long fd_message__receive(int socket, void *bytes, size_t size, int *fds);

/* Waits until the socket can be read, no longer than that. 0, -ETIMEDOUT or -EINTR. */
int fd_message__wait(int socket, unsigned int timeout_ms);

#endif
