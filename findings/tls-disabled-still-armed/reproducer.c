/* Reading is disabled before a TLS handshake ends; behind it, it times out all the same. */
#include "../tls_ends.h"

static int connected, while_disabled;
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	connected |= what & BEV_EVENT_CONNECTED;
	if (connected && what == (BEV_EVENT_READING | BEV_EVENT_TIMEOUT))
		while_disabled += !(bufferevent_get_enabled(bev) & EV_READ);
}

int
main(void)
{
	struct event_base *base = event_base_new();
	struct timeval timeout = {0, 20000};
	int fd[2];
	connected_pair(fd);
	struct bufferevent *server = tls_on(base, fd[1], 1), *client = tls_on(base, fd[0], 0);
	bufferevent_enable(server, EV_READ | EV_WRITE);
	bufferevent_setcb(client, NULL, NULL, on_event, NULL);
	bufferevent_enable(client, EV_WRITE); /* reading never is */
	bufferevent_set_timeouts(client, &timeout, NULL);
	run_for(base, 200);
	return verdict(while_disabled > 0, "a direction that is disabled times out");
}
