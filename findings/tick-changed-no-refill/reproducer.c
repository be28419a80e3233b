/* A rate limit with ticks of another length takes the place of one, and nothing is sent any more. */
#include "../loopback.h"
#include <limits.h>
#include <stdint.h>
#include <sys/time.h>

static long
received(int fd)
{
	static char bytes[65536];
	long all = 0, n;
	while ((n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
		all += n;
	return all;
}

/* A length for which today's number of ticks lies before the number of milliseconds. */
static int
length_ms(void)
{
	struct timeval now;
	int ms = 1;
	gettimeofday(&now, NULL);
	uint64_t all = (uint64_t)now.tv_sec * 1000;
	do
		ms++;
	while ((uint32_t)(all / ms) - (uint32_t)all <= INT_MAX && ms < 1000);
	return ms;
}

int
main(void)
{
	static char data[60000];
	struct event_base *base = event_base_new();
	struct timeval tick = {0, 1000};
	int fd[2], ms = length_ms();
	connected_pair(fd);
	struct bufferevent *bev = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	bufferevent_set_rate_limit(bev, ev_token_bucket_cfg_new(100, 100, 100, 100, &tick));
	bufferevent_write(bev, data, sizeof(data));
	run_for(base, 30);
	long before = received(fd[1]);
	tick.tv_usec = ms * 1000;
	bufferevent_set_rate_limit(bev, ev_token_bucket_cfg_new(100, 100, 100, 100, &tick));
	run_for(base, 20 * ms);
	long behind = received(fd[1]);
	printf("%ld bytes in 30 ticks of 1 ms, then %ld in 20 ticks of %d ms\n", before, behind, ms);
	return verdict(before > 500 && behind <= 200, "no refill behind a limit with other ticks");
}
