/* A connect that takes long times out again and again, although the first timeout disabled writing. */
#include "../loopback.h"

static int timeouts, enabled_then;
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	if (what == (BEV_EVENT_WRITING | BEV_EVENT_TIMEOUT)) {
		timeouts++;
		enabled_then = bufferevent_get_enabled(bev) & EV_WRITE;
	}
}

int
main(void)
{
	struct event_base *base = event_base_new();
	struct timeval timeout = {0, 20000};
	int listener = raw_listener(0), i;
	for (i = 0; i < 4; i++) { /* fills the backlog: further SYNs are dropped */
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		struct sockaddr_in sin = loopback(port_of(listener));
		connect(fd, (struct sockaddr *)&sin, sizeof(sin));
	}
	usleep(50000);
	struct sockaddr_in sin = loopback(port_of(listener));
	struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, NULL, NULL, on_event, NULL);
	bufferevent_set_timeouts(bev, NULL, &timeout);
	bufferevent_socket_connect(bev, (struct sockaddr *)&sin, sizeof(sin));
	run_for(base, 200);
	return verdict(timeouts > 2 && !enabled_then, "WRITING|TIMEOUT repeats while writing is disabled");
}
