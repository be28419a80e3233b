/* TLS over a bufferevent: the write timeout comes though there is nothing to write. */
#include "../tls_ends.h"

static short told;
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct timeval timeout = {0, 20000};
	told |= what;
	if (what == BEV_EVENT_CONNECTED) {
		bufferevent_set_timeouts(bev, NULL, &timeout);
		bufferevent_enable(bev, EV_WRITE);
	}
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
	run_for(base, 200);
	return verdict(told == (BEV_EVENT_CONNECTED | BEV_EVENT_WRITING | BEV_EVENT_TIMEOUT),
	    "WRITING|TIMEOUT of TLS that never had anything to write");
}
