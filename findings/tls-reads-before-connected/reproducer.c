/* TLS over a bufferevent: when the handshake ends with data behind it, they come before CONNECTED. */
#include "../tls_ends.h"

static int connected, early;
static void
on_read(struct bufferevent *bev, void *arg)
{
	early += !connected;
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	connected |= what & BEV_EVENT_CONNECTED;
}

int
main(void)
{
	struct event_base *base = event_base_new();
	struct bufferevent *pair[2];
	SSL *client = client_ssl();
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	char bytes[65536];
	int size, flight;
	SSL_set_bio(client, in, out);
	SSL_set_connect_state(client);
	bufferevent_pair_new(base, BEV_OPT_CLOSE_ON_FREE, pair);
	bufferevent_enable(pair[0], EV_READ | EV_WRITE);
	struct bufferevent *server = bufferevent_openssl_filter_new(base, pair[1], server_ssl(),
	    BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(server, on_read, NULL, on_event, NULL);
	bufferevent_enable(server, EV_READ | EV_WRITE);
	for (flight = 0; flight < 2; flight++) {
		SSL_do_handshake(client);
		if (flight == 1)
			SSL_write(client, "data", 4); /* behind its last flight */
		size = BIO_read(out, bytes, sizeof(bytes));
		bufferevent_write(pair[0], bytes, (size_t)size);
		run_for(base, 20);
		while ((size = (int)bufferevent_read(pair[0], bytes, sizeof(bytes))) > 0)
			BIO_write(in, bytes, size);
	}
	return verdict(early > 0 && connected, "a read callback comes before CONNECTED");
}
