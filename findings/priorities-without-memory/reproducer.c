/* event_base_priority_init finds no memory, says so, and leaves a base that aborts at its first event. */
#include "../loopback.h"
#include <sys/wait.h>

static int wanting;
static void *give(size_t size) { return wanting ? NULL : malloc(size); }
static void on_timer(evutil_socket_t fd, short what, void *arg) {}

static void
child(void)
{
	struct timeval soon = {0, 1000};
	event_set_mem_functions(give, realloc, free);
	freopen("/dev/null", "w", stderr);
	struct event_base *base = event_base_new();
	wanting = 1;
	int refused = event_base_priority_init(base, 2);
	wanting = 0;
	if (refused != -1)
		_exit(1);
	event_base_once(base, -1, EV_TIMEOUT, on_timer, NULL, &soon);
	event_base_dispatch(base);
	_exit(0);
}

int
main(void)
{
	int status;
	pid_t pid = fork();
	if (pid == 0)
		child();
	waitpid(pid, &status, 0);
	return verdict(WIFSIGNALED(status), "the base is of no use behind a change of priorities that was refused");
}
