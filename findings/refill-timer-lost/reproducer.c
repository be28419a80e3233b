/* A failed allocation while a bucket runs dry: the direction never resumes. */
#include "../loopback.h"

static int failing;
static void *give(size_t size) { return failing ? NULL : malloc(size); }
static void *more(void *old, size_t size) { return failing ? NULL : realloc(old, size); }

int
main(void)
{
	event_set_mem_functions(give, more, free);
	struct event_base *base = event_base_new();
	struct timeval tick = {0, 1000};
	struct ev_token_bucket_cfg *cfg = ev_token_bucket_cfg_new(100, 100, 100, 100, &tick);
	int fd[2];
	connected_pair(fd);
	struct bufferevent *bev = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	bufferevent_enable(bev, EV_READ);
	bufferevent_set_rate_limit(bev, cfg);
	failing = 1; /* the heap of timers has to grow for the first one */
	bufferevent_decrement_read_limit(bev, 100);
	failing = 0;
	send_bytes(fd[1], 10);
	run_for(base, 100); /* a hundred ticks */
	int tokens = bufferevent_get_read_limit(bev) > 0;
	size_t got = evbuffer_get_length(bufferevent_get_input(bev));
	return verdict(tokens && got == 0, "a bucket has tokens, bytes wait, and nothing is read any more");
}
