/* evbuffer_remove_buffer without memory: the bytes are in neither of the buffers. */
#include "../loopback.h"

static int failing;
static void *give(size_t size) { return failing ? NULL : malloc(size); }

int
main(void)
{
	char bytes[64] = {0};
	event_set_mem_functions(give, realloc, free);
	struct evbuffer *from = evbuffer_new(), *to = evbuffer_new();
	evbuffer_add(from, bytes, sizeof(bytes));
	failing = 1;
	int result = evbuffer_remove_buffer(from, to, 8);
	failing = 0;
	size_t left = evbuffer_get_length(from) + evbuffer_get_length(to);
	printf("evbuffer_remove_buffer gave %d, and %zu of 64 bytes are left\n", result, left);
	return verdict(left != sizeof(bytes), "bytes that are in neither buffer");
}
