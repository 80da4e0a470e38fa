// SPDX-License-Identifier: GPL-2.0-only
/*
 * /sys/kernel/liveupdate: everything that status displays need, without
 * opening the device, which is exclusive. docs/sysfs.md describes each file.
 */
#include <linux/kobject.h>
#include <linux/module.h>
#include <linux/sysfs.h>

#include "luo_handover.h"
#include "glue.h"

static struct kobject *dir;

#define LUO_ATTR(_name) \
	static struct kobj_attribute _name##_attr = __ATTR_RO(_name)

#define LUO_COUNT_ATTR(_name, _value) \
static ssize_t _name##_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf) \
{ \
	struct luo_counts counts; \
	\
	luo_core_counts(&counts); \
	return sysfs_emit(buf, "%llu\n", (u64)(_value)); \
} \
LUO_ATTR(_name)

LUO_COUNT_ATTR(generation, counts.generation);
LUO_COUNT_ATTR(sessions_out, counts.sessions_out);
LUO_COUNT_ATTR(files_out, counts.files_out);
LUO_COUNT_ATTR(bytes_out, counts.pages_out << PAGE_SHIFT);
LUO_COUNT_ATTR(sessions_in, counts.sessions_in);
LUO_COUNT_ATTR(files_in, counts.files_in);
LUO_COUNT_ATTR(bytes_in, counts.pages_in << PAGE_SHIFT);

static ssize_t state_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	static const char * const names[] = {
		[LIVEUPDATE_STATE_NORMAL] = "normal",
		[LIVEUPDATE_STATE_UPDATED] = "updated",
		[LIVEUPDATE_STATE_FROZEN] = "frozen",
	};

	return sysfs_emit(buf, "%s\n", names[luo_core_state()]);
}
LUO_ATTR(state);

static ssize_t abi_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "1\n");
}
LUO_ATTR(abi);

static ssize_t format_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u-%u\n", LUO_FORMAT_MIN, LUO_FORMAT_MAX);
}
LUO_ATTR(format);

static ssize_t scratch_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", luo_scratch_bytes());
}
LUO_ATTR(scratch);

static ssize_t limit_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", luo_frames_limit() << PAGE_SHIFT);
}
LUO_ATTR(limit);

static ssize_t kept_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", luo_frames_kept() << PAGE_SHIFT);
}
LUO_ATTR(kept);

static ssize_t reserved_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", luo_incoming_reserved());
}
LUO_ATTR(reserved);

/* Physical address of the chain's first node. Addresses are for root only. */
static ssize_t chain_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%#llx\n", luo_chain_head());
}
static struct kobj_attribute chain_attr = __ATTR(chain, 0400, chain_show, NULL);

static ssize_t image_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	static const char * const names[] = {
		[LUO_ARMED_NONE] = "none",
		[LUO_ARMED_OURS] = "armed",
		[LUO_ARMED_FOREIGN] = "foreign",
	};

	return sysfs_emit(buf, "%s\n", names[luo_kexec_armed()]);
}
LUO_ATTR(image);

static ssize_t last_error_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf)
{
	char reason[256];

	luo_last_error(reason, sizeof(reason));
	return sysfs_emit(buf, "%s\n", reason);
}
LUO_ATTR(last_error);

static const struct attribute *attrs[] = {
	&generation_attr.attr,
	&sessions_out_attr.attr,
	&files_out_attr.attr,
	&bytes_out_attr.attr,
	&sessions_in_attr.attr,
	&files_in_attr.attr,
	&bytes_in_attr.attr,
	&state_attr.attr,
	&abi_attr.attr,
	&format_attr.attr,
	&scratch_attr.attr,
	&limit_attr.attr,
	&kept_attr.attr,
	&reserved_attr.attr,
	&chain_attr.attr,
	&image_attr.attr,
	&last_error_attr.attr,
	NULL
};

#define LUO_WHEN_ATTR(_name, _when) \
static ssize_t _name##_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf) \
{ \
	s64 ns = luo_when(_when); \
	\
	return ns < 0 ? sysfs_emit(buf, "\n") : sysfs_emit(buf, "%lld\n", ns); \
} \
LUO_ATTR(_name)

LUO_WHEN_ATTR(freeze, LUO_WHEN_FREEZE);
LUO_WHEN_ATTR(frozen, LUO_WHEN_FROZEN);
LUO_WHEN_ATTR(jump, LUO_WHEN_JUMP);
LUO_WHEN_ATTR(kernel, LUO_WHEN_KERNEL);
LUO_WHEN_ATTR(module, LUO_WHEN_MODULE);
LUO_WHEN_ATTR(ready, LUO_WHEN_READY);
LUO_WHEN_ATTR(retrieved, LUO_WHEN_RETRIEVED);

static struct attribute *blackout_attrs[] = {
	&freeze_attr.attr,
	&frozen_attr.attr,
	&jump_attr.attr,
	&kernel_attr.attr,
	&module_attr.attr,
	&ready_attr.attr,
	&retrieved_attr.attr,
	NULL
};

static const struct attribute_group blackout_group = {
	.name	= "blackout",
	.attrs	= blackout_attrs,
};

/* What arrived and may be of no use. These may wait for a session that is busy. */
#define LUO_ORPHAN_ATTR(_name) \
static ssize_t _name##_show(struct kobject *kobj, struct kobj_attribute *attr, char *buf) \
{ \
	struct luo_orphans orphans; \
	int err = luo_core_orphans(&orphans); \
	\
	return err ?: sysfs_emit(buf, "%llu\n", orphans._name); \
} \
LUO_ATTR(_name)

LUO_ORPHAN_ATTR(sessions_damaged);
LUO_ORPHAN_ATTR(files_failed);
LUO_ORPHAN_ATTR(files_unknown);

static struct attribute *orphan_attrs[] = {
	&sessions_damaged_attr.attr,
	&files_failed_attr.attr,
	&files_unknown_attr.attr,
	NULL
};

static const struct attribute_group orphan_group = {
	.name	= "orphans",
	.attrs	= orphan_attrs,
};

static const struct attribute_group * const groups[] = {
	&blackout_group,
	&orphan_group,
};

/* Those that can be polled. */
static struct kernfs_node *state_node, *image_node;

static void notify_state(void)
{
	sysfs_notify_dirent(state_node);
}

void luo_sysfs_image_changed(void)
{
	sysfs_notify_dirent(image_node);
}

int luo_sysfs_init(void)
{
	unsigned int i;
	int err;

	dir = kobject_create_and_add("liveupdate", kernel_kobj);
	if (!dir)
		return -ENOMEM;
	err = sysfs_create_files(dir, attrs);
	for (i = 0; !err && i < ARRAY_SIZE(groups); i++)
		err = sysfs_create_group(dir, groups[i]);
	if (err)
		goto err_put;
	state_node = sysfs_get_dirent(dir->sd, "state");
	image_node = sysfs_get_dirent(dir->sd, "image");
	if (WARN_ON_ONCE(!state_node || !image_node)) {
		err = -ENOENT;
		goto err_put_nodes;
	}
	luo_core_set_notify(notify_state);
	return 0;

err_put_nodes:
	sysfs_put(state_node);
	sysfs_put(image_node);
err_put:
	kobject_put(dir);
	return err;
}

/* When nothing can change any more. */
void luo_sysfs_exit(void)
{
	luo_core_set_notify(NULL);
	sysfs_put(state_node);
	sysfs_put(image_node);
	kobject_put(dir);
}
