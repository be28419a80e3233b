/* bufferevent_pair_new without memory for a callback: it gives -1, and the loop crashes. */
#include "../loopback.h"
#include <sys/wait.h>

static int allocations, failing;
static void *
give(size_t size)
{
	return ++allocations == failing ? NULL : malloc(size);
}

/* The signal that ends a process in which the n-th allocation of a pair fails; 0: none does. */
static int
signal_of(int n)
{
	int status = 0;
	pid_t child = fork();
	if (child == 0) {
		struct bufferevent *pair[2];
		struct event_base *base = event_base_new();
		allocations = 0;
		failing = n;
		bufferevent_pair_new(base, 0, pair);
		failing = 0;
		event_base_loop(base, EVLOOP_NONBLOCK);
		_exit(0);
	}
	waitpid(child, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

int
main(void)
{
	int n, shown = 0;
	event_set_mem_functions(give, realloc, free);
	for (n = 1; n <= 8; n++)
		shown |= signal_of(n) != 0;
	return verdict(shown, "the loop crashes behind a pair that could not be made");
}
