/* A connect that succeeds at once, as one of AF_UNIX does, with writing disabled: no CONNECTED. */
#include "../loopback.h"
#include <sys/un.h>

static int connected;
static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	connected |= what & BEV_EVENT_CONNECTED;
}

int
main(void)
{
	struct event_base *base = event_base_new();
	struct sockaddr_un at;
	socklen_t length = sizeof(at);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	memset(&at, 0, sizeof(at));
	at.sun_family = AF_UNIX;
	/* unix(7), autobind: the kernel finds a name that is no file's */
	if (bind(listener, (struct sockaddr *)&at, sizeof(sa_family_t)) || listen(listener, 8) ||
	    getsockname(listener, (struct sockaddr *)&at, &length)) {
		perror("listener");
		return 2;
	}
	struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, NULL, NULL, on_event, NULL);
	bufferevent_disable(bev, EV_WRITE);
	int result = bufferevent_socket_connect(bev, (struct sockaddr *)&at, (int)length);
	int accepted = accept(listener, NULL, NULL);
	run_for(base, 100);
	return verdict(result == 0 && accepted >= 0 && !connected,
	    "connect gave 0, the connection was accepted, and CONNECTED never comes");
}
