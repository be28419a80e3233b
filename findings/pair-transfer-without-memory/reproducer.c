/* A pair whose transfer finds no memory: the rest of the bytes never moves, and nobody is told. */
#include "../loopback.h"

static int failing, told;
static void *give(size_t size) { return failing ? NULL : malloc(size); }
static void on_event(struct bufferevent *bev, short what, void *arg) { told = 1; }

int
main(void)
{
	struct event_base *base = event_base_new();
	struct bufferevent *pair[2];
	char bytes[64] = {0};
	event_set_mem_functions(give, realloc, free);
	bufferevent_pair_new(base, 0, pair);
	bufferevent_setcb(pair[0], NULL, NULL, on_event, NULL);
	bufferevent_setcb(pair[1], NULL, NULL, on_event, NULL);
	bufferevent_write(pair[0], bytes, sizeof(bytes));
	bufferevent_setwatermark(pair[1], EV_READ, 0, 8);
	failing = 1;
	bufferevent_enable(pair[1], EV_READ); /* the transfer of 8 bytes */
	failing = 0;
	run_for(base, 50);
	size_t output = evbuffer_get_length(bufferevent_get_output(pair[0]));
	size_t input = evbuffer_get_length(bufferevent_get_input(pair[1]));
	return verdict(output > 0 && input == 0 && !told,
	    "output that a pair's other end could read rests, and nobody is told");
}
