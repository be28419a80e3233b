/* THREADSAFE TLS over a bufferevent that is not: its lock is freed, and then taken. */
#include "../tls_ends.h"
#include <event2/thread.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

/* What is freed stays what it was made here: without this it depends on the allocator. */
static void
poison(void *memory)
{
	if (memory)
		memset(memory, 0xdb, malloc_usable_size(memory));
}

static void
child(void)
{
	int fd[2];
	event_set_mem_functions(malloc, realloc, poison);
	freopen("/dev/null", "w", stderr);
	evthread_use_pthreads();
	evthread_enable_lock_debugging(); /* a lock that is used after its end aborts */
	struct event_base *base = event_base_new();
	connected_pair(fd);
	struct bufferevent *below = bufferevent_socket_new(base, fd[0], BEV_OPT_CLOSE_ON_FREE);
	struct bufferevent *bev = bufferevent_openssl_filter_new(base, below, client_ssl(),
	    BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE | BEV_OPT_THREADSAFE);
	bufferevent_free(bev);
	run_for(base, 20);
	event_base_free(base);
	_exit(0);
}

int
main(void)
{
	int status;
	pid_t pid = fork();
	if (pid == 0)
		child();
	waitpid(pid, &status, 0);
	return verdict(WIFSIGNALED(status), "a lock is taken after it was freed");
}
