// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The manifest: which file of a session is what, so that the order of
 * arguments does not matter and a wrong one is noticed before anything is
 * touched.
 *
 * Two slots of equal size, each "luo-exec 1 SEQ LENGTH CRC32\n" padded to 64
 * bytes, and JSON. Writing goes to the slot that is not the newest; a torn one
 * has a wrong checksum. The size of the file never changes, for in-tree live
 * update freezes it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "exec.h"

#define HEADER 64
#define SLOT_MAX (32u << 20)

void manifest_free(struct exec_manifest *manifest)
{
	for (unsigned int i = 0; i < manifest->memfd_count; i++) {
		free(manifest->memfds[i].path);
		if (manifest->memfds[i].fd >= 0)
			close(manifest->memfds[i].fd);
	}
	for (unsigned int i = 0; i < manifest->keep_count; i++) {
		free(manifest->keeps[i].path);
		if (manifest->keeps[i].fd >= 0)
			close(manifest->keeps[i].fd);
	}
	free(manifest->memfds);
	free(manifest->keeps);
	memset(manifest, 0, sizeof(*manifest));
}

size_t manifest_slot_size(const struct exec_manifest *manifest)
{
	size_t size = HEADER + 1024;

	/* A byte of a path takes at most six in JSON; numbers at most 20. */
	for (unsigned int i = 0; i < manifest->memfd_count; i++)
		size += 6 * strlen(manifest->memfds[i].path) + 512;
	for (unsigned int i = 0; i < manifest->keep_count; i++)
		size += 6 * strlen(manifest->keeps[i].path) + 512;
	return (size + 4095) & ~(size_t)4095;
}

static struct json_object *attributes(const char *path, uint64_t token, uint64_t size,
				      uint32_t mode, uint64_t uid, uint64_t gid)
{
	struct json_object *object = json_object_new_object();

	if (!object)
		return NULL;
	json_set(object, "path", json_object_new_string(path));
	json_set_u64(object, "token", token);
	json_set_u64(object, "size", size);
	json_set_u64(object, "mode", mode);
	json_set_u64(object, "uid", uid);
	json_set_u64(object, "gid", gid);
	return object;
}

static struct json_object *to_json(const struct exec_manifest *manifest)
{
	struct json_object *root = json_object_new_object(), *memfds, *keeps, *object;

	memfds = json_object_new_array();
	keeps = json_object_new_array();
	if (!root || !memfds || !keeps)
		goto fail;
	for (unsigned int i = 0; i < manifest->memfd_count; i++) {
		const struct exec_memfd *m = &manifest->memfds[i];

		object = attributes(m->path, m->token, m->size, m->mode, m->uid, m->gid);
		if (!object || json_object_array_add(memfds, object) < 0)
			goto fail;
	}
	for (unsigned int i = 0; i < manifest->keep_count; i++) {
		const struct exec_keep *k = &manifest->keeps[i];

		object = attributes(k->path, k->token, k->size, k->mode, k->uid, k->gid);
		if (!object || json_object_array_add(keeps, object) < 0)
			goto fail;
		json_set_bool(object, "present", manifest->stored && k->present);
		json_set_u64(object, "mtime_ns", k->mtime_ns);
	}
	json_set_u64(root, "version", 1);
	json_set_bool(root, "stored", manifest->stored);
	json_set_u64(root, "stopped_ns", manifest->stopped_ns);
	json_set(root, "memfds", memfds);
	json_set(root, "keeps", keeps);
	return root;
fail:
	json_object_put(root);
	json_object_put(memfds);
	json_object_put(keeps);
	return NULL;
}

