// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a preserved file is besides its pages: size, rights, how it is open.
 */
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/user_namespace.h>

#include "handlers.h"

static const struct { unsigned int ser, file; } state_flags[] = {
	{ LUO_STATE_APPEND, O_APPEND },
	{ LUO_STATE_NONBLOCK, O_NONBLOCK },
	{ LUO_STATE_NOATIME, O_NOATIME },
};

void luo_state_save(struct liveupdate_file_op_args *args, u32 seals)
{
	struct luo_state_ser *ser = luo_pages_blob(args->pages);
	struct file *file = args->file;
	struct inode *inode = file_inode(file);
	struct name_snapshot name;
	u32 flags = 0;
	unsigned int i;

	if (file->f_mode & FMODE_READ)
		flags |= LUO_STATE_READ;
	if (file->f_mode & FMODE_WRITE)
		flags |= LUO_STATE_WRITE;
	for (i = 0; i < ARRAY_SIZE(state_flags); i++) {
		if (file->f_flags & state_flags[i].file)
			flags |= state_flags[i].ser;
	}
	memset(ser, 0, sizeof(*ser));
	ser->version = cpu_to_le32(LUO_STATE_VERSION);
	ser->flags = cpu_to_le32(flags);
	ser->size = cpu_to_le64(i_size_read(inode));
	ser->pos = cpu_to_le64(file->f_pos);
	ser->seals = cpu_to_le32(seals);
	ser->mode = cpu_to_le32(inode->i_mode & 07777);
	ser->uid = cpu_to_le32(from_kuid(&init_user_ns, inode->i_uid));
	ser->gid = cpu_to_le32(from_kgid(&init_user_ns, inode->i_gid));
	take_dentry_name_snapshot(&name, file->f_path.dentry);
	strscpy(ser->name, name.name.name, sizeof(ser->name));
	release_dentry_name_snapshot(&name);
	luo_pages_seal_blob(args->pages);
}

bool luo_state_is_sound(const struct luo_state_ser *ser)
{
	u64 size = le64_to_cpu(ser->size), pos = le64_to_cpu(ser->pos);

	return le32_to_cpu(ser->version) == LUO_STATE_VERSION &&
	       !(le32_to_cpu(ser->flags) & ~LUO_STATE_FLAGS) &&
	       (le32_to_cpu(ser->flags) & (LUO_STATE_READ | LUO_STATE_WRITE)) &&
	       size <= MAX_LFS_FILESIZE && pos <= MAX_LFS_FILESIZE &&
	       !(le32_to_cpu(ser->seals) & ~LUO_STATE_SEALS) &&
	       !(le32_to_cpu(ser->mode) & ~07777) &&
	       strnlen(ser->name, sizeof(ser->name)) < sizeof(ser->name);
}

struct file *luo_state_open(const struct path *path, const struct luo_state_ser *ser)
{
	u32 ser_flags = le32_to_cpu(ser->flags);
	kuid_t uid = make_kuid(&init_user_ns, le32_to_cpu(ser->uid));
	kgid_t gid = make_kgid(&init_user_ns, le32_to_cpu(ser->gid));
	struct inode *inode = d_inode(path->dentry);
	int flags = O_LARGEFILE;
	struct file *file;
	unsigned int i;

	if (!uid_valid(uid) || !gid_valid(gid))
		return ERR_PTR(-EIO);
	if ((ser_flags & (LUO_STATE_READ | LUO_STATE_WRITE)) == (LUO_STATE_READ | LUO_STATE_WRITE))
		flags |= O_RDWR;
	else if (ser_flags & LUO_STATE_WRITE)
		flags |= O_WRONLY;
	for (i = 0; i < ARRAY_SIZE(state_flags); i++) {
		if (ser_flags & state_flags[i].ser)
			flags |= state_flags[i].file;
	}

	file = dentry_open(path, flags, current_cred());
	if (IS_ERR(file))
		return file;
	file->f_pos = le64_to_cpu(ser->pos);
	inode->i_uid = uid;
	inode->i_gid = gid;
	inode->i_mode = S_IFREG | le32_to_cpu(ser->mode);
	return file;
}
