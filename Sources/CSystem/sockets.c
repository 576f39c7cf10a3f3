#define _GNU_SOURCE
#include "sockets.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

int tk_stream_socket(int family) { return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

int tk_accept(int listener, struct sockaddr *address, socklen_t *length) {
    return accept4(listener, address, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

ssize_t tk_send(int descriptor, const void *bytes, size_t count) {
    return send(descriptor, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
}

ssize_t tk_send_vector(int descriptor, const struct iovec *buffers, size_t count) {
    struct msghdr message = {.msg_iov = (struct iovec *)buffers, .msg_iovlen = count};
    return sendmsg(descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int tk_socket_error(int descriptor) {
    int error = 0;
    socklen_t length = sizeof error;
    return getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) < 0 ? errno : error;
}

int tk_set_option(int descriptor, int level, int option, int value) {
    return setsockopt(descriptor, level, option, &value, sizeof value);
}

int tk_no_delay(int descriptor) { return tk_set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1); }
int tk_reuse_address(int descriptor) { return tk_set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1); }
int tk_ipv6_only(int descriptor, int on) { return tk_set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, on); }
