#pragma once
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/// A non-blocking, close-on-exec stream socket of `family`.
int tk_stream_socket(int family);

/// accept4(2) with a non-blocking, close-on-exec result.
int tk_accept(int listener, struct sockaddr *address, socklen_t *length);

/// Turns Nagle's algorithm off: the layers above batch on their own.
int tk_no_delay(int descriptor);

/// Sends without SIGPIPE and without blocking; the result is send(2)'s.
ssize_t tk_send(int descriptor, const void *bytes, size_t count);

/// Sends several buffers without SIGPIPE and without blocking; the result is sendmsg(2)'s.
ssize_t tk_send_vector(int descriptor, const struct iovec *buffers, size_t count);

/// The socket's pending error (SO_ERROR), which this clears; or errno if even that fails.
int tk_socket_error(int descriptor);

int tk_set_option(int descriptor, int level, int option, int value);
int tk_reuse_address(int descriptor);
int tk_ipv6_only(int descriptor, int on);
