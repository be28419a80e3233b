/* A connection that is reset at once: READING|ERROR, and then CONNECTED. */
#include "../loopback.h"

static int error, connected_later;
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	if (what & BEV_EVENT_ERROR)
		error = 1;
	if (what & BEV_EVENT_CONNECTED)
		connected_later = error;
}

int
main(void)
{
	struct event_base *base = event_base_new();
	struct linger abort_it = {1, 0};
	int listener = raw_listener(8);
	struct sockaddr_in sin = loopback(port_of(listener));
	struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, NULL, NULL, on_event, NULL);
	bufferevent_socket_connect(bev, (struct sockaddr *)&sin, sizeof(sin));
	bufferevent_enable(bev, EV_READ);
	int fd = accept(listener, NULL, NULL);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_it, sizeof(abort_it));
	close(fd);
	run_for(base, 100);
	return verdict(connected_later, "CONNECTED after READING|ERROR of the same connect");
}
