/* With deferred callbacks, the end of the old connection is told of the one that took its place. */
#include "../loopback.h"

static short first;
static struct bufferevent *bev;
static int listener;
static void
on_event(struct bufferevent *b, short what, void *arg)
{
	if (!first)
		first = what;
}
/* Called when the descriptor of the old connection has told its end, which is deferred. */
static void
on_end(evutil_socket_t fd, short what, void *arg)
{
	struct sockaddr_in sin = loopback(port_of(listener));
	bufferevent_disable(bev, EV_READ | EV_WRITE);
	close(bufferevent_getfd(bev));
	bufferevent_setfd(bev, -1);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
	bufferevent_socket_connect(bev, (struct sockaddr *)&sin, sizeof(sin));
}

int
main(void)
{
	struct event_base *base = event_base_new();
	int fd[2];
	listener = raw_listener(4);
	connected_pair(fd);
	bev = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	bufferevent_setcb(bev, NULL, NULL, on_event, NULL);
	bufferevent_enable(bev, EV_READ);
	run_for(base, 20);
	close(fd[1]);
	struct timeval now = {0, 1}; /* due in the pass that finds the end, and run before what it defers */
	event_base_once(base, -1, EV_TIMEOUT, on_end, NULL, &now);
	usleep(20000);
	run_for(base, 50);
	return verdict((first & BEV_EVENT_EOF) != 0, "EOF is the first that a new connection tells");
}
