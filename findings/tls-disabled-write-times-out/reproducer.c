/* TLS over a bufferevent: writing is disabled, and times out. */
#include "../tls_ends.h"

static short told;
static void on_event(struct bufferevent *bev, short what, void *arg) { told |= what; }

int
main(void)
{
	struct event_base *base = event_base_new();
	struct timeval timeout = {0, 20000};
	int fd[2];
	connected_pair(fd);
	struct bufferevent *server = tls_on(base, fd[1], 1), *client = tls_over(base, fd[0], 0);
	bufferevent_enable(server, EV_READ | EV_WRITE);
	bufferevent_setcb(client, NULL, NULL, on_event, NULL);
	bufferevent_enable(client, EV_READ | EV_WRITE);
	run_for(base, 50);
	bufferevent_disable(client, EV_WRITE);
	bufferevent_set_timeouts(client, NULL, &timeout);
	bufferevent_write(client, "x", 1);
	run_for(base, 100);
	return verdict(told == (BEV_EVENT_CONNECTED | BEV_EVENT_WRITING | BEV_EVENT_TIMEOUT),
	    "WRITING|TIMEOUT although writing is disabled");
}
