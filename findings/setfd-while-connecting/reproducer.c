/* setfd with the descriptor that it has, while it connects and writing is disabled: no outcome. */
#include "../loopback.h"

static int told;
static void on_event(struct bufferevent *bev, short what, void *arg) { told = 1; }

int
main(void)
{
	struct event_base *base = event_base_new();
	int listener = raw_listener(8);
	struct sockaddr_in sin = loopback(port_of(listener));
	struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, NULL, NULL, on_event, NULL);
	int result = bufferevent_socket_connect(bev, (struct sockaddr *)&sin, sizeof(sin));
	bufferevent_disable(bev, EV_WRITE);
	bufferevent_setfd(bev, bufferevent_getfd(bev));
	int accepted = accept(listener, NULL, NULL);
	run_for(base, 100);
	return verdict(result == 0 && accepted >= 0 && !told,
	    "connect gave 0, the connection was accepted, and no event ever tells of it");
}
