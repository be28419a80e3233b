/* What the reproducers share: raw ends of connections on the loopback address, and a verdict. */
#ifndef LOOPBACK_H
#define LOOPBACK_H
#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in
loopback(int port)
{
	struct sockaddr_in sin;
	memset(&sin, 0, sizeof(sin));
	sin.sin_family = AF_INET;
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin.sin_port = htons((unsigned short)port);
	return sin;
}

static int
port_of(int fd)
{
	struct sockaddr_in sin;
	socklen_t length = sizeof(sin);
	if (getsockname(fd, (struct sockaddr *)&sin, &length)) {
		perror("getsockname");
		exit(2);
	}
	return ntohs(sin.sin_port);
}

/* A raw listener on a free port. */
static inline int
raw_listener(int backlog)
{
	struct sockaddr_in sin = loopback(0);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) || listen(fd, backlog)) {
		perror("listener");
		exit(2);
	}
	return fd;
}

/* A raw, blocking connection to a port. */
static inline int
raw_connection(int port)
{
	struct sockaddr_in sin = loopback(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sin, sizeof(sin))) {
		perror("connect");
		exit(2);
	}
	return fd;
}

/* Two connected sockets: ours[0] is for a bufferevent, ours[1] stays raw. */
static inline void
connected_pair(int ours[2])
{
	int listener = raw_listener(1);
	ours[1] = raw_connection(port_of(listener));
	ours[0] = accept(listener, NULL, NULL);
	close(listener);
	evutil_make_socket_nonblocking(ours[0]);
}

static inline void
send_bytes(int fd, size_t size)
{
	static char bytes[65536];
	if (send(fd, bytes, size, MSG_NOSIGNAL) < 0)
		perror("send");
}

/* Runs the loop for some milliseconds. */
static inline void
run_for(struct event_base *base, int ms)
{
	struct timeval tv = {ms / 1000, ms % 1000 * 1000};
	event_base_loopexit(base, &tv);
	event_base_dispatch(base);
}

/* Exit code 0: the behaviour shows; 1: it does not (any more). */
static inline int
verdict(int shown, const char *what)
{
	printf("libevent %s: %s%s\n", event_get_version(), shown ? "" : "not shown: ", what);
	return shown ? 0 : 1;
}
#endif
