/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shared by the subcommands of luoctl. */
#ifndef LUOCTL_H
#define LUOCTL_H

#include <json.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "libluo.h"

#define ARRAY_SIZE(a)  (sizeof(a) / sizeof((a)[0]))
#define PRINTF(f, a)   __attribute__((format(printf, f, a)))

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

struct luoctl {
	struct luo_system *system;
	const char *root; /* "" but in tests */
};

struct command {
	const char *name;
	const char *summary;
	const char *help;
	int (*run)(struct luoctl *ctl, const struct command *self, int argc, char **argv);
};

extern const struct command cmd_check, cmd_status, cmd_list, cmd_show, cmd_monitor, cmd_load,
	cmd_unload, cmd_kexec, cmd_exec, cmd_session, cmd_report;

/* device.c */

/* Waits for it while somebody else has it. 0 or a negative errno, and has said why. */
int open_device(struct luoctl *ctl, const char *who, struct luo_device **ret);

/* util.c */

/* "luoctl: ..." on stderr, one line. */
void say(const char *format, ...) PRINTF(1, 2);
/* The same, and returns EXIT_FAILED. */
int fail(const char *format, ...) PRINTF(1, 2);
/* The same where neither the module nor the kernel has live update. */
int fail_off(void);
/* The same with a pointer to --help, and returns EXIT_USAGE. */
int usage(const struct command *self, const char *format, ...) PRINTF(2, 3);
/* After getopt_long() returned '?' or ':'; it has said what is wrong. */
int usage_hint(const struct command *self);
void show_help(const struct command *self);

const char *format_size(uint64_t bytes, char buf[32]);
const char *format_ns(uint64_t ns, char buf[32]);
/* 64, 64K, 64M, 64G; false on anything else, 0 and overflow included. */
bool parse_size(const char *text, uint64_t *ret);
/* USR1, SIGUSR1, 10. */
bool parse_signal(const char *text, int *ret);
const char *signal_name(int number, char buf[32]);

/* Words for values of enum luo_state and enum luo_image. */
extern const char *const state_names[4];
extern const char *const image_names[4];
/* Indexed by enum luo_blackout. */
extern const struct moment {
	const char *name, *text;
} moments[LUO_BLACKOUT_COUNT];
/* "2 sessions, 3 files, 4 MiB", or "nothing". */
const char *format_sum(uint64_t sessions, uint64_t files, uint64_t bytes, char buf[96]);
struct json_object *sum_to_json(uint64_t sessions, uint64_t files, uint64_t bytes);

uint64_t realtime_ns(void);
/* Bytes of the character that begins here; 0 when it is none. */
size_t utf8_length(const unsigned char *p);
bool is_utf8(const char *text);

/* Prints and frees; EXIT_DONE, or EXIT_FAILED when stdout cannot be written. */
int print_json(struct json_object *object);
/* After the last output of a command that reads. */
int finish_output(int code);

/* Sets a member; the object owns it. */
void json_set(struct json_object *object, const char *key, struct json_object *value);
void json_set_string(struct json_object *object, const char *key, const char *value);
void json_set_u64(struct json_object *object, const char *key, uint64_t value);
void json_set_bool(struct json_object *object, const char *key, bool value);
/* Members of what somebody else wrote: false when missing or of another type. */
bool json_get_string(struct json_object *object, const char *key, const char **ret);
bool json_get_u64(struct json_object *object, const char *key, uint64_t *ret);
bool json_get_bool(struct json_object *object, const char *key, bool *ret);

#endif /* LUOCTL_H */
