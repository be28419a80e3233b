/* A member of a suspended group is freed, and resumed before it is gone: an event of it is left. */
#include "../loopback.h"
#include <sys/wait.h>

static struct bufferevent *bev;
static void on_late(evutil_socket_t fd, short what, void *arg) { usleep(40000); }
static void on_free(evutil_socket_t fd, short what, void *arg) { bufferevent_free(bev); }

static int
events_left(void)
{
	struct event_base *base = event_base_new();
	struct timeval tick = {0, 20000}, at_once = {0, 1000}, before = {0, 10000};
	struct ev_token_bucket_cfg *cfg = ev_token_bucket_cfg_new(100, 100, 100, 100, &tick);
	static char bytes[1000];
	int fd[2];
	connected_pair(fd);
	struct bufferevent_rate_limit_group *group = bufferevent_rate_limit_group_new(base, cfg);
	bev = bufferevent_socket_new(base, fd[0], 0);
	bufferevent_add_to_rate_limit_group(bev, group);
	bufferevent_write(bev, bytes, sizeof(bytes)); /* the first 100 of them suspend the group */
	struct event *late = evtimer_new(base, on_late, NULL);
	struct event *timer = evtimer_new(base, on_free, NULL);
	event_add(late, &at_once); /* so the next two are due in one pass: */
	event_add(timer, &before); /* this one, then the group's */
	run_for(base, 100);
	bufferevent_rate_limit_group_free(group);
	event_free(late);
	event_free(timer);
	return event_base_get_num_events(base, EVENT_BASE_COUNT_ADDED);
}

int
main(void)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0)
		_exit(events_left() ? 1 : 0);
	waitpid(pid, &status, 0);
	return verdict(status != 0, "an event of a bufferevent that is gone is still added, or a crash");
}
