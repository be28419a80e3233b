/* TLS over a bufferevent: when memory is wanting once, what has come is never read, and nobody is told. */
#include "../tls_ends.h"

static int until = -1; /* allocations until one fails */
static void *give(size_t size) { return until >= 0 && until-- == 0 ? NULL : malloc(size); }

static short told;
static int reads;
static void
take(struct bufferevent *bev, void *arg)
{
	reads++;
	evbuffer_drain(bufferevent_get_input(bev), 65536);
}

static void on_event(struct bufferevent *bev, short what, void *arg) { told |= what; }

/* Whether bytes rest below TLS when its `failing`th allocation fails, and nothing more comes. */
static int
rests(int failing)
{
	static char data[20000];
	struct event_base *base = event_base_new();
	struct timeval soon = {0, 50000};
	int fd[2];
	connected_pair(fd);
	struct bufferevent *server = tls_over(base, fd[1], 1), *client = tls_on(base, fd[0], 0);
	bufferevent_enable(server, EV_READ | EV_WRITE);
	bufferevent_enable(client, EV_READ | EV_WRITE);
	run_for(base, 50);
	told = 0;
	bufferevent_write(client, data, sizeof(data));
	bufferevent_setcb(server, take, NULL, on_event, NULL);
	event_base_loopexit(base, &soon);
	until = failing;
	event_base_dispatch(base);
	until = -1;
	int before = reads, rest =
	    evbuffer_get_length(bufferevent_get_input(bufferevent_get_underlying(server))) > 0;
	bufferevent_enable(server, EV_READ); /* it is enabled, so nothing changes; but it looks again */
	return !told && rest && reads > before;
}

int
main(void)
{
	int failing, shown = 0;
	event_set_mem_functions(give, realloc, free);
	for (failing = 0; failing < 20 && !shown; failing++)
		shown = rests(failing);
	return verdict(shown, "bytes rest below TLS, which may read and was told of no error");
}
