/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by the objects of libluo; not installed. */
#ifndef LUO_PRIVATE_H
#define LUO_PRIVATE_H

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

#include "libluo.h"

#define LUO_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define LUO_PRINTF(f, a)  __attribute__((format(printf, f, a)))

#define LUO_MIN(a, b) ((a) < (b) ? (a) : (b))
#define LUO_MAX(a, b) ((a) > (b) ? (a) : (b))

/* Where the release begins in a kernel's version string is where it ends. */
#define LUO_RELEASE_SIZE 128

struct luo_system {
	char *root; /* without a slash at its end; "" for "/" */
};

/* ------------------------------------------------------------------ text */

/* A place for an error text; @buf may be NULL. */
struct luo_text {
	char *buf;
	size_t size;
};

/* Sets the text and returns @error, so that failing is one statement. */
int luo_fail(struct luo_text *text, int error, const char *format, ...) LUO_PRINTF(3, 4);

/* "160 MiB"; @buf of 32 bytes. */
const char *luo_format_size(uint64_t bytes, char buf[32]);

/* ------------------------------------------------------------------ files */

/* Path of a system file below the handle's root. */
int luo_system_path(struct luo_system *system, char ret_path[PATH_MAX], const char *format, ...)
	LUO_PRINTF(3, 4);

/*
 * The first @size - 1 bytes of a file as a string, without white space at its
 * end. Returns the length or a negative errno.
 */
ssize_t luo_read_text(const char *path, char *buf, size_t size);

/* The same for a system file. */
ssize_t luo_system_read(struct luo_system *system, const char *name, char *buf, size_t size);

/* A decimal number that is all of a system file; 0 if it is none. */
uint64_t luo_system_number(struct luo_system *system, const char *name);

/* "MemTotal" and the like of /proc/meminfo, in bytes; 0 if unknown. */
uint64_t luo_system_meminfo(struct luo_system *system, const char *key);

/* Is there something of that name? */
bool luo_system_exists(struct luo_system *system, const char *name);

/* Reads until @size or the end of the file; short only at the end. */
ssize_t luo_read_full(int fd, void *buf, size_t size);

/* Opens a regular file for reading. */
int luo_open_regular(const char *path, uint64_t *ret_size);

/* The same, and says what is wrong. */
int luo_open_said(const char *path, uint64_t *ret_size, struct luo_text *error);

/* Is there a line in a system file that contains @word as a whole word? */
bool luo_system_has_word(struct luo_system *system, const char *name, const char *word);

/* Release of the running kernel. */
int luo_system_release(struct luo_system *system, char ret_release[LUO_RELEASE_SIZE]);

/*
 * Copies a sized struct to a caller who may know less or more of it. @known
 * begins with our size; the caller's size stays.
 */
void luo_copy_sized(void *caller, const void *known, size_t known_size);

/* ---------------------------------------------------------------- streams */

enum luo_packing {
	LUO_PACKING_NONE,
	LUO_PACKING_GZIP,
	LUO_PACKING_XZ,
	LUO_PACKING_LZMA,
	LUO_PACKING_ZSTD,
	LUO_PACKING_LZ4,
	LUO_PACKING_BZIP2,
	LUO_PACKING_LZO,
};

/* A buffered reader of a descriptor or of memory. */
struct luo_source {
	int fd; /* -1: memory only */
	uint64_t offset; /* of @data within the whole */
	const uint8_t *data;
	size_t len;
	uint8_t *buf; /* of LUO_SOURCE_SIZE; NULL for memory */
	bool end;
};

#define LUO_SOURCE_SIZE (256 * 1024)

int luo_source_open(struct luo_source *source, int fd);
void luo_source_memory(struct luo_source *source, const void *data, size_t len);
void luo_source_close(struct luo_source *source);
/* Tries to have @want bytes (at most 64 KiB) at hand. Returns how many there are. */
ssize_t luo_source_peek(struct luo_source *source, size_t want);
void luo_source_consume(struct luo_source *source, size_t len);

/* Takes bytes; a positive value stops quietly, a negative errno with failure. */
typedef int (*luo_sink)(void *userdata, const uint8_t *data, size_t len);

enum luo_packing luo_packing_detect(const uint8_t *data, size_t len);
const char *luo_packing_name(enum luo_packing packing);

/*
 * Unpacks one compressed stream at the source's place, and leaves the source
 * behind it. Returns 0, what the sink returned if not 0, or a negative errno.
 */
int luo_unpack(struct luo_source *source, enum luo_packing packing, luo_sink sink, void *userdata,
	       struct luo_text *error);

/* ------------------------------------------------------------------- cpio */

enum luo_cpio_state {
	LUO_CPIO_START, /* at a header's place; zeros are skipped */
	LUO_CPIO_HEADER,
	LUO_CPIO_NAME,
	LUO_CPIO_DATA,
	LUO_CPIO_PAD,
};

struct luo_cpio;

