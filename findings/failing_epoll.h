/* epoll_ctl(2) of this program and its libraries: EPOLL_CTL_ADD fails while `refusing`. */
#ifndef FAILING_EPOLL_H
#define FAILING_EPOLL_H
#include <errno.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

static int refusing;
int
epoll_ctl(int epfd, int op, int fd, struct epoll_event *event)
{
	if (refusing && op == EPOLL_CTL_ADD) {
		errno = ENOSPC; /* /proc/sys/fs/epoll/max_user_watches */
		return -1;
	}
	return (int)syscall(SYS_epoll_ctl, epfd, op, fd, event);
}
#endif
