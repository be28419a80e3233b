/* What one end of a pair writes is never taken, and its write timeout never comes. */
#include "../loopback.h"

static short told;
static void on_event(struct bufferevent *bev, short what, void *arg) { told |= what; }

int
main(void)
{
	struct event_base *base = event_base_new();
	struct timeval timeout = {0, 20000};
	struct bufferevent *pair[2];
	bufferevent_pair_new(base, 0, pair);
	bufferevent_setcb(pair[0], NULL, NULL, on_event, NULL);
	bufferevent_set_timeouts(pair[0], NULL, &timeout);
	bufferevent_enable(pair[0], EV_WRITE);
	bufferevent_write(pair[0], "x", 1); /* the other end does not read */
	run_for(base, 200);
	size_t left = evbuffer_get_length(bufferevent_get_output(pair[0]));
	return verdict(left == 1 && told == 0, "no write timeout of 20 ms after 200 ms without a byte taken");
}
