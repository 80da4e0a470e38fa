// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mccheck: fills a memcached with items that follow from a seed, and checks
 * them all, through its text protocol over TCP. Quick enough for an emulated
 * machine: many requests are on their way at once.
 *
 *   mccheck fill|check|first [items=N] [seed=S] [port=P]
 *
 * Progress is one line per tenth on stdout, the last line is
 *   "filled|checked N items, B bytes of values, in T ms".
 * first asks for one item only, and prints the time (CLOCK_MONOTONIC, in ns) at
 * which it had it: "at T".
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define VALUE_MAX 2400
#define VALUE_MIN 400
#define KEY_MAX 40
#define BATCH 64 /* keys in one get */

static uint64_t items = 1000, seed = 1;
static int port = 11211;
static int sock;

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, errno ? "mccheck: %s: %s\n" : "mccheck: %s\n", what,
		strerror(errno));
	exit(1);
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 31;
	x *= 0x7fb5d329728ea185ULL;
	x ^= x >> 27;
	x *= 0x81dadef4bc2dd44dULL;
	x ^= x >> 33;
	return x;
}

static size_t make_key(char *key, uint64_t i)
{
	return snprintf(key, KEY_MAX, "item-%06llu-%04llx", (unsigned long long)i,
			(unsigned long long)(mix(seed + i) & 0xffff));
}

static size_t value_length(uint64_t i)
{
	return VALUE_MIN + mix(seed * 31 + i) % (VALUE_MAX - VALUE_MIN + 1);
}

static size_t make_value(char *value, uint64_t i)
{
	uint64_t x = mix(seed ^ (i << 20)), w;
	size_t len = value_length(i), at;

	for (at = 0; at < len; at += 8) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		w = x ^ (x >> 29);
		memcpy(value + at, &w, 8); /* the buffer has room for the rest */
	}
	return len;
}

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ULL + ts.tv_nsec / 1000000;
}

