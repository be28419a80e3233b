/* A thread disables reading; when that has returned, bytes are read and told of all the same. */
#include "../loopback.h"
#include <event2/thread.h>
#include <pthread.h>

static struct bufferevent *bev;
static int raw, disabled, called;

static void
on_read(struct bufferevent *bev, void *arg)
{
	/* the lock is held: what the other thread did under it is done */
	called += disabled && !(bufferevent_get_enabled(bev) & EV_READ) &&
	    evbuffer_get_length(bufferevent_get_input(bev)) == 10;
}

static void *
disable(void *arg)
{
	usleep(20000); /* the loop waits for bytes */
	bufferevent_lock(bev);
	send_bytes(raw, 10);
	usleep(100000); /* the loop has woken up, and bufferevent_readcb waits for the lock */
	if (evbuffer_get_length(bufferevent_get_input(bev)) == 0)
		disabled = !bufferevent_disable(bev, EV_READ);
	bufferevent_unlock(bev);
	return NULL;
}

int
main(void)
{
	pthread_t thread;
	int fd[2];
	evthread_use_pthreads();
	struct event_base *base = event_base_new();
	connected_pair(fd);
	raw = fd[1];
	bev = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE | BEV_OPT_THREADSAFE);
	bufferevent_setcb(bev, on_read, NULL, NULL, NULL);
	bufferevent_enable(bev, EV_READ);
	pthread_create(&thread, NULL, disable, NULL);
	run_for(base, 200);
	pthread_join(thread, NULL);
	return verdict(called, "a read callback for bytes that were accepted after bufferevent_disable had returned");
}
