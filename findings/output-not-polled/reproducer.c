/* bufferevent_write gives 0, but nothing will ever write the bytes, and nothing says so. */
#include "../loopback.h"
#include "../failing_epoll.h"

static int told;
static void on_event(struct bufferevent *bev, short what, void *arg) { told = 1; }

int
main(void)
{
	struct event_base *base = event_base_new();
	int fd[2];
	char byte;
	connected_pair(fd);
	struct bufferevent *bev = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, NULL, NULL, on_event, NULL);
	refusing = 1;
	int result = bufferevent_write(bev, "x", 1);
	refusing = 0;
	run_for(base, 100);
	int got = (int)recv(fd[1], &byte, 1, MSG_DONTWAIT);
	return verdict(result == 0 && got < 0 && !told,
	    "bufferevent_write gave 0, and nothing writes the byte");
}
