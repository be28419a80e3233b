/* A filter takes bytes from below though the filter above it has suspended it. */
#include "../loopback.h"

static enum bufferevent_filter_result
copy(struct evbuffer *from, struct evbuffer *to, ev_ssize_t limit, enum bufferevent_flush_mode mode,
    void *arg)
{
	return evbuffer_remove_buffer(from, to, 65536) > 0 ? BEV_OK : BEV_NEED_MORE;
}

int
main(void)
{
	struct event_base *base = event_base_new();
	struct bufferevent *pair[2];
	bufferevent_pair_new(base, BEV_OPT_CLOSE_ON_FREE, pair);
	struct bufferevent *middle = bufferevent_filter_new(pair[1], copy, copy, BEV_OPT_CLOSE_ON_FREE, NULL, NULL);
	struct bufferevent *top = bufferevent_filter_new(middle, copy, copy, BEV_OPT_CLOSE_ON_FREE, NULL, NULL);
	bufferevent_enable(top, EV_READ);
	bufferevent_write(pair[0], "x", 1); /* pair[1] has it, its read callback is to come */
	bufferevent_disable(top, EV_READ);
	run_for(base, 50);
	size_t size = evbuffer_get_length(bufferevent_get_input(middle));
	return verdict(size == 1, "a byte in the input of a filter that was suspended before it got any");
}
