/* The wait for a timer is reckoned from before the callbacks of the last pass: it comes too late. */
#include "../loopback.h"
#include <time.h>

static struct timespec fired;
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	if (what & BEV_EVENT_TIMEOUT)
		clock_gettime(CLOCK_MONOTONIC, &fired);
}
static void busy(evutil_socket_t fd, short what, void *arg) { usleep(80000); }

int
main(void)
{
	struct event_base *base = event_base_new();
	struct timeval timeout = {0, 100000}, now = {0, 0};
	struct timespec start;
	int fd[2];
	connected_pair(fd);
	struct bufferevent *bev = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, NULL, NULL, on_event, NULL);
	bufferevent_set_timeouts(bev, &timeout, NULL);
	bufferevent_enable(bev, EV_READ);
	clock_gettime(CLOCK_MONOTONIC, &start);
	event_base_once(base, -1, EV_TIMEOUT, busy, NULL, &now);
	run_for(base, 1000);
	long ms = (fired.tv_sec - start.tv_sec) * 1000 + (fired.tv_nsec - start.tv_nsec) / 1000000;
	return verdict(fired.tv_sec && ms >= 160, "a timeout of 100 ms comes after 180, the loop idle for the last 100");
}
