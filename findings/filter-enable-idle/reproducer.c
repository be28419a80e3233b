/* Writing is enabled on a filter that has output: nothing is written. */
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
	int fd[2];
	char byte;
	connected_pair(fd);
	struct bufferevent *below = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	struct bufferevent *bev = bufferevent_filter_new(below, copy, copy, BEV_OPT_CLOSE_ON_FREE, NULL, NULL);
	run_for(base, 20);
	bufferevent_disable(bev, EV_WRITE);
	bufferevent_write(bev, "x", 1);
	bufferevent_enable(bev, EV_WRITE);
	run_for(base, 100);
	int came = recv(fd[1], &byte, 1, MSG_DONTWAIT) == 1;
	return verdict(!came, "a byte that a filter may write is not written");
}
