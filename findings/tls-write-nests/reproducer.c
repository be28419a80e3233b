/* TLS over a bufferevent: bufferevent_write in an event callback calls the event callback. */
#include "../tls_ends.h"

static int depth, deepest;
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	if (++depth > deepest)
		deepest = depth;
	if (what == BEV_EVENT_CONNECTED) {
		SSL_shutdown(bufferevent_openssl_get_ssl(bev));
		bufferevent_write(bev, "x", 1);
	}
	depth--;
}

int
main(void)
{
	struct event_base *base = event_base_new();
	int fd[2];
	connected_pair(fd);
	struct bufferevent *server = tls_on(base, fd[1], 1), *client = tls_over(base, fd[0], 0);
	bufferevent_enable(server, EV_READ | EV_WRITE);
	bufferevent_setcb(client, NULL, NULL, on_event, NULL);
	bufferevent_enable(client, EV_READ | EV_WRITE);
	run_for(base, 100);
	return verdict(deepest > 1, "an event callback runs inside itself, called by bufferevent_write");
}
