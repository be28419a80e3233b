/* Draining a filter's input in its read callback calls that callback again before it returns. */
#include "../loopback.h"

static int calls, depth, deepest;
static enum bufferevent_filter_result
copy(struct evbuffer *from, struct evbuffer *to, ev_ssize_t limit, enum bufferevent_flush_mode mode,
    void *arg)
{
	return evbuffer_remove_buffer(from, to, limit < 0 ? 65536 : (size_t)limit) > 0 ? BEV_OK : BEV_NEED_MORE;
}
static void
on_read(struct bufferevent *bev, void *arg)
{
	if (++depth > deepest)
		deepest = depth;
	if (++calls > 1) /* the first one leaves all of it */
		evbuffer_drain(bufferevent_get_input(bev), 64);
	depth--;
}

int
main(void)
{
	struct event_base *base = event_base_new();
	int fd[2];
	connected_pair(fd);
	struct bufferevent *below = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	struct bufferevent *bev = bufferevent_filter_new(below, copy, copy, BEV_OPT_CLOSE_ON_FREE, NULL, NULL);
	bufferevent_setcb(bev, on_read, NULL, NULL, NULL);
	bufferevent_setwatermark(bev, EV_READ, 0, 64);
	bufferevent_enable(bev, EV_READ);
	send_bytes(fd[1], 1000);
	run_for(base, 50);
	return verdict(deepest > 1, "a read callback runs inside the read callback");
}
