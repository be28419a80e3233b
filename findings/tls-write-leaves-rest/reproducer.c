/* TLS over a bufferevent, said to be open: behind a write that shook hands the rest is left. */
#include "../tls_ends.h"

static char bytes[4000000];

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	bufferevent_disable(bev, EV_READ); /* the kernel's buffers stay full */
}

int
main(void)
{
	struct event_base *base = event_base_new();
	int fd[2];
	connected_pair(fd);
	struct bufferevent *below = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	SSL *ssl = client_ssl();
	SSL_set_connect_state(ssl);
	struct bufferevent *client =
	    bufferevent_openssl_filter_new(base, below, ssl, BUFFEREVENT_SSL_OPEN, BEV_OPT_CLOSE_ON_FREE);
	struct bufferevent *server = tls_on(base, fd[1], 1);
	bufferevent_setcb(server, NULL, NULL, on_event, NULL);
	bufferevent_enable(server, EV_READ | EV_WRITE);
	bufferevent_enable(client, EV_READ | EV_WRITE);
	bufferevent_write(client, bytes, sizeof(bytes));
	bufferevent_write(client, bytes, sizeof(bytes));
	run_for(base, 200);
	return verdict(evbuffer_get_length(bufferevent_get_output(client)) > 0 &&
	    evbuffer_get_length(bufferevent_get_output(below)) > 0,
	    "what was written behind a blocked write is not handed down");
}
