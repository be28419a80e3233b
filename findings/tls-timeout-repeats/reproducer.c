/* TLS on a descriptor times out again and again: a timeout does not disable its direction. */
#include "../tls_ends.h"

static int timeouts, enabled_then;
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	if (what == (BEV_EVENT_READING | BEV_EVENT_TIMEOUT)) {
		timeouts++;
		enabled_then = bufferevent_get_enabled(bev) & EV_READ;
	}
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
	bufferevent_enable(client, EV_READ | EV_WRITE);
	bufferevent_set_timeouts(client, &timeout, NULL);
	run_for(base, 300);
	return verdict(timeouts > 2 && enabled_then, "READING|TIMEOUT repeats, and reading stays enabled");
}
