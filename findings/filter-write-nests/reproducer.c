/* bufferevent_write in a filter's read callback calls its write callback before it returns. */
#include "../loopback.h"

static int inside, nested;
static enum bufferevent_filter_result
copy(struct evbuffer *from, struct evbuffer *to, ev_ssize_t limit, enum bufferevent_flush_mode mode,
    void *arg)
{
	return evbuffer_remove_buffer(from, to, 65536) > 0 ? BEV_OK : BEV_NEED_MORE;
}
static void
on_read(struct bufferevent *bev, void *arg)
{
	inside = 1;
	bufferevent_write(bev, "x", 1);
	inside = 0;
}
static void on_write(struct bufferevent *bev, void *arg) { nested += inside; }

int
main(void)
{
	struct event_base *base = event_base_new();
	int fd[2];
	connected_pair(fd);
	struct bufferevent *below = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	struct bufferevent *bev = bufferevent_filter_new(below, copy, copy, BEV_OPT_CLOSE_ON_FREE, NULL, NULL);
	bufferevent_setcb(bev, on_read, on_write, NULL, NULL);
	bufferevent_enable(bev, EV_READ);
	send_bytes(fd[1], 1);
	run_for(base, 50);
	return verdict(nested > 0, "a write callback runs inside the read callback");
}
