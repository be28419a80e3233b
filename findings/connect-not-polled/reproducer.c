/* bufferevent_socket_connect gives 0, READ is enabled, but nothing will ever read. */
#include "../loopback.h"
#include <sys/epoll.h>
#include <sys/syscall.h>

static int refused;
int
epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	if (op == EPOLL_CTL_ADD && !refused) { /* the first registration only */
		refused = 1;
		errno = ENOSPC;
		return -1;
	}
	return (int)syscall(SYS_epoll_ctl, epfd, op, fd, event);
}

static int connected, got_data;
static void on_read(struct bufferevent *bev, void *arg) { got_data = 1; }
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	connected |= what & BEV_EVENT_CONNECTED;
}

int
main(void)
{
	struct event_base *base = event_base_new();
	int listener = raw_listener(8);
	struct sockaddr_in sin = loopback(port_of(listener));
	struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, on_read, NULL, on_event, NULL);
	bufferevent_enable(bev, EV_READ);
	int result = bufferevent_socket_connect(bev, (struct sockaddr *)&sin, sizeof(sin));
	send_bytes(accept(listener, NULL, NULL), 64);
	run_for(base, 100);
	return verdict(result == 0 && connected && !got_data,
	    "connect gave 0 and CONNECTED came, but 64 bytes are never read");
}
