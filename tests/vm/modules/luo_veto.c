// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * luo_veto: a file handler through the in-kernel interface, which fails where
 * it is told to. Its files are those of /dev/luo_veto; all that a file holds is
 * one number, set by writing eight bytes, which has to arrive.
 */
#include <linux/anon_inodes.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/liveupdate.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

static int freeze_error;
module_param(freeze_error, int, 0644);
MODULE_PARM_DESC(freeze_error, "errno that freeze fails with, 0: it does not");
static int preserve_error;
module_param(preserve_error, int, 0644);
MODULE_PARM_DESC(preserve_error, "errno that preserve fails with");
static int retrieve_error;
module_param(retrieve_error, int, 0644);
MODULE_PARM_DESC(retrieve_error, "errno that retrieve fails with");
static bool hold_preserve, hold_retrieve, hold_freeze;
module_param(hold_preserve, bool, 0644);
MODULE_PARM_DESC(hold_preserve, "preserve does not return as long as this is set");
module_param(hold_retrieve, bool, 0644);
MODULE_PARM_DESC(hold_retrieve, "retrieve does not return as long as this is set");
module_param(hold_freeze, bool, 0644);
MODULE_PARM_DESC(hold_freeze, "freeze does not return as long as this is set");
static unsigned int held;
module_param(held, uint, 0444);
MODULE_PARM_DESC(held, "calls that have waited, or wait");
static bool hold_finish;
module_param(hold_finish, bool, 0644);
MODULE_PARM_DESC(hold_finish, "can_finish says no");

/* How often each callback ran, for the case to compare. */
static unsigned int preserved, unpreserved, frozen, unfrozen, retrieved, finished;
module_param(preserved, uint, 0444);
module_param(unpreserved, uint, 0444);
module_param(frozen, uint, 0444);
module_param(unfrozen, uint, 0444);
module_param(retrieved, uint, 0444);
module_param(finished, uint, 0444);

struct veto {
	u64 number;
};

static int veto_open(struct inode *inode, struct file *file)
{
	/* misc devices come here with their miscdevice in private_data. */
	file->private_data = kzalloc(sizeof(struct veto), GFP_KERNEL);
	return file->private_data ? 0 : -ENOMEM;
}

static int veto_release(struct inode *inode, struct file *file)
{
	kfree(file->private_data);
	return 0;
}

static ssize_t veto_read(struct file *file, char __user *buf, size_t len, loff_t *pos)
{
	struct veto *veto = file->private_data;

	return simple_read_from_buffer(buf, len, pos, &veto->number,
				       sizeof(veto->number));
}

static ssize_t veto_write(struct file *file, const char __user *buf, size_t len,
			  loff_t *pos)
{
	struct veto *veto = file->private_data;

	if (len != sizeof(veto->number))
		return -EINVAL;
	if (copy_from_user(&veto->number, buf, len))
		return -EFAULT;
	return len;
}

static const struct file_operations veto_fops = {
	.owner = THIS_MODULE,
	.open = veto_open,
	.release = veto_release,
	.read = veto_read,
	.write = veto_write,
};

static bool veto_can_preserve(struct liveupdate_file_handler *handler,
			      struct file *file)
{
	return file->f_op == &veto_fops;
}

static void wait_while(const bool *hold)
{
	if (READ_ONCE(*hold))
		held++;
	while (READ_ONCE(*hold))
		msleep(10);
}

static int veto_preserve(struct liveupdate_file_op_args *args)
{
	wait_while(&hold_preserve);
	if (preserve_error)
		return -preserve_error;
	preserved++;
	return 0;
}

static void veto_unpreserve(struct liveupdate_file_op_args *args)
{
	unpreserved++;
}

static int veto_freeze(struct liveupdate_file_op_args *args)
{
	struct veto *veto = args->file->private_data;

	wait_while(&hold_freeze);
	if (freeze_error)
		return -freeze_error;
	frozen++;
	args->serialized_data = veto->number;
	return 0;
}

static void veto_unfreeze(struct liveupdate_file_op_args *args)
{
	unfrozen++;
}

static int veto_retrieve(struct liveupdate_file_op_args *args)
{
	struct veto *veto;
	struct file *file;

	wait_while(&hold_retrieve);
	if (retrieve_error)
		return -retrieve_error;
	veto = kzalloc(sizeof(*veto), GFP_KERNEL);
	if (!veto)
		return -ENOMEM;
	veto->number = args->serialized_data;
	file = anon_inode_getfile("[luo_veto]", &veto_fops, veto, O_RDWR);
	if (IS_ERR(file)) {
		kfree(veto);
		return PTR_ERR(file);
	}
	file->f_mode |= FMODE_PREAD | FMODE_LSEEK;
	args->file = file;
	retrieved++;
	return 0;
}

static bool veto_can_finish(struct liveupdate_file_op_args *args)
{
	return !hold_finish;
}

static void veto_finish(struct liveupdate_file_op_args *args)
{
	finished++;
}

static const struct liveupdate_file_ops veto_ops = {
	.can_preserve = veto_can_preserve,
	.preserve = veto_preserve,
	.unpreserve = veto_unpreserve,
	.freeze = veto_freeze,
	.unfreeze = veto_unfreeze,
	.retrieve = veto_retrieve,
	.can_finish = veto_can_finish,
	.finish = veto_finish,
	.owner = THIS_MODULE,
};

static struct liveupdate_file_handler veto_handler = {
	.ops = &veto_ops,
	.compatible = "luo-test-veto-v1",
};

static struct miscdevice veto_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "luo_veto",
	.fops = &veto_fops,
	.mode = 0600,
};

static int __init veto_init(void)
{
	int err = misc_register(&veto_device);

	if (err)
		return err;
	err = liveupdate_register_file_handler(&veto_handler);
	if (err)
		misc_deregister(&veto_device);
	return err;
}

static void __exit veto_exit(void)
{
	liveupdate_unregister_file_handler(&veto_handler);
	misc_deregister(&veto_device);
}

module_init(veto_init);
module_exit(veto_exit);
MODULE_DESCRIPTION("File handler that fails on demand, for tests");
MODULE_LICENSE("GPL");
