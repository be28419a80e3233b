/* The echo of bench/echo.py with libevent's own bufferevents: both ends of every connection on one
 * base, in this process. Arguments: round trips, connections, bytes of a message, the greatest single
 * read and write (0: libevent's default of 16 KiB), and whether to set TCP_NODELAY. Prints round trips a second. */

#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CONNECTIONS_MAX = 1024 };

static struct event_base *base;
static struct bufferevent *clients[CONNECTIONS_MAX];
static struct timespec started, stopped;
static char *message;
static size_t message_size, single_max;
static long left;
static int connections, connected, no_delay;

/* libevent leaves Nagle's algorithm on; asyncio and duopoll switch it off. */
static void set_no_delay(evutil_socket_t fd) {
    int one = 1;
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one)) exit(1);
}

static struct bufferevent *new_bufferevent(evutil_socket_t fd) {
    struct bufferevent *bev = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (!bev) exit(1);
    if (no_delay && fd >= 0) set_no_delay(fd);
    if (single_max) {
        bufferevent_set_max_single_read(bev, single_max);
        bufferevent_set_max_single_write(bev, single_max);
    }
    return bev;
}

static void on_server_read(struct bufferevent *bev, void *context) {
    (void)context;
    bufferevent_write_buffer(bev, bufferevent_get_input(bev));
}

static void on_client_read(struct bufferevent *bev, void *context) {
    (void)context;
    evbuffer_drain(bufferevent_get_input(bev), message_size);
    if (--left == 0) {
        clock_gettime(CLOCK_MONOTONIC, &stopped);
        event_base_loopbreak(base);
    } else if (left > 0) {
        bufferevent_write(bev, message, message_size);
    }
}

static void on_client_event(struct bufferevent *bev, short what, void *context) {
    (void)context;
    if (what != BEV_EVENT_CONNECTED) exit(1);
    if (no_delay) set_no_delay(bufferevent_getfd(bev));
    if (++connected < connections) return;
    clock_gettime(CLOCK_MONOTONIC, &started);
    for (int i = 0; i < connections; i++) bufferevent_write(clients[i], message, message_size);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *peer,
                      int peer_size, void *context) {
    (void)listener, (void)peer, (void)peer_size, (void)context;
    struct bufferevent *bev = new_bufferevent(fd);
    bufferevent_setcb(bev, on_server_read, NULL, NULL, NULL);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static struct sockaddr_in listen_on_loopback(void) {
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    struct evconnlistener *listener =
        evconnlistener_new_bind(base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE, CONNECTIONS_MAX,
                                (struct sockaddr *)&address, sizeof address);
    if (!listener) exit(1);
    getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &size);
    return address;
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    long trips = left = atol(argv[1]);
    connections = atoi(argv[2]);
    message_size = (size_t)atol(argv[3]);
    single_max = (size_t)atol(argv[4]);
    no_delay = atoi(argv[5]);
    if (connections < 1 || connections > CONNECTIONS_MAX) return 2;
    message = calloc(1, message_size);
    base = event_base_new();
    if (!message || !base) return 1;
    struct sockaddr_in address = listen_on_loopback();
    for (int i = 0; i < connections; i++) {
        clients[i] = new_bufferevent(-1);
        bufferevent_setcb(clients[i], on_client_read, NULL, on_client_event, NULL);
        bufferevent_setwatermark(clients[i], EV_READ, message_size, 0);
        bufferevent_enable(clients[i], EV_READ | EV_WRITE);
        bufferevent_socket_connect(clients[i], (struct sockaddr *)&address, sizeof address);
    }
    event_base_dispatch(base);
    double seconds = (double)(stopped.tv_sec - started.tv_sec) +
                     (double)(stopped.tv_nsec - started.tv_nsec) / 1e9;
    printf("%.1f\n", (double)trips / seconds);
    return 0;
}
