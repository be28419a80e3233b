/* TLS on a descriptor that cannot be watched: bufferevent_write gives 0, nothing is ever sent. */
#include "../failing_epoll.h"
#include "../tls_ends.h"

static int connected, told;
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	connected += what == BEV_EVENT_CONNECTED;
	told += what != BEV_EVENT_CONNECTED;
}

int
main(void)
{
	struct event_base *base = event_base_new();
	int fd[2];
	connected_pair(fd);
	struct bufferevent *server = tls_on(base, fd[1], 1), *client = tls_on(base, fd[0], 0);
	bufferevent_setcb(server, NULL, NULL, on_event, NULL);
	bufferevent_setcb(client, NULL, NULL, on_event, NULL);
	bufferevent_enable(server, EV_READ);
	run_for(base, 50); /* the handshake */
	bufferevent_disable(client, EV_READ); /* or it is watched already: see tls-disabled-still-armed */
	refusing = 1;
	int result = bufferevent_write(client, "x", 1);
	refusing = 0;
	run_for(base, 100);
	size_t got = evbuffer_get_length(bufferevent_get_input(server));
	return verdict(connected == 2 && result == 0 && got == 0 && !told,
	    "bufferevent_write gave 0, and nothing sends the byte");
}
