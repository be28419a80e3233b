/* TLS over a bufferevent: a read callback that drains below the high watermark is called inside itself. */
#include "../tls_ends.h"

static int depth, deepest;
static void
on_read(struct bufferevent *bev, void *arg)
{
	if (++depth > deepest)
		deepest = depth;
	evbuffer_drain(bufferevent_get_input(bev), 65536);
	depth--;
}

int
main(void)
{
	static char data[10000];
	struct event_base *base = event_base_new();
	int fd[2];
	connected_pair(fd);
	evutil_make_socket_nonblocking(fd[1]);
	struct bufferevent *below = bufferevent_socket_new(base, fd[1], BEV_OPT_CLOSE_ON_FREE);
	struct bufferevent *server = bufferevent_openssl_filter_new(base, below, server_ssl(),
	    BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
	struct bufferevent *client = tls_on(base, fd[0], 0);
	bufferevent_setcb(server, on_read, NULL, NULL, NULL);
	bufferevent_setwatermark(server, EV_READ, 0, 100);
	bufferevent_enable(server, EV_READ | EV_WRITE);
	bufferevent_enable(client, EV_READ | EV_WRITE);
	bufferevent_write(client, data, sizeof(data));
	run_for(base, 200);
	return verdict(deepest > 1, "a read callback runs inside itself");
}
