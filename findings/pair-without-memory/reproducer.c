/* A pair that cannot be made for want of memory crashes the loop later. */
#include "../loopback.h"
#include <signal.h>

static int left = -1;
static void *give(size_t size) { return left >= 0 && left-- == 0 ? NULL : malloc(size); }
static void
on_fault(int number)
{
	static const char words[] = "shown: SIGSEGV behind a bufferevent_pair_new that gave -1\n";
	if (write(1, words, sizeof(words) - 1) < 0)
		_exit(2);
	_exit(0);
}

int
main(void)
{
	event_set_mem_functions(give, realloc, free);
	signal(SIGSEGV, on_fault);
	struct event_base *base = event_base_new();
	for (int n = 0; n < 8; n++) { /* each end, its buffers, its callback */
		struct bufferevent *pair[2];
		left = n;
		bufferevent_pair_new(base, 0, pair);
		left = -1;
		run_for(base, 1);
	}
	return verdict(0, "a crash in the loop behind a pair that was not made");
}
