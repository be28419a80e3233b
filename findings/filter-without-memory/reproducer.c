/* A filter that is made when memory is wanting crashes, or does so at its first flush. */
#include "../loopback.h"
#include <signal.h>

static int left = -1;
static void *give(size_t size) { return left >= 0 && left-- == 0 ? NULL : malloc(size); }
static void
on_fault(int number)
{
	static const char words[] = "shown: SIGSEGV in bufferevent_filter_new\n";
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
	for (int n = 0; n < 5; n++) { /* the filter, its buffers, its callbacks on them */
		struct bufferevent *below = bufferevent_socket_new(base, -1, 0);
		left = n;
		struct bufferevent *bev = bufferevent_filter_new(below, NULL, NULL, 0, NULL, NULL);
		left = -1;
		if (bev)
			bufferevent_flush(bev, EV_WRITE, BEV_FLUSH);
	}
	return verdict(0, "a crash of a filter that was made without memory for its callbacks");
}
