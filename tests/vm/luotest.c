// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "drain")) {
		int fd = open(argv[2], O_WRONLY | O_NOCTTY);

		return fd < 0 || tcdrain(fd);
	}
	if (argc == 2 && !strcmp(argv[1], "kexec")) {
		syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
			LINUX_REBOOT_CMD_KEXEC, NULL);
		fprintf(stderr, "kexec: %s\n", strerror(errno));
		return 1;
	}
	return 2;
}
