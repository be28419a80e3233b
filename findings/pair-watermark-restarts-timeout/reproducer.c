/* A pair's read timeout is put off by a flush that moves nothing, if there is a high watermark. */
#include "../loopback.h"

static struct bufferevent *pair[2];
static struct timeval timeout = {0, 150000}, half = {0, 100000};
static short told;
static void on_event(struct bufferevent *bev, short what, void *arg) { told |= what; }
static void
on_half(evutil_socket_t fd, short what, void *arg)
{
	bufferevent_flush(pair[1], EV_WRITE, BEV_FLUSH);
}

int
main(void)
{
	struct event_base *base = event_base_new();
	bufferevent_pair_new(base, 0, pair);
	bufferevent_setcb(pair[0], NULL, NULL, on_event, NULL);
	bufferevent_setwatermark(pair[0], EV_READ, 0, 1);
	bufferevent_set_timeouts(pair[0], &timeout, NULL);
	bufferevent_enable(pair[0], EV_READ);
	event_base_once(base, -1, EV_TIMEOUT, on_half, NULL, &half);
	run_for(base, 200);
	int late = !told;
	run_for(base, 150);
	return verdict(late && told == (BEV_EVENT_READING | BEV_EVENT_TIMEOUT),
	    "READING|TIMEOUT of an end that got no byte, counted from a flush of nothing");
}
