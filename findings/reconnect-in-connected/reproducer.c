/* A bufferevent that connects anew in its CONNECTED callback is never told that it is connected. */
#include "../loopback.h"

static int connected, listener;
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct sockaddr_in sin = loopback(port_of(listener));
	if (!(what & BEV_EVENT_CONNECTED) || ++connected > 1)
		return;
	close(bufferevent_getfd(bev));
	bufferevent_setfd(bev, -1);
	bufferevent_enable(bev, EV_WRITE);
	bufferevent_socket_connect(bev, (struct sockaddr *)&sin, sizeof(sin));
	bufferevent_write(bev, "x", 1);
}

int
main(void)
{
	struct event_base *base = event_base_new();
	char byte;
	listener = raw_listener(4);
	struct sockaddr_in sin = loopback(port_of(listener));
	struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, NULL, NULL, on_event, NULL);
	bufferevent_socket_connect(bev, (struct sockaddr *)&sin, sizeof(sin));
	run_for(base, 100);
	close(accept(listener, NULL, NULL));
	int second = accept(listener, NULL, NULL);
	int came = recv(second, &byte, 1, MSG_DONTWAIT) == 1;
	return verdict(connected == 1 && came, "a connection carries bytes, and no CONNECTED ever tells of it");
}
