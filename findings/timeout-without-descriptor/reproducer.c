/* A write timeout of a bufferevent that has no descriptor and nothing to write. */
#include "../loopback.h"

static int timed_out;
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	timed_out |= what == (BEV_EVENT_WRITING | BEV_EVENT_TIMEOUT);
}

int
main(void)
{
	struct event_base *base = event_base_new();
	struct timeval soon = {0, 20000};
	struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, NULL, NULL, on_event, NULL);
	bufferevent_set_timeouts(bev, NULL, &soon);
	bufferevent_enable(bev, EV_WRITE);
	run_for(base, 100);
	return verdict(timed_out, "WRITING|TIMEOUT with nothing to write and no descriptor to write to");
}
