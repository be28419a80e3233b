/* evconnlistener_new_bind succeeds although its descriptor could not be watched: it is deaf. */
#include "../loopback.h"
#include "../failing_epoll.h"

static int accepted;
static void
on_accept(struct evconnlistener *lev, evutil_socket_t fd, struct sockaddr *sa, int length, void *arg)
{
	accepted = 1;
	close(fd);
}

int
main(void)
{
	struct event_base *base = event_base_new();
	struct sockaddr_in sin = loopback(0);
	refusing = 1;
	struct evconnlistener *lev = evconnlistener_new_bind(base, on_accept, NULL,
	    LEV_OPT_CLOSE_ON_FREE, 8, (struct sockaddr *)&sin, sizeof(sin));
	refusing = 0;
	if (lev == NULL)
		return verdict(0, "a listener that accepts nothing");
	raw_connection(port_of(evconnlistener_get_fd(lev)));
	run_for(base, 100);
	return verdict(!accepted, "a listener that was made, is enabled, and accepts nothing");
}
