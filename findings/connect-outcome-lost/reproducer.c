/* A timeout of a connect takes its descriptor out of epoll and fails to put it back: no outcome. */
#include "../loopback.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

static int additions;
int
epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	if (op == EPOLL_CTL_ADD && ++additions == 2) {
		errno = ENOSPC;
		return -1;
	}
	return (int)syscall(SYS_epoll_ctl, epfd, op, fd, event);
}

static int timeouts, outcomes;
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	if (what & BEV_EVENT_TIMEOUT)
		timeouts++;
	if (what & (BEV_EVENT_CONNECTED | BEV_EVENT_ERROR))
		outcomes++;
}

int
main(void)
{
	struct event_base *base = event_base_new();
	struct timeval timeout = {0, 20000};
	int listener = raw_listener(0), i;
	struct sockaddr_in sin = loopback(port_of(listener));
	for (i = 0; i < 4; i++) /* fills the backlog: further SYNs are dropped, and sent again */
		connect(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), (struct sockaddr *)&sin, sizeof(sin));
	usleep(50000);
	struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, NULL, NULL, on_event, NULL);
	bufferevent_set_timeouts(bev, NULL, &timeout);
	int result = bufferevent_socket_connect(bev, (struct sockaddr *)&sin, sizeof(sin));
	run_for(base, 100);
	evutil_make_socket_nonblocking(listener);
	for (i = 0; i < 40; i++) { /* now it can be accepted */
		accept(listener, NULL, NULL);
		run_for(base, 100);
	}
	struct pollfd fd = {bufferevent_getfd(bev), POLLOUT, 0};
	poll(&fd, 1, 0);
	return verdict(result == 0 && timeouts == 1 && !outcomes && fd.revents & POLLOUT,
	    "connect gave 0, its descriptor is writable, and neither CONNECTED nor ERROR came");
}