static int write_full(int fd, const void *data, size_t len, off_t offset)
{
	while (len) {
		ssize_t n = pwrite(fd, data, len, offset);

		if (n < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		data = (const char *)data + n;
		len -= n;
		offset += n;
	}
	return 0;
}

int manifest_write(int fd, size_t slot_size, struct exec_manifest *manifest)
{
	struct json_object *root = to_json(manifest);
	char header[HEADER] = "";
	off_t slot = ((manifest->seq + 1) & 1) * slot_size;
	const char *text;
	size_t len;
	int r;

	text = root ? json_object_to_json_string_ext(root, JSON_C_TO_STRING_PLAIN) : NULL;
	if (!text) {
		json_object_put(root);
		return -ENOMEM;
	}
	len = strlen(text);
	if (len > slot_size - HEADER) {
		json_object_put(root);
		return -E2BIG;
	}
	r = write_full(fd, header, sizeof(header), slot);
	if (!r)
		r = write_full(fd, text, len, slot + HEADER);
	if (!r) {
		snprintf(header, sizeof(header), "luo-exec 1 %llu %zu %08lx\n",
			 (unsigned long long)manifest->seq + 1, len,
			 crc32(0, (const Bytef *)text, len));
		r = write_full(fd, header, sizeof(header), slot);
	}
	json_object_put(root);
	if (!r)
		manifest->seq++;
	return r;
}

/* The text of one slot, or NULL. */
static char *read_slot(int fd, off_t offset, size_t slot_size, uint64_t *ret_seq,
		       unsigned int *ret_version)
{
	unsigned long long seq;
	unsigned int version;
	char header[HEADER + 1] = "", *text;
	unsigned long crc;
	size_t len;
	int end = 0;

	if (pread(fd, header, HEADER, offset) != HEADER)
		return NULL;
	if (sscanf(header, "luo-exec %u %llu %zu %lx\n%n", &version, &seq, &len, &crc, &end) != 4 ||
	    !end || len > slot_size - HEADER)
		return NULL;
	text = malloc(len + 1);
	if (!text)
		return NULL;
	if (pread(fd, text, len, offset + HEADER) != (ssize_t)len ||
	    crc32(0, (const Bytef *)text, len) != crc) {
		free(text);
		return NULL;
	}
	text[len] = '\0';
	*ret_seq = seq;
	*ret_version = version;
	return text;
}

static bool get_attributes(struct json_object *object, char **path, uint64_t *token, uint64_t *size,
			   uint32_t *mode, uint64_t *uid, uint64_t *gid)
{
	uint64_t mode64;
	const char *text;

	if (!json_object_is_type(object, json_type_object) ||
	    !json_get_string(object, "path", &text) || *text != '/' ||
	    !json_get_u64(object, "token", token) || !json_get_u64(object, "size", size) ||
	    !json_get_u64(object, "mode", &mode64) || mode64 & ~07777ULL ||
	    !json_get_u64(object, "uid", uid) || *uid >= UINT32_MAX ||
	    !json_get_u64(object, "gid", gid) || *gid >= UINT32_MAX)
		return false;
	*mode = mode64;
	*path = strdup(text);
	return *path;
}

static bool from_json(struct json_object *root, struct exec_manifest *manifest)
{
	struct json_object *memfds, *keeps;
	size_t memfd_count, keep_count;

	if (!json_object_is_type(root, json_type_object) ||
	    !json_get_bool(root, "stored", &manifest->stored) ||
	    !json_get_u64(root, "stopped_ns", &manifest->stopped_ns) ||
	    !json_object_object_get_ex(root, "memfds", &memfds) ||
	    !json_object_is_type(memfds, json_type_array) ||
	    !json_object_object_get_ex(root, "keeps", &keeps) ||
	    !json_object_is_type(keeps, json_type_array))
		return false;
	memfd_count = json_object_array_length(memfds);
	keep_count = json_object_array_length(keeps);
	if (memfd_count > EXEC_FILES_MAX || keep_count > EXEC_FILES_MAX)
		return false;
	manifest->memfds = calloc(memfd_count + 1, sizeof(*manifest->memfds));
	manifest->keeps = calloc(keep_count + 1, sizeof(*manifest->keeps));
	if (!manifest->memfds || !manifest->keeps)
		return false;

	for (size_t i = 0; i < memfd_count; i++) {
		struct exec_memfd *m = &manifest->memfds[manifest->memfd_count];

		m->fd = -1;
		if (!get_attributes(json_object_array_get_idx(memfds, i), &m->path, &m->token,
				    &m->size, &m->mode, &m->uid, &m->gid))
			return false;
		manifest->memfd_count++;
	}
	for (size_t i = 0; i < keep_count; i++) {
		struct exec_keep *k = &manifest->keeps[manifest->keep_count];
		struct json_object *object = json_object_array_get_idx(keeps, i);

		k->fd = -1;
		if (!get_attributes(object, &k->path, &k->token, &k->size, &k->mode, &k->uid,
				    &k->gid))
			return false;
		manifest->keep_count++;
		if (!json_get_bool(object, "present", &k->present) ||
		    !json_get_u64(object, "mtime_ns", &k->mtime_ns))
			return false;
	}
	return true;
}

int manifest_read(int fd, const char *session, struct exec_manifest *ret)
{
	struct exec_manifest manifest = { 0 };
	unsigned int version[2] = { 0 };
	uint64_t seq[2] = { 0 };
	struct json_object *root = NULL;
	char *text[2] = { 0 };
	size_t slot_size;
	struct stat st;
	int newest, r = -EBADMSG;

	if (fstat(fd, &st) < 0 || st.st_size < 2 * HEADER || st.st_size > 2 * SLOT_MAX ||
	    st.st_size & 1) {
		say("%s: what the session has under token 0 is no manifest of 'luoctl exec': "
		    "retrieve it with the program that made it",
		    session);
		return -EBADMSG;
	}
	slot_size = st.st_size / 2;
	for (int i = 0; i < 2; i++)
		text[i] = read_slot(fd, i * slot_size, slot_size, &seq[i], &version[i]);
	newest = !text[0] || (text[1] && seq[1] > seq[0]);
	if (!text[newest]) {
		say("%s: the manifest under token 0 is damaged, or none of 'luoctl exec'", session);
	} else if (version[newest] != 1) {
		say("%s: the manifest has version %u, this luoctl reads 1: use the one that wrote it",
		    session, version[newest]);
	} else {
		root = json_tokener_parse(text[newest]);
		if (root && from_json(root, &manifest)) {
			manifest.seq = seq[newest];
			*ret = manifest;
			r = 0;
		} else {
			say("%s: the manifest under token 0 makes no sense", session);
			manifest_free(&manifest);
		}
	}
	json_object_put(root);
	free(text[0]);
	free(text[1]);
	return r;
}

bool manifest_match(const struct exec_manifest *came, struct exec_manifest *args,
		    const char *session)
{
	bool same = true;
	char a[32], b[32];

	for (unsigned int i = 0; i < came->memfd_count; i++) {
		const struct exec_memfd *m = &came->memfds[i];
		struct exec_memfd *found = NULL;

		for (unsigned int j = 0; j < args->memfd_count && !found; j++)
			if (!strcmp(m->path, args->memfds[j].path))
				found = &args->memfds[j];
		if (!found) {
			say("%s: the session has a memfd %s (%s), but there is no --memfd for it",
			    session, m->path, format_size(m->size, a));
			same = false;
		} else if (found->size != m->size) {
			say("%s: %s has %s in the session, but --memfd says %s", session, m->path,
			    format_size(m->size, a), format_size(found->size, b));
			same = false;
		} else {
			found->token = m->token;
			found->mode = m->mode;
			found->uid = m->uid;
			found->gid = m->gid;
		}
	}
	for (unsigned int j = 0; j < args->memfd_count; j++) {
		bool found = false;

		for (unsigned int i = 0; i < came->memfd_count && !found; i++)
			found = !strcmp(came->memfds[i].path, args->memfds[j].path);
		if (!found) {
			say("%s: --memfd %s is not in the session", session, args->memfds[j].path);
			same = false;
		}
	}
	for (unsigned int i = 0; i < came->keep_count; i++) {
		struct exec_keep *found = NULL;

		for (unsigned int j = 0; j < args->keep_count && !found; j++)
			if (!strcmp(came->keeps[i].path, args->keeps[j].path))
				found = &args->keeps[j];
		if (!found) {
			say("%s: the session has a kept file %s, but there is no --keep for it",
			    session, came->keeps[i].path);
			same = false;
			continue;
		}
	}
	for (unsigned int j = 0; j < args->keep_count; j++) {
		bool found = false;

		for (unsigned int i = 0; i < came->keep_count && !found; i++)
			found = !strcmp(came->keeps[i].path, args->keeps[j].path);
		if (!found) {
			say("%s: --keep %s is not in the session", session, args->keeps[j].path);
			same = false;
		}
	}
	return same;
}
