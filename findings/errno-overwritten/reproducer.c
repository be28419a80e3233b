/* EOF that is told together with a deferred ERROR takes the ERROR's errno away. */
#include "../loopback.h"

static struct bufferevent *bev;
static short told;
static int number;
static void
on_event(struct bufferevent *b, short what, void *arg)
{
	number = errno;
	told = what;
}
/* Called when the reset has been met, which is told later: the application reads on. */
static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	errno = EAGAIN; /* as any call in between leaves it */
	bufferevent_enable(bev, EV_READ);
}

int
main(void)
{
	struct event_base *base = event_base_new();
	struct linger reset = {1, 0};
	struct timeval now = {0, 1}; /* due in the pass that meets the reset, and run behind it */
	int fd[2];
	event_base_priority_init(base, 3);
	connected_pair(fd);
	bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	bufferevent_setcb(bev, NULL, NULL, on_event, NULL);
	bufferevent_priority_set(bev, 2); /* the deferred call; setfd gives the events their own again */
	bufferevent_setfd(bev, fd[0]);
	bufferevent_enable(bev, EV_READ);
	setsockopt(fd[1], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd[1]);
	event_base_once(base, -1, EV_TIMEOUT, on_tick, NULL, &now);
	usleep(20000);
	run_for(base, 50);
	printf("events 0x%x, errno: %s\n", (unsigned)told, strerror(number));
	return verdict((told & BEV_EVENT_ERROR) && number != ECONNRESET,
	    "the ERROR of a reset comes with another errno");
}
