/* TLS over a bufferevent: the peer goes in the middle of the handshake, and that is told as EOF. */
#include "../tls_ends.h"

static short told;
static void on_event(struct bufferevent *bev, short what, void *arg) { told |= what; }

int
main(void)
{
	struct event_base *base = event_base_new();
	char hello[4096];
	int fd[2];
	connected_pair(fd);
	struct bufferevent *client = tls_over(base, fd[0], 0);
	bufferevent_openssl_set_allow_dirty_shutdown(client, 1);
	bufferevent_setcb(client, NULL, NULL, on_event, NULL);
	bufferevent_enable(client, EV_READ | EV_WRITE);
	run_for(base, 20);
	if (recv(fd[1], hello, sizeof(hello), 0) <= 0)
		return 2;
	close(fd[1]);
	run_for(base, 100);
	return verdict(told == BEV_EVENT_EOF, "EOF, and neither CONNECTED nor ERROR, of a handshake that was broken off");
}
