/* TLS over a bufferevent, at its high watermark, frees itself in its read callback: libevent aborts. */
#include "../tls_ends.h"
#include <sys/wait.h>

static void on_read(struct bufferevent *bev, void *arg) { bufferevent_free(bev); }

static void
child(void)
{
	static char data[1000];
	struct event_base *base = event_base_new();
	int fd[2];
	connected_pair(fd);
	struct bufferevent *server = tls_over(base, fd[1], 1), *client = tls_on(base, fd[0], 0);
	bufferevent_setcb(server, on_read, NULL, NULL, NULL);
	bufferevent_setwatermark(server, EV_READ, 0, 64);
	bufferevent_enable(server, EV_READ | EV_WRITE);
	bufferevent_enable(client, EV_READ | EV_WRITE);
	bufferevent_write(client, data, sizeof(data));
	run_for(base, 100);
	_exit(0);
}

int
main(void)
{
	int status = 0;
	pid_t pid = fork();
	if (pid == 0)
		child();
	waitpid(pid, &status, 0);
	return verdict(WIFSIGNALED(status), "bufferevent_free of TLS in its read callback ends the process");
}
