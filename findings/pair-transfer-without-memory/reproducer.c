/* A pair's transfer finds no memory: a read callback comes for nothing, and nobody tries again. */
#include "../loopback.h"

static int left = -1, empty, calls;
static void *give(size_t size) { return left >= 0 && left-- == 0 ? NULL : malloc(size); }
static void
on_read(struct bufferevent *bev, void *arg)
{
	calls++;
	empty += evbuffer_get_length(bufferevent_get_input(bev)) == 0;
}

int
main(void)
{
	event_set_mem_functions(give, realloc, free);
	struct event_base *base = event_base_new();
	struct bufferevent *pair[2];
	bufferevent_pair_new(base, BEV_OPT_CLOSE_ON_FREE, pair);
	bufferevent_setcb(pair[1], on_read, NULL, NULL, NULL);
	bufferevent_setwatermark(pair[1], EV_READ, 0, 1);
	bufferevent_enable(pair[1], EV_READ);
	left = 1; /* the output has memory, the input of the other end has none */
	bufferevent_write(pair[0], "xy", 2);
	left = -1;
	run_for(base, 50);
	return verdict(calls == 1 && empty == 1, "one read callback, and nothing was in the input");
}
