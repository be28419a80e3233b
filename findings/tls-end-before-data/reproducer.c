/* TLS over a bufferevent: the end of the stream is told before the data that came before it. */
#include "../tls_ends.h"

static int reads;
static void
on_read(struct bufferevent *bev, void *arg)
{
	reads++;
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	if (what & BEV_EVENT_EOF) {
		bufferevent_disable(bev, EV_READ);
		bufferevent_setwatermark(bev, EV_READ, 2, 0);
	}
}

int
main(void)
{
	struct event_base *base = event_base_new();
	int fd[2];
	connected_pair(fd);
	struct bufferevent *server = tls_over(base, fd[1], 1), *client = tls_over(base, fd[0], 0);
	bufferevent_setcb(server, on_read, NULL, on_event, NULL);
	bufferevent_enable(server, EV_READ | EV_WRITE);
	bufferevent_enable(client, EV_READ | EV_WRITE);
	run_for(base, 100);
	bufferevent_write(client, "x", 1);
	SSL_shutdown(bufferevent_openssl_get_ssl(client));
	run_for(base, 100);
	return verdict(!reads && evbuffer_get_length(bufferevent_get_input(server)) == 1,
	    "a byte that came before the end is never offered");
}
