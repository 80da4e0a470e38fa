// SPDX-License-Identifier: GPL-2.0-or-later
/* fake-control ROOT WORD...: one line to fake-server, its answer to stdout. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake.h"

int main(int argc, char **argv)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char line[256] = "", answer[4096] = "";
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (argc < 3)
		return 2;
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s" FAKE_CONTROL, argv[1]);
	for (int i = 2; i < argc; i++) {
		strncat(line, argv[i], sizeof(line) - strlen(line) - 2);
		if (i + 1 < argc)
			strcat(line, " ");
	}
	if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ||
	    send(fd, line, strlen(line), 0) < 0 || recv(fd, answer, sizeof(answer) - 1, 0) <= 0) {
		perror("fake-control");
		return 1;
	}
	puts(answer);
	return strncmp(answer, "ok", 2) != 0;
}
