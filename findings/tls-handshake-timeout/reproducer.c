/* A timeout of a TLS handshake does not say of which direction, and repeats. */
#include "../tls_ends.h"

static int bare, other;
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	if (what == BEV_EVENT_TIMEOUT)
		bare++;
	else
		other++;
}

int
main(void)
{
	struct event_base *base = event_base_new();
	struct timeval timeout = {0, 20000};
	int fd[2];
	connected_pair(fd);
	struct bufferevent *client = tls_on(base, fd[0], 0);
	bufferevent_setcb(client, NULL, NULL, on_event, NULL);
	bufferevent_enable(client, EV_READ | EV_WRITE);
	bufferevent_set_timeouts(client, &timeout, NULL); /* the other end never answers */
	run_for(base, 200);
	return verdict(bare > 1 && !other, "a handshake times out as TIMEOUT alone, more than once");
}
