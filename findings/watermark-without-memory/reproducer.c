/* The first high watermark of a bufferevent dereferences NULL when memory is wanting. */
#include "../loopback.h"
#include <signal.h>

static int wanting;
static void *give(size_t size) { return wanting ? NULL : malloc(size); }
static void
on_fault(int number)
{
	static const char words[] = "shown: SIGSEGV in bufferevent_setwatermark\n";
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
	struct bufferevent *bev = bufferevent_socket_new(base, -1, 0);
	wanting = 1;
	bufferevent_setwatermark(bev, EV_READ, 0, 64);
	return verdict(0, "a crash in bufferevent_setwatermark");
}
