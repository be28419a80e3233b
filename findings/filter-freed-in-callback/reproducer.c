/* A filter at its high watermark that frees itself in its read callback: libevent aborts. */
#include "../loopback.h"
#include <signal.h>
#include <sys/wait.h>

static enum bufferevent_filter_result
copy(struct evbuffer *from, struct evbuffer *to, ev_ssize_t limit, enum bufferevent_flush_mode mode,
    void *arg)
{
	return evbuffer_remove_buffer(from, to, limit < 0 ? 65536 : (size_t)limit) > 0 ? BEV_OK : BEV_NEED_MORE;
}
static void on_read(struct bufferevent *bev, void *arg) { bufferevent_free(bev); }

static void
child(void)
{
	struct event_base *base = event_base_new();
	int fd[2];
	connected_pair(fd);
	struct bufferevent *below = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	struct bufferevent *bev = bufferevent_filter_new(below, copy, copy, BEV_OPT_CLOSE_ON_FREE, NULL, NULL);
	bufferevent_setcb(bev, on_read, NULL, NULL, NULL);
	bufferevent_setwatermark(bev, EV_READ, 0, 64);
	bufferevent_enable(bev, EV_READ);
	send_bytes(fd[1], 100);
	run_for(base, 50);
	exit(0);
}

int
main(void)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0)
		child();
	waitpid(pid, &status, 0);
	return verdict(WIFSIGNALED(status), "bufferevent_free of a filter in its read callback ends the process");
}
