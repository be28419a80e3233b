/* Out of descriptors, a listener asks accept again and again until one is free. */
#include "../loopback.h"
#include <sys/resource.h>

static int warnings;
static void on_log(int severity, const char *message) { warnings++; }
static void
on_accept(struct evconnlistener *lev, evutil_socket_t fd, struct sockaddr *sa, int length, void *arg)
{
	close(fd);
}

int
main(void)
{
	struct event_base *base = event_base_new();
	struct sockaddr_in sin = loopback(0);
	struct evconnlistener *lev = evconnlistener_new_bind(base, on_accept, NULL,
	    LEV_OPT_CLOSE_ON_FREE, 8, (struct sockaddr *)&sin, sizeof(sin));
	int last = raw_connection(port_of(evconnlistener_get_fd(lev)));
	struct rlimit limit = {(rlim_t)last + 1, (rlim_t)last + 1};
	setrlimit(RLIMIT_NOFILE, &limit);
	event_set_log_callback(on_log);
	run_for(base, 50);
	return verdict(warnings > 100, "hundreds of accept calls in 50 ms that give EMFILE");
}