struct luo_cpio_ops {
	/* A new entry; returns whether its data is wanted. */
	bool (*entry)(void *userdata, const char *name, uint32_t mode, uint64_t size);
	/* Data of a wanted entry. 0 or a negative errno. */
	int (*data)(void *userdata, const uint8_t *data, size_t len);
	/* A wanted entry is complete. 0 or a negative errno. */
	int (*done)(void *userdata);
};

/* A parser of "newc" archives that is fed piece by piece. */
struct luo_cpio {
	const struct luo_cpio_ops *ops;
	void *userdata;
	struct luo_text *error;

	enum luo_cpio_state state, after_pad;
	uint64_t offset; /* in this stream */
	uint64_t need; /* bytes that the state still wants */
	size_t have; /* bytes in @header or @name */
	uint64_t body;
	uint32_t mode;
	uint32_t name_size;
	bool wanted;
	bool trailer;

	uint32_t archives;
	uint32_t files;
	uint64_t unpacked;
	uint64_t fed; /* with headers, padding and zeros between archives */

	char header[110];
	char name[PATH_MAX];
};

void luo_cpio_init(struct luo_cpio *cpio, const struct luo_cpio_ops *ops, void *userdata,
		   struct luo_text *error);
/* A luo_sink. 0 or a negative errno. */
int luo_cpio_feed(void *cpio, const uint8_t *data, size_t len);
/* Between archives, so that the stream may end here. */
bool luo_cpio_at_start(const struct luo_cpio *cpio);

/* ----------------------------------------------------------------- module */

struct luo_modinfo {
	char release[LUO_RELEASE_SIZE];
	uint32_t format_min, format_max; /* 0: the module does not say */
	bool signature;
};

/* Reads the .modinfo of a module that lies in memory, unpacked. */
int luo_modinfo_parse(const uint8_t *elf, size_t len, struct luo_modinfo *ret_info,
		      struct luo_text *error);

/* "1-3" or "2" to two numbers. */
bool luo_format_parse(const char *text, uint32_t *ret_min, uint32_t *ret_max);

/* ------------------------------------------------------------ kernel config */

enum luo_config_value {
	LUO_CONFIG_MISSING = 0, /* no config to be found */
	LUO_CONFIG_NO,
	LUO_CONFIG_MODULE,
	LUO_CONFIG_YES,
	LUO_CONFIG_OTHER,
};

struct luo_config {
	bool found;
	char *text;
};

/* The config of kernel @release: next to @kernel, in /boot, or /proc/config.gz. */
int luo_config_load(struct luo_system *system, const char *kernel, const char *release,
		    bool running, struct luo_config *config);
void luo_config_free(struct luo_config *config);
enum luo_config_value luo_config_get(const struct luo_config *config, const char *option);
/* Value of an option that is a number; -1 if it has none. */
long luo_config_number(const struct luo_config *config, const char *option);

/* ----------------------------------------------------------- command lines */

/*
 * Walks over the parameters of a command line (quotes as the kernel knows
 * them). Returns the next one and its length, NULL at the end.
 */
const char *luo_cmdline_next(const char **cursor, size_t *ret_len);
/* Value of the first parameter @name (with its "="), or NULL; it ends with the parameter. */
const char *luo_cmdline_find(const char *cmdline, const char *name);
/* The running kernel's, without what the boot loader added; free() it. */
int luo_cmdline_running(struct luo_system *system, char **ret_cmdline);

/* ----------------------------------------------------------------- checks */

struct luo_checker {
	struct luo_system *system;
	luo_check_cb callback;
	void *userdata;
	int failed;
	int first_error;
};

void luo_check_report(struct luo_checker *checker, const char *id, int verdict, int error,
		      const char *hint, const char *format, ...) LUO_PRINTF(6, 7);

/* Those checks of the running kernel without which loading is pointless. */
void luo_check_kexec_allowed(struct luo_checker *checker);
void luo_check_provider(struct luo_checker *checker);

/*
 * A target that has been found. What is checked must be what is loaded, also
 * if a package is installed in the meantime: the files are opened once.
 */
struct luo_target {
	char *kernel, *initrd, *cmdline; /* @initrd may be NULL */
	int kernel_fd, initrd_fd; /* -1: not open yet */
};

#define LUO_TARGET_INIT { .kernel_fd = -1, .initrd_fd = -1 }

void luo_target_release(struct luo_target *target);

/* All checks of a target. Opens its files, which stay open. */
void luo_check_target_files(struct luo_checker *checker, struct luo_target *target);

/* luo_kernel_inspect() and luo_initrd_inspect() of open files; @path is for messages. */
int luo_kernel_inspect_fd(int fd, const char *path, uint64_t file_size,
			  struct luo_kernel_info *info, struct luo_text *error);
int luo_initrd_inspect_fd(int fd, const char *path, uint64_t file_size, const char *release,
			  struct luo_initrd_info *info, struct luo_text *error);

int luo_kexec_options_check(const struct luo_kexec_options *options,
			    struct luo_kexec_options *ret_known);

#endif /* LUO_PRIVATE_H */
