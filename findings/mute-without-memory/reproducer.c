/* A bufferevent whose making met a failed allocation is given out, and never writes. */
#include "../loopback.h"

static int allocations, failing;
static void *
give(size_t size)
{
	return ++allocations == failing ? NULL : malloc(size);
}

int
main(void)
{
	int n, shown = 0;
	event_set_mem_functions(give, realloc, free);
	for (n = 1; n <= 8 && !shown; n++) {
		struct event_base *base = event_base_new();
		int fd[2];
		char byte;
		connected_pair(fd);
		allocations = 0;
		failing = n;
		struct bufferevent *bev = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
		int made_short = allocations >= n;
		failing = 0;
		if (bev != NULL && made_short && bufferevent_write(bev, "x", 1) == 0) {
			run_for(base, 50);
			shown = recv(fd[1], &byte, 1, MSG_DONTWAIT) < 0;
		}
	}
	return verdict(shown, "a bufferevent that takes bytes and never writes them");
}
