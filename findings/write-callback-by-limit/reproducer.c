/* Setting a rate limit calls the write callback, though nothing was written. */
#include "../loopback.h"

static int calls;
static void on_write(struct bufferevent *bev, void *arg) { calls++; }

int
main(void)
{
	struct event_base *base = event_base_new();
	struct timeval tick = {1, 0};
	struct ev_token_bucket_cfg *cfg = ev_token_bucket_cfg_new(1000, 1000, 1000, 1000, &tick);
	int fd[2];
	connected_pair(fd);
	struct bufferevent *bev = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(bev, NULL, on_write, NULL, NULL);
	run_for(base, 20); /* the one callback that a new bufferevent gets */
	calls = 0;
	run_for(base, 20);
	int before = calls;
	bufferevent_set_rate_limit(bev, cfg);
	run_for(base, 20);
	return verdict(before == 0 && calls > 0, "a write callback because a rate limit was set");
}
