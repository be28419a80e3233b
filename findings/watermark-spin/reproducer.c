/* A read callback that leaves the input at its high watermark is called again and again. */
#include "../loopback.h"

static int calls;
static void on_read(struct bufferevent *bev, void *arg) { calls++; }

int
main(void)
{
	struct event_base *base = event_base_new();
	int fd[2];
	connected_pair(fd);
	struct bufferevent *bev = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, on_read, NULL, NULL, NULL);
	bufferevent_setwatermark(bev, EV_READ, 0, 64);
	bufferevent_enable(bev, EV_READ);
	send_bytes(fd[1], 100);
	run_for(base, 50);
	return verdict(calls > 100, "hundreds of read callbacks in 50 ms, for 64 bytes");
}
