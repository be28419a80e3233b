/* TLS over a bufferevent: one handshake fails, and is told to have failed again and again. */
#include "../tls_ends.h"

static int errors;
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	errors += what == (BEV_EVENT_READING | BEV_EVENT_ERROR);
}

int
main(void)
{
	struct event_base *base = event_base_new();
	static const char nonsense[] = "\x16\x03\x01\0\x04none"; /* a record of the handshake */
	int fd[2];
	connected_pair(fd);
	struct bufferevent *server = tls_over(base, fd[0], 1);
	bufferevent_setcb(server, NULL, NULL, on_event, NULL);
	bufferevent_enable(server, EV_READ | EV_WRITE);
	if (send(fd[1], nonsense, sizeof(nonsense) - 1, MSG_NOSIGNAL) < 0)
		return 2;
	run_for(base, 100);
	return verdict(errors > 1, "READING|ERROR comes twice for one handshake");
}
