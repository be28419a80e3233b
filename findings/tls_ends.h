/* What reproducers of TLS on a descriptor share: a server's context that is made up on the spot. */
#ifndef TLS_ENDS_H
#define TLS_ENDS_H
#include "loopback.h"
#include <event2/bufferevent_ssl.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

static inline SSL *
server_ssl(void)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *certificate = X509_new();
	X509_set_version(certificate, 2);
	X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
	X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
	X509_set_pubkey(certificate, key);
	X509_sign(certificate, key, EVP_sha256());
	SSL_CTX_set_num_tickets(context, 0); /* nothing comes behind the handshake */
	SSL_CTX_use_certificate(context, certificate);
	SSL_CTX_use_PrivateKey(context, key);
	return SSL_new(context);
}

static inline SSL *
client_ssl(void)
{
	return SSL_new(SSL_CTX_new(TLS_client_method()));
}

/* TLS on one of two connected descriptors. */
static inline struct bufferevent *
tls_on(struct event_base *base, int fd, int server)
{
	evutil_make_socket_nonblocking(fd);
	return bufferevent_openssl_socket_new(base, fd, server ? server_ssl() : client_ssl(),
	    server ? BUFFEREVENT_SSL_ACCEPTING : BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
}

/* TLS over a socket's bufferevent, on one of two connected descriptors. */
static inline struct bufferevent *
tls_over(struct event_base *base, int fd, int server)
{
	evutil_make_socket_nonblocking(fd);
	return bufferevent_openssl_filter_new(base, bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE),
	    server ? server_ssl() : client_ssl(),
	    server ? BUFFEREVENT_SSL_ACCEPTING : BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
}
#endif
