/* A bufferevent with a rate limit writes more at once than bufferevent_set_max_single_write lets. */
#include "../loopback.h"

static ssize_t largest;
static void
on_drain(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
	if ((ssize_t)info->n_deleted > largest)
		largest = (ssize_t)info->n_deleted;
}

int
main(void)
{
	struct event_base *base = event_base_new();
	struct timeval tick = {1, 0};
	struct ev_token_bucket_cfg *cfg = ev_token_bucket_cfg_new(1000, 1000, 1000, 1000, &tick);
	static char bytes[1000];
	int fd[2];
	connected_pair(fd);
	struct bufferevent *bev = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	bufferevent_set_rate_limit(bev, cfg);
	bufferevent_set_max_single_write(bev, 64);
	evbuffer_add_cb(bufferevent_get_output(bev), on_drain, NULL);
	bufferevent_write(bev, bytes, sizeof(bytes));
	run_for(base, 50);
	return verdict(largest > 64, "more than 64 bytes in one write, which is the most that was set");
}
