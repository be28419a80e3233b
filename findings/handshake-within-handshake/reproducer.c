/* TLS over a filter: SSL_do_handshake is called inside SSL_do_handshake, and begins anew. */
#include "../loopback.h"
#include <event2/bufferevent_ssl.h>
#include <openssl/ssl.h>

static enum bufferevent_filter_result
copy(struct evbuffer *from, struct evbuffer *to, ev_ssize_t limit, enum bufferevent_flush_mode mode,
    void *arg)
{
	return evbuffer_remove_buffer(from, to, 65536) > 0 ? BEV_OK : BEV_NEED_MORE;
}

int
main(void)
{
	struct event_base *base = event_base_new();
	SSL *ssl = SSL_new(SSL_CTX_new(TLS_client_method()));
	unsigned char sent[65536];
	int fd[2], hellos = 0;
	connected_pair(fd);
	struct bufferevent *below = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	struct bufferevent *filter = bufferevent_filter_new(below, copy, copy, BEV_OPT_CLOSE_ON_FREE, NULL, NULL);
	struct bufferevent *bev = bufferevent_openssl_filter_new(base, filter, ssl, BUFFEREVENT_SSL_CONNECTING,
	    BEV_OPT_CLOSE_ON_FREE);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	run_for(base, 50);
	ssize_t size = recv(fd[1], sent, sizeof(sent), MSG_DONTWAIT), at;
	for (at = 0; at + 5 < size; at += 5 + (sent[at + 3] << 8) + sent[at + 4])
		hellos += sent[at] == 22 && sent[at + 5] == 1; /* a handshake record with a ClientHello */
	return verdict(hellos > 1, "a client begins its handshake twice on one connection");
}
