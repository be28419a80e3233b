/* A flush moves what a filter received into its input, and no read callback ever tells of it. */
#include "../loopback.h"

static int calls;
static enum bufferevent_filter_result
copy(struct evbuffer *from, struct evbuffer *to, ev_ssize_t limit, enum bufferevent_flush_mode mode,
    void *arg)
{
	return evbuffer_remove_buffer(from, to, 65536) > 0 ? BEV_OK : BEV_NEED_MORE;
}
static void on_read(struct bufferevent *bev, void *arg) { calls++; }

int
main(void)
{
	struct event_base *base = event_base_new();
	struct bufferevent *pair[2];
	bufferevent_pair_new(base, BEV_OPT_CLOSE_ON_FREE, pair);
	struct bufferevent *bev = bufferevent_filter_new(pair[1], copy, copy, BEV_OPT_CLOSE_ON_FREE, NULL, NULL);
	bufferevent_setcb(bev, on_read, NULL, NULL, NULL);
	bufferevent_enable(bev, EV_READ);
	bufferevent_write(pair[0], "x", 1);
	bufferevent_flush(bev, EV_READ, BEV_FLUSH);
	run_for(base, 50);
	size_t size = evbuffer_get_length(bufferevent_get_input(bev));
	return verdict(size == 1 && calls == 0, "a byte in a filter's input, and no read callback");
}
