/* A filter tells the end of the stream though a byte before it waits below, which it would take. */
#include "../loopback.h"

static short told;
static size_t below;
static struct bufferevent *pair[2];
static enum bufferevent_filter_result
copy(struct evbuffer *from, struct evbuffer *to, ev_ssize_t limit, enum bufferevent_flush_mode mode,
    void *arg)
{
	return evbuffer_remove_buffer(from, to, 65536) > 0 ? BEV_OK : BEV_NEED_MORE;
}
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	told |= what;
	below = evbuffer_get_length(bufferevent_get_input(pair[1]));
}

int
main(void)
{
	struct event_base *base = event_base_new();
	bufferevent_pair_new(base, BEV_OPT_CLOSE_ON_FREE, pair);
	struct bufferevent *bev = bufferevent_filter_new(pair[1], copy, copy, BEV_OPT_CLOSE_ON_FREE, NULL, NULL);
	bufferevent_setcb(bev, NULL, NULL, on_event, NULL);
	bufferevent_write(pair[0], "x", 1); /* the filter does not read yet */
	bufferevent_flush(pair[0], EV_WRITE, BEV_FINISHED);
	run_for(base, 50);
	return verdict(told & BEV_EVENT_EOF && below == 1, "EOF, and a byte that came before it is below");
}
