/* TLS on a descriptor: a write that fails behind a close_notify is told as EOF. */
#include "../tls_ends.h"
#include <signal.h>

static short told;
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	if (what & BEV_EVENT_WRITING)
		told = what;
}

int
main(void)
{
	struct event_base *base = event_base_new();
	struct linger none = {1, 0};
	int fd[2];
	signal(SIGPIPE, SIG_IGN);
	connected_pair(fd);
	struct bufferevent *server = tls_on(base, fd[1], 1), *client = tls_on(base, fd[0], 0);
	bufferevent_enable(server, EV_READ | EV_WRITE);
	bufferevent_setcb(client, NULL, NULL, on_event, NULL);
	bufferevent_enable(client, EV_READ | EV_WRITE);
	run_for(base, 100);
	SSL_shutdown(bufferevent_openssl_get_ssl(server));
	run_for(base, 100);
	setsockopt(fd[1], SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	bufferevent_free(server);
	run_for(base, 100);
	bufferevent_write(client, "x", 1);
	run_for(base, 100);
	return verdict(told == (BEV_EVENT_EOF | BEV_EVENT_WRITING), "a write that failed is told as EOF");
}
