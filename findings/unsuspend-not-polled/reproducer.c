/* Input that is drained below its high watermark does not resume reading, and nothing says so. */
#include "../loopback.h"
#include "../failing_epoll.h"

static size_t taken;
static int events;
static void
on_read(struct bufferevent *bev, void *arg)
{
	size_t size = evbuffer_get_length(bufferevent_get_input(bev));
	refusing = 1;
	evbuffer_drain(bufferevent_get_input(bev), size);
	refusing = 0;
	taken += size;
}
static void on_event(struct bufferevent *bev, short what, void *arg) { events++; }

int
main(void)
{
	struct event_base *base = event_base_new();
	int fd[2];
	connected_pair(fd);
	struct bufferevent *bev = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, on_read, NULL, on_event, NULL);
	bufferevent_setwatermark(bev, EV_READ, 0, 64);
	bufferevent_enable(bev, EV_READ);
	bufferevent_disable(bev, EV_WRITE);
	send_bytes(fd[1], 128);
	run_for(base, 100);
	return verdict(taken == 64 && !events, "64 of 128 bytes are never read, and nothing says so");
}
