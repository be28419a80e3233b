/* Changing the priority of a bufferevent whose callback is queued damages the queue. */
#include "../loopback.h"
#include <signal.h>
#include <sys/resource.h>

static int ticks;
static void on_event(struct bufferevent *bev, short what, void *arg) { }
static void on_tick(evutil_socket_t fd, short what, void *arg) { ticks++; }
static double
processor_time(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_utime.tv_sec + usage.ru_utime.tv_usec / 1e6 + usage.ru_stime.tv_sec +
	    usage.ru_stime.tv_usec / 1e6;
}
static void
give_up(int number)
{
	int shown = verdict(ticks == 0 && processor_time() > 0.1, "the loop spins, and a due timer is never called");
	fflush(stdout);
	_exit(shown);
}

int
main(void)
{
	struct event_base *base = event_base_new();
	struct timeval soon = {0, 10000};
	event_base_priority_init(base, 3);
	int fd[2];
	connected_pair(fd);
	struct bufferevent *bev =
	    bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	bufferevent_setcb(bev, NULL, NULL, on_event, NULL);
	bufferevent_disable(bev, EV_WRITE);
	bufferevent_trigger_event(bev, BEV_EVENT_READING | BEV_EVENT_EOF, BEV_TRIG_DEFER_CALLBACKS);
	bufferevent_priority_set(bev, 2); /* its callback waits in the queue of priority 1 */
	event_base_once(base, -1, EV_TIMEOUT, on_tick, NULL, &soon);
	signal(SIGALRM, give_up);
	alarm(1);
	event_base_dispatch(base);
	return verdict(0, "the loop ended");
}
