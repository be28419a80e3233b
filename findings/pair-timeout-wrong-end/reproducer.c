/* A pair's write timeout comes though all was taken: the timer of the wrong end is stopped. */
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
	bufferevent_write(pair[0], "x", 1);
	bufferevent_set_timeouts(pair[0], NULL, &timeout);
	bufferevent_enable(pair[1], EV_READ); /* which takes the byte */
	size_t left = evbuffer_get_length(bufferevent_get_output(pair[0]));
	run_for(base, 100);
	return verdict(left == 0 && told == (BEV_EVENT_WRITING | BEV_EVENT_TIMEOUT),
	    "WRITING|TIMEOUT of an end of a pair that had nothing to write");
}
