/* A rate limit group wakes the loop up at every tick, though nobody is limited and nothing moves. */
#include "../loopback.h"
#include <sys/resource.h>

static long
switches(void)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nvcsw;
}

int
main(void)
{
	struct event_base *base = event_base_new();
	struct timeval tick = {0, 1000};
	struct ev_token_bucket_cfg *cfg = ev_token_bucket_cfg_new(1000, 1000, 1000, 1000, &tick);
	struct bufferevent_rate_limit_group *group = bufferevent_rate_limit_group_new(base, cfg);
	long before = switches();
	run_for(base, 300);
	long waits = switches() - before;
	bufferevent_rate_limit_group_free(group);
	before = switches();
	run_for(base, 300);
	long without = switches() - before;
	return verdict(waits > without + 100, "hundreds of wake-ups in 300 ms for a group without members");
}
