// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/liveupdate
 */
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>

#include <linux/liveupdate.h>
#include "luo_core.h"
#include "glue.h"

static int device_open(struct inode *inode, struct file *file)
{
	return luo_device_open();
}

static int device_release(struct inode *inode, struct file *file)
{
	luo_device_release();
	return 0;
}

static long device_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	/* What is created wants a kexec that knows of it. */
	if (_IOC_NR(cmd) == LIVEUPDATE_CMD_CREATE_SESSION) {
		int err = luo_kexec_ready();

		if (err)
			return err;
	}
	return luo_device_ioctl(cmd, arg);
}

static const struct file_operations device_fops = {
	.owner		= THIS_MODULE,
	.open		= device_open,
	.release	= device_release,
	.unlocked_ioctl	= device_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};

static struct miscdevice device = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "liveupdate",
	.fops	= &device_fops,
	.mode	= 0600,
};

int luo_device_init(void)
{
	return misc_register(&device);
}

void luo_device_exit(void)
{
	misc_deregister(&device);
}
