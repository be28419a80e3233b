/* Taking bytes from the input starts the read timeout again, when a high watermark is set. */
#include "../loopback.h"
#include <time.h>

static struct timespec fired;
static void on_read(struct bufferevent *bev, void *arg) {}
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	if (what & BEV_EVENT_TIMEOUT)
		clock_gettime(CLOCK_MONOTONIC, &fired);
}
static void take(evutil_socket_t fd, short what, void *bev)
{
	evbuffer_drain(bufferevent_get_input(bev), 1);
}

int
main(void)
{
	struct event_base *base = event_base_new();
	struct timeval timeout = {0, 100000}, later = {0, 80000};
	struct timespec start;
	int fd[2];
	connected_pair(fd);
	struct bufferevent *bev = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, on_read, NULL, on_event, NULL);
	bufferevent_setwatermark(bev, EV_READ, 0, 4096);
	bufferevent_set_timeouts(bev, &timeout, NULL);
	bufferevent_enable(bev, EV_READ);
	send_bytes(fd[1], 64);
	clock_gettime(CLOCK_MONOTONIC, &start);
	event_base_once(base, -1, EV_TIMEOUT, take, bev, &later);
	run_for(base, 500);
	long ms = (fired.tv_sec - start.tv_sec) * 1000 + (fired.tv_nsec - start.tv_nsec) / 1000000;
	return verdict(fired.tv_sec && ms >= 160, "a timeout of 100 ms comes 180 ms after the last byte");
}