static void dial(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int one = 1;

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		die("socket");
	if (connect(sock, (struct sockaddr *)&to, sizeof(to)))
		die("connect");
	setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void send_all(const char *buf, size_t len)
{
	ssize_t n;

	while (len) {
		n = send(sock, buf, len, MSG_NOSIGNAL);
		if (n <= 0)
			die("send");
		buf += n;
		len -= n;
	}
}

static char in[1 << 18];
static size_t in_len, in_at;

/* At least @len bytes in the buffer, at in + in_at. */
static void need(size_t len)
{
	ssize_t n;

	if (in_len - in_at >= len)
		return;
	memmove(in, in + in_at, in_len - in_at);
	in_len -= in_at;
	in_at = 0;
	while (in_len < len) {
		n = recv(sock, in + in_len, sizeof(in) - in_len, 0);
		if (n == 0)
			errno = 0;
		if (n <= 0)
			die("memcached has closed the connection");
		in_len += n;
	}
}

/* The next line without its end; valid until the next call. */
static char *next_line(void)
{
	size_t i = 0;

	for (;; i++) {
		need(i + 1);
		if (in[in_at + i] == '\n')
			break;
		if (i > 2048) {
			errno = 0;
			die("no end of line");
		}
	}
	in[in_at + i] = 0;
	if (i && in[in_at + i - 1] == '\r')
		in[in_at + i - 1] = 0;
	in_at += i + 1;
	return in + in_at - i - 1;
}

static void progress(const char *verb, uint64_t done, uint64_t bytes)
{
	static uint64_t shown;
	uint64_t tenth = done * 10 / items;

	if (tenth == shown || done == items)
		return;
	shown = tenth;
	printf("%s %llu of %llu items, %llu MiB\n", verb, (unsigned long long)done,
	       (unsigned long long)items, (unsigned long long)bytes >> 20);
	fflush(stdout);
}

/* What memcached itself counts. */
static uint64_t stat_of(const char *name)
{
	uint64_t value = UINT64_MAX;
	char *line;

	send_all("stats\r\n", 7);
	while (strcmp(line = next_line(), "END")) {
		char key[64];
		unsigned long long n;

		if (sscanf(line, "STAT %63s %llu", key, &n) == 2 && !strcmp(key, name))
			value = n;
	}
	return value;
}

static int fill(void)
{
	static char out[1 << 17];
	uint64_t bytes = 0, start = now_ms();
	size_t used = 0, len;
	char key[KEY_MAX];

	for (uint64_t i = 0; i < items; i++) {
		make_key(key, i);
		len = value_length(i);
		used += sprintf(out + used, "set %s %u 0 %zu noreply\r\n", key,
				(unsigned int)(mix(i) & 0xffff), len);
		make_value(out + used, i);
		used += len;
		memcpy(out + used, "\r\n", 2);
		used += 2;
		bytes += len;
		if (used > sizeof(out) - VALUE_MAX - 128) {
			send_all(out, used);
			used = 0;
			progress("filled", i + 1, bytes);
		}
	}
	send_all(out, used);
	/* noreply: errors would come unasked, so look at what arrived. */
	errno = 0;
	if (stat_of("curr_items") != items)
		die("memcached does not hold as many items as were sent");
	if (stat_of("evictions") != 0)
		die("memcached has evicted items: its memory is too small");
	printf("filled %llu items, %llu bytes of values, in %llu ms\n",
	       (unsigned long long)items, (unsigned long long)bytes,
	       (unsigned long long)(now_ms() - start));
	return 0;
}

static uint64_t wrong;

static void complain(const char *key, const char *what)
{
	if (wrong++ < 10)
		fprintf(stderr, "mccheck: %s %s\n", key, what);
}

static void check_batch(uint64_t first, uint64_t end, uint64_t *good, uint64_t *bytes)
{
	static char want[VALUE_MAX + 8];
	char request[BATCH * KEY_MAX + 16], key[KEY_MAX], got[256], *line;
	unsigned int flags;
	uint64_t i = first;
	size_t used, len, got_len;

	used = sprintf(request, "get");
	for (i = first; i < end; i++) {
		request[used++] = ' ';
		used += make_key(request + used, i);
	}
	used += sprintf(request + used, "\r\n");
	send_all(request, used);

	i = first;
	while (strcmp(line = next_line(), "END")) {
		if (sscanf(line, "VALUE %255s %u %zu", got, &flags, &got_len) != 3) {
			errno = 0;
			fprintf(stderr, "mccheck: memcached said: %s\n", line);
			die("not the answer to a get");
		}
		/* Answers come in the order of the keys; what is missing is left out. */
		for (; i < end; i++) {
			make_key(key, i);
			if (!strcmp(key, got))
				break;
			complain(key, "is missing");
		}
		if (i == end) {
			errno = 0;
			die("memcached answers what nobody asked");
		}
		len = make_value(want, i);
		need(got_len + 2);
		if (got_len != len)
			complain(key, "has another length");
		else if (memcmp(in + in_at, want, len))
			complain(key, "has other contents");
		else if (flags != (mix(i) & 0xffff))
			complain(key, "has other flags");
		else {
			++*good;
			*bytes += len;
		}
		in_at += got_len + 2;
		i++;
	}
	for (; i < end; i++) {
		make_key(key, i);
		complain(key, "is missing");
	}
}

static int check(bool first_only)
{
	uint64_t good = 0, bytes = 0, start = now_ms(), end;

	if (first_only) {
		struct timespec ts;

		check_batch(0, 1, &good, &bytes);
		clock_gettime(CLOCK_MONOTONIC, &ts);
		printf("at %llu\n", ts.tv_sec * 1000000000ULL + ts.tv_nsec);
		return good != 1;
	}
	for (uint64_t i = 0; i < items; i = end) {
		end = i + BATCH < items ? i + BATCH : items;
		check_batch(i, end, &good, &bytes);
		progress("checked", end, bytes);
	}
	errno = 0;
	if (stat_of("curr_items") != items) {
		wrong++;
		fprintf(stderr, "mccheck: memcached counts other items than ours\n");
	}
	printf("checked %llu items, %llu bytes of values, in %llu ms\n",
	       (unsigned long long)good, (unsigned long long)bytes,
	       (unsigned long long)(now_ms() - start));
	if (wrong)
		fprintf(stderr, "mccheck: %llu faults\n", (unsigned long long)wrong);
	return wrong || good != items;
}

int main(int argc, char **argv)
{
	for (int i = 2; i < argc; i++) {
		if (!strncmp(argv[i], "items=", 6))
			items = strtoull(argv[i] + 6, NULL, 0);
		else if (!strncmp(argv[i], "seed=", 5))
			seed = strtoull(argv[i] + 5, NULL, 0);
		else if (!strncmp(argv[i], "port=", 5))
			port = atoi(argv[i] + 5);
		else
			return 2;
	}
	if (argc < 2 || !items)
		return 2;
	dial();
	if (!strcmp(argv[1], "fill"))
		return fill();
	if (!strcmp(argv[1], "check"))
		return check(false);
	if (!strcmp(argv[1], "first"))
		return check(true);
	return 2;
}
