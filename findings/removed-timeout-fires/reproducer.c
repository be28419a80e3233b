/* A read timeout that is removed while reading is suspended fires nevertheless, later. */
#include "../loopback.h"

static int timed_out, reads;
static void
on_read(struct bufferevent *bev, void *arg)
{
	if (reads++ == 0)
		bufferevent_set_timeouts(bev, NULL, NULL); /* at the watermark: suspended */
	else
		evbuffer_drain(bufferevent_get_input(bev), 1000);
}
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	timed_out |= what & BEV_EVENT_TIMEOUT;
}

int
main(void)
{
	struct event_base *base = event_base_new();
	struct timeval timeout = {0, 50000};
	int fd[2];
	connected_pair(fd);
	struct bufferevent *bev = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, on_read, NULL, on_event, NULL);
	bufferevent_setwatermark(bev, EV_READ, 0, 64);
	bufferevent_set_timeouts(bev, &timeout, NULL);
	bufferevent_enable(bev, EV_READ);
	send_bytes(fd[1], 100);
	run_for(base, 300);
	return verdict(timed_out, "READING|TIMEOUT of a timeout that was removed");
}
