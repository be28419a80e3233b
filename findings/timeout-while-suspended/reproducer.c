/* A filter at its high watermark, which reads nothing for that reason, has a read timeout. */
#include "../loopback.h"

static short told;
static enum bufferevent_filter_result
copy(struct evbuffer *from, struct evbuffer *to, ev_ssize_t limit, enum bufferevent_flush_mode mode,
    void *arg)
{
	return evbuffer_remove_buffer(from, to, 65536) > 0 ? BEV_OK : BEV_NEED_MORE;
}
static void on_event(struct bufferevent *bev, short what, void *arg) { told |= what; }

int
main(void)
{
	struct event_base *base = event_base_new();
	struct timeval timeout = {0, 20000};
	int fd[2];
	connected_pair(fd);
	struct bufferevent *below = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	struct bufferevent *bev = bufferevent_filter_new(below, copy, copy, BEV_OPT_CLOSE_ON_FREE, NULL, NULL);
	bufferevent_setcb(bev, NULL, NULL, on_event, NULL);
	bufferevent_setwatermark(bev, EV_READ, 0, 10);
	bufferevent_set_timeouts(bev, &timeout, NULL);
	send_bytes(fd[1], 10);
	bufferevent_enable(bev, EV_READ);
	run_for(base, 100);
	return verdict(told == (BEV_EVENT_READING | BEV_EVENT_TIMEOUT) &&
		evbuffer_get_length(bufferevent_get_input(bev)) == 10,
	    "READING|TIMEOUT of a filter that its full input has suspended");
}
