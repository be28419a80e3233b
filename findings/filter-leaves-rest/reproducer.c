/* What a filter's high watermark kept below stays there for ever, if its read callback took all. */
#include "../loopback.h"

static size_t taken;
static enum bufferevent_filter_result
copy(struct evbuffer *from, struct evbuffer *to, ev_ssize_t limit, enum bufferevent_flush_mode mode,
    void *arg)
{
	return evbuffer_remove_buffer(from, to, limit < 0 ? 65536 : (size_t)limit) > 0 ? BEV_OK : BEV_NEED_MORE;
}
static void
on_read(struct bufferevent *bev, void *arg)
{
	size_t size = evbuffer_get_length(bufferevent_get_input(bev));
	evbuffer_drain(bufferevent_get_input(bev), size);
	taken += size;
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
	send_bytes(fd[1], 100);
	run_for(base, 100);
	size_t rest = evbuffer_get_length(bufferevent_get_input(below));
	return verdict(taken == 64 && rest == 36, "36 of 100 bytes stay below a filter that reads and is empty");
}
