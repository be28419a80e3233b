/* A filter hands nothing down though the one below has room: that one has not written everything. */
#include "../loopback.h"

static enum bufferevent_filter_result
copy(struct evbuffer *from, struct evbuffer *to, ev_ssize_t limit, enum bufferevent_flush_mode mode,
    void *arg)
{
	return evbuffer_remove_buffer(from, to, limit < 0 ? 65536 : (size_t)limit) > 0 ? BEV_OK : BEV_NEED_MORE;
}

int
main(void)
{
	struct event_base *base = event_base_new();
	static char bytes[16 << 20]; /* more than the kernel takes */
	int fd[2];
	connected_pair(fd);
	struct bufferevent *below = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	struct bufferevent *bev = bufferevent_filter_new(below, copy, copy, BEV_OPT_CLOSE_ON_FREE, NULL, NULL);
	bufferevent_setwatermark(below, EV_WRITE, 0, 100000);
	bufferevent_write(bev, bytes, sizeof(bytes));
	run_for(base, 300); /* nobody reads */
	size_t above = evbuffer_get_length(bufferevent_get_output(bev));
	size_t here = evbuffer_get_length(bufferevent_get_output(below));
	printf("%zu bytes above, %zu of 100000 below\n", above, here);
	return verdict(above > 0 && here < 100000, "bytes rest in a filter above an output that has room");
}
