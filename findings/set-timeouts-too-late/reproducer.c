/* Timeouts that are raised in the callback of one do not hold for the other, which is due as well. */
#include "../loopback.h"

static int after;
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct timeval minute = {60, 0};
	if (what & BEV_EVENT_TIMEOUT && after++ == 0)
		bufferevent_set_timeouts(bev, &minute, &minute);
}

int
main(void)
{
	struct event_base *base = event_base_new();
	struct timeval timeout = {0, 50000};
	static char bytes[1 << 24];
	int fd[2];
	connected_pair(fd);
	struct bufferevent *bev = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, NULL, NULL, on_event, NULL);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	bufferevent_write(bev, bytes, sizeof(bytes)); /* more than the kernel takes */
	run_for(base, 100);
	bufferevent_set_timeouts(bev, &timeout, &timeout);
	run_for(base, 200);
	return verdict(after == 2, "a second TIMEOUT at once, although both timeouts are a minute now");
}
