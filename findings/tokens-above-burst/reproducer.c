/* Tokens that are given back lift a bucket above its burst, and from then on nothing bounds it. */
#include "../loopback.h"

int
main(void)
{
	struct event_base *base = event_base_new();
	struct timeval tick = {0, 10000};
	struct ev_token_bucket_cfg *cfg = ev_token_bucket_cfg_new(1000, 1000, 1000, 1000, &tick);
	struct bufferevent *bev = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_set_rate_limit(bev, cfg);
	bufferevent_decrement_read_limit(bev, -1);
	run_for(base, 200); /* 20 ticks of 1,000 bytes each, of which none is used */
	ev_ssize_t level = bufferevent_get_read_limit(bev);
	return verdict(level > 5000, "a bucket with a burst of 1,000 bytes has filled to more than 5,000");
}
