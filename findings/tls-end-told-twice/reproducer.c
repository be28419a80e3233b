/* TLS over a bufferevent with a high watermark: one close_notify is told as EOF twice. */
#include "../tls_ends.h"

static int ends;
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	ends += what == (BEV_EVENT_READING | BEV_EVENT_EOF);
}

int
main(void)
{
	struct event_base *base = event_base_new();
	int fd[2];
	connected_pair(fd);
	struct bufferevent *server = tls_over(base, fd[1], 1), *client = tls_on(base, fd[0], 0);
	bufferevent_setcb(server, NULL, NULL, on_event, NULL);
	bufferevent_setwatermark(server, EV_READ, 0, 100);
	bufferevent_enable(server, EV_READ | EV_WRITE);
	bufferevent_enable(client, EV_READ | EV_WRITE);
	run_for(base, 50);
	/* data and the end of it, in one segment or in two: both are read in one go */
	bufferevent_disable(bufferevent_get_underlying(server), EV_READ);
	SSL_write(bufferevent_openssl_get_ssl(client), "x", 1);
	SSL_shutdown(bufferevent_openssl_get_ssl(client));
	bufferevent_enable(bufferevent_get_underlying(server), EV_READ);
	run_for(base, 100);
	return verdict(ends > 1, "READING|EOF comes twice for one close_notify");
}
