/* TLS that cannot be made for want of memory takes the process with it. */
#include "../tls_ends.h"
#include <sys/wait.h>

static int left = -1; /* allocations that succeed; -1: all */
static void *
give(size_t size)
{
	if (left == 0)
		return NULL;
	left -= left > 0;
	return malloc(size);
}

static void
child(int allocations)
{
	event_set_mem_functions(give, realloc, free);
	struct event_base *base = event_base_new();
	SSL *ssl = client_ssl();
	int fd[2];
	connected_pair(fd);
	left = allocations;
	bufferevent_openssl_socket_new(base, fd[0], ssl, BUFFEREVENT_SSL_CONNECTING, 0);
	_exit(0);
}

int
main(void)
{
	int allocations, status, crashes = 0;
	for (allocations = 0; allocations < 6; allocations++) {
		pid_t pid = fork();
		if (pid == 0)
			child(allocations);
		waitpid(pid, &status, 0);
		crashes += WIFSIGNALED(status);
	}
	return verdict(crashes > 0, "bufferevent_openssl_socket_new crashes where it should return NULL");
}
