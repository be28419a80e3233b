/* Reading that is enabled behind connect is served first: a read callback before CONNECTED. */
#include "../loopback.h"

static int connected, early;
static void on_read(struct bufferevent *bev, void *arg) { early |= !connected; }
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	connected |= what & BEV_EVENT_CONNECTED;
}

int
main(void)
{
	struct event_base *base = event_base_new();
	int listener = raw_listener(8);
	struct sockaddr_in sin = loopback(port_of(listener));
	struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, on_read, NULL, on_event, NULL);
	bufferevent_socket_connect(bev, (struct sockaddr *)&sin, sizeof(sin));
	bufferevent_enable(bev, EV_READ);
	send_bytes(accept(listener, NULL, NULL), 64); /* before the loop looks */
	run_for(base, 100);
	return verdict(early && connected, "a read callback before CONNECTED");
}
