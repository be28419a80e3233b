/* A loop that comes late finds a timer due and the bytes it waits for there: it tells the timeout. */
#include "../loopback.h"

static int timed_out, got_data;
static void on_read(struct bufferevent *bev, void *arg) { got_data = 1; }
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	if (what & BEV_EVENT_TIMEOUT)
		timed_out = 1;
}
static void busy(evutil_socket_t fd, short what, void *arg)
{
	usleep(60000);
	send_bytes(*(int *)arg, 64);
	usleep(60000);
}

int
main(void)
{
	struct event_base *base = event_base_new();
	struct timeval timeout = {0, 100000}, soon = {0, 10000};
	int fd[2];
	connected_pair(fd);
	struct bufferevent *bev = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, on_read, NULL, on_event, NULL);
	bufferevent_set_timeouts(bev, &timeout, NULL);
	bufferevent_enable(bev, EV_READ);
	event_base_once(base, -1, EV_TIMEOUT, busy, &fd[1], &soon);
	run_for(base, 400);
	return verdict(timed_out && !got_data, "READING|TIMEOUT with 64 bytes to read, and no read callback");
}
