// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * luoctl report: the blackout of the last live update as a timeline.
 *
 * The moments come from both kernels: the old one has left its own in the
 * handover image. A part is what lies between two moments that follow each
 * other; where one in between is unknown two parts become one.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "holder.h"

#define BAR_WIDTH 32

/* What happens before each moment, since the one before it, and whose time that is. */
static const struct {
	const char *actor, *text;
} work[LUO_BLACKOUT_COUNT] = {
	{ "old", "reboot(2) gets ready" },
	{ "old", "sessions are frozen, the handover image is written" },
	{ "old", "devices and CPUs are stopped" },
	{ "between", "the purgatory and the decompressor run" },
	{ "new", "the new kernel starts" },
	{ "module", "the module reads the handover image, and frees what nobody needs" },
	{ "program", "programs start, and retrieve their first file" },
};

struct part {
	int from, to; /* enum luo_blackout; -1: reboot(2) */
	uint64_t start, length;
	const char *actor;
	char text[96];
};

struct timeline {
	uint64_t generation, total;
	char kernel[65];
	int last; /* enum luo_blackout */
	struct part parts[LUO_BLACKOUT_COUNT];
	unsigned int count;
	bool known[LUO_BLACKOUT_COUNT];
	bool odd[LUO_BLACKOUT_COUNT]; /* earlier than one before it */
	struct holder_list holders;
};

static void read_kernel(struct luoctl *ctl, char *ret, size_t size)
{
	char path[PATH_MAX];
	FILE *file;

	snprintf(ret, size, "of unknown release");
	if (snprintf(path, sizeof(path), "%s/proc/sys/kernel/osrelease", ctl->root) >=
	    (int)sizeof(path))
		return;
	file = fopen(path, "re");
	if (!file)
		return;
	if (fgets(ret, size, file))
		ret[strcspn(ret, "\n")] = '\0';
	fclose(file);
}

static void add_part(struct timeline *line, int from, int to, uint64_t start, uint64_t end)
{
	struct part *part = &line->parts[line->count++];

	*part = (struct part){
		.from = from,
		.to = to,
		.start = start,
		.length = end - start,
		.actor = work[to].actor,
	};
	if (to == from + 1) {
		snprintf(part->text, sizeof(part->text), "%s", work[to].text);
	} else {
		snprintf(part->text, sizeof(part->text), "all until %s", moments[to].text);
		part->actor = "many";
	}
}

/* False: not a single moment is known. */
static bool make_timeline(const struct luo_status *status, struct timeline *line)
{
	int from = -1;

	line->generation = status->generation;
	line->last = -1;
	for (int i = 0; i < LUO_BLACKOUT_COUNT; i++) {
		uint64_t at = status->blackout[i];

		/* 0 is unknown, but for the first one, which is where counting begins. */
		if (!at && i != LUO_BLACKOUT_FREEZE)
			continue;
		if (at < line->total) {
			line->odd[i] = true;
			continue;
		}
		line->known[i] = true;
		if (at)
			add_part(line, from, i, line->total, at);
		line->total = at;
		line->last = from = i;
	}
	return line->count;
}

/* --- as text ------------------------------------------------------------------ */

/* Nothing that a terminal would act upon: no controls, the old ones or those of Unicode. */
static void print_plain(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		size_t n = utf8_length(p);

		if (!n || *p < ' ' || *p == 0x7f || (*p == 0xc2 && p[1] < 0xa0))
			putchar('?');
		else
			fwrite(p, 1, n, stdout);
		p += n ? n : 1;
	}
}

static int show_text(const struct timeline *line)
{
	char text[32];
	bool any = false;

	printf("%-13s %llu, to Linux ", "live update:", (unsigned long long)line->generation);
	print_plain(line->kernel);
	printf("\n%-13s %s, from reboot(2) until %s\n", "blackout:",
	       format_ns(line->total, text), moments[line->last].text);
	if (!line->known[LUO_BLACKOUT_RETRIEVED] && !line->odd[LUO_BLACKOUT_RETRIEVED])
		printf("%-13s nobody has retrieved a file yet\n", "");
	for (int i = 0; i < LUO_BLACKOUT_COUNT; i++)
		if (line->odd[i])
			printf("%-13s '%s' is earlier than what comes before it, and left out\n",
			       "note:", moments[i].name);

	printf("\n%10s  %6s\n", "time", "share");
	for (unsigned int i = 0; i < line->count; i++) {
		const struct part *part = &line->parts[i];
		double scale = (double)BAR_WIDTH / line->total;
		int start = part->start * scale, length = part->length * scale + 0.5;
		char bar[BAR_WIDTH + 1];

		if (start > BAR_WIDTH - 1)
			start = BAR_WIDTH - 1;
		if (length < 1)
			length = 1;
		if (length > BAR_WIDTH - start)
			length = BAR_WIDTH - start;
		memset(bar, ' ', BAR_WIDTH);
		memset(bar + start, '=', length);
		bar[BAR_WIDTH] = '\0';
		printf("%10s %5.1f %%  [%s]  %s\n", format_ns(part->length, text),
		       100.0 * part->length / line->total, bar, part->text);
	}

	for (unsigned int i = 0; i < line->holders.count; i++) {
		const struct holder *holder = &line->holders.items[i];

		if (!holder->downtime_ns)
			continue;
		printf("%s%-13s ", any ? "" : "\n", "exec:");
		print_plain(holder->session);
		printf(": its command was down for %s\n", format_ns(holder->downtime_ns, text));
		any = true;
	}
	return finish_output(EXIT_DONE);
}

/* --- as JSON ------------------------------------------------------------------ */

static int show_json(const struct timeline *line)
{
	struct json_object *root = json_object_new_object();
	struct json_object *array = json_object_new_array(), *object;

	json_set_u64(root, "generation", line->generation);
	json_set_string(root, "kernel", line->kernel);
	json_set_u64(root, "total_ns", line->total);
	json_set_string(root, "until", moments[line->last].name);
	for (unsigned int i = 0; i < line->count; i++) {
		const struct part *part = &line->parts[i];

		object = json_object_new_object();
		json_set_string(object, "from",
				part->from < 0 ? "reboot" : moments[part->from].name);
		json_set_string(object, "to", moments[part->to].name);
		json_set_string(object, "text", part->text);
		json_set_u64(object, "start_ns", part->start);
		json_set_u64(object, "ns", part->length);
		json_object_array_add(array, object);
	}
	json_set(root, "parts", array);
	array = json_object_new_array();
	for (int i = 0; i < LUO_BLACKOUT_COUNT; i++)
		if (line->odd[i])
			json_object_array_add(array, json_object_new_string(moments[i].name));
	json_set(root, "left_out", array);
	array = json_object_new_array();
	for (unsigned int i = 0; i < line->holders.count; i++) {
		const struct holder *holder = &line->holders.items[i];

		if (!holder->downtime_ns)
			continue;
		object = json_object_new_object();
		json_set_string(object, "session", holder->session);
		json_set_u64(object, "downtime_ns", holder->downtime_ns);
		json_object_array_add(array, object);
	}
	json_set(root, "exec", array);
	return print_json(root);
}

/* --- as SVG ------------------------------------------------------------------- */

/* Text or an attribute: nothing in it is markup, and every character is one of XML. */
static void put_escaped(FILE *file, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		size_t n = utf8_length(p);

		if (*p == '&')
			fputs("&amp;", file);
		else if (*p == '<')
			fputs("&lt;", file);
		else if (*p == '>')
			fputs("&gt;", file);
		else if (*p == '"')
			fputs("&quot;", file);
		else if (*p == '\'')
			fputs("&apos;", file);
		else if (!n || *p < ' ' || *p == 0x7f ||
			 (n == 3 && p[0] == 0xef && p[1] == 0xbf && p[2] >= 0xbe))
			fputs("\xef\xbf\xbd", file); /* U+FFFD */
		else
			fwrite(p, 1, n, file);
		p += n ? n : 1;
	}
}

#define SVG_WIDTH  760U
#define SVG_MARGIN 20U
#define SVG_ROW	   46U
#define SVG_HEAD   84U

/* The page has a colour of its own, so that it does not matter what it lies on. */
static const char svg_style[] =
	"<style>\n"
	"text{font:14px sans-serif;fill:#1f2328}\n"
	".head{font-size:18px;font-weight:bold}\n"
	".dim{fill:#59636e}\n"
	".end{text-anchor:end}\n"
	".page{fill:#ffffff}\n"
	".track{fill:#e6eaef}\n"
	".old{fill:#bf6a02}.between,.many{fill:#6e7781}.new{fill:#0969da}"
	".module{fill:#1a7f37}.program{fill:#8250df}\n"
	"@media (prefers-color-scheme:dark){\n"
	"text{fill:#e6edf3}.dim{fill:#9198a1}.page{fill:#0d1117}.track{fill:#262c36}\n"
	".old{fill:#db8b34}.between,.many{fill:#9198a1}.new{fill:#4493f8}"
	".module{fill:#3fb950}.program{fill:#ab7df8}\n"
	"}\n"
	"</style>\n";

static void put_svg(FILE *file, const struct timeline *line)
{
	unsigned int downs = 0, height, y = SVG_HEAD;
	const unsigned int room = SVG_WIDTH - 2 * SVG_MARGIN;
	char text[32];

	for (unsigned int i = 0; i < line->holders.count; i++)
		downs += line->holders.items[i].downtime_ns != 0;
	height = SVG_HEAD + line->count * SVG_ROW + downs * 22 + SVG_MARGIN;

	fprintf(file,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" width=\"%u\" height=\"%u\" "
		"viewBox=\"0 0 %u %u\">\n<title>Blackout of live update %llu</title>\n%s"
		"<rect class=\"page\" width=\"%u\" height=\"%u\"/>\n",
		SVG_WIDTH, height, SVG_WIDTH, height, (unsigned long long)line->generation,
		svg_style, SVG_WIDTH, height);
	fprintf(file, "<text class=\"head\" x=\"%u\" y=\"32\">Live update %llu, to Linux ",
		SVG_MARGIN, (unsigned long long)line->generation);
	put_escaped(file, line->kernel);
	fprintf(file, "</text>\n<text class=\"dim\" x=\"%u\" y=\"56\">Blackout: %s, from reboot(2) until ",
		SVG_MARGIN, format_ns(line->total, text));
	put_escaped(file, moments[line->last].text);
	fputs("</text>\n", file);

	for (unsigned int i = 0; i < line->count; i++, y += SVG_ROW) {
		const struct part *part = &line->parts[i];
		double scale = (double)room / line->total;
		double start = part->start * scale, length = part->length * scale;

		/* Never too thin to be seen. */
		if (length < 2)
			length = 2;
		if (start > room - length)
			start = room - length;
		fprintf(file, "<text x=\"%u\" y=\"%u\">", SVG_MARGIN, y + 14);
		put_escaped(file, part->text);
		fprintf(file, "</text>\n<text class=\"end\" x=\"%u\" y=\"%u\">%s, %.1f %%</text>\n",
			SVG_WIDTH - SVG_MARGIN, y + 14, format_ns(part->length, text),
			100.0 * part->length / line->total);
		fprintf(file,
			"<rect class=\"track\" x=\"%u\" y=\"%u\" width=\"%u\" height=\"12\"/>\n"
			"<rect class=\"%s\" x=\"%.1f\" y=\"%u\" width=\"%.1f\" height=\"12\"/>\n",
			SVG_MARGIN, y + 21, room, part->actor, SVG_MARGIN + start, y + 21,
			length);
	}
	for (unsigned int i = 0; i < line->holders.count; i++) {
		const struct holder *holder = &line->holders.items[i];

		if (!holder->downtime_ns)
			continue;
		y += 22;
		fprintf(file, "<text class=\"dim\" x=\"%u\" y=\"%u\">", SVG_MARGIN, y - 6);
		put_escaped(file, holder->session);
		fprintf(file, ": its command was down for %s</text>\n",
			format_ns(holder->downtime_ns, text));
	}
	fputs("</svg>\n", file);
}

static int write_svg(const char *path, const struct timeline *line)
{
	FILE *file;
	bool bad;

	if (!strcmp(path, "-")) {
		put_svg(stdout, line);
		return finish_output(EXIT_DONE);
	}
	file = fopen(path, "we");
	if (!file)
		return fail("%s: %s", path, strerror(errno));
	put_svg(file, line);
	bad = ferror(file);
	if (fclose(file) || bad)
		return fail("writing %s: %s", path, strerror(errno));
	return EXIT_DONE;
}

static int run(struct luoctl *ctl, const struct command *self, int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "svg", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct luo_status status = { .size = sizeof(status) };
	struct timeline line = { 0 };
	const char *svg = NULL;
	bool json = false;
	int c, code, r;

	while ((c = getopt_long(argc, argv, "js:h", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			json = true;
			break;
		case 's':
			svg = optarg;
			break;
		case 'h':
			show_help(self);
			return finish_output(EXIT_DONE);
		default:
			return usage_hint(self);
		}
	}
	if (optind < argc)
		return usage(self, "'%s' is one argument too many", argv[optind]);
	if (json && svg)
		return usage(self, "--json and --svg exclude each other");

	r = luo_system_get_status(ctl->system, &status);
	if (r < 0)
		return fail("reading the module's status: %s", strerror(-r));
	if (status.provider == LUO_PROVIDER_KERNEL)
		return fail("this kernel's own live update tells no times");
	if (status.provider == LUO_PROVIDER_NONE)
		return fail_off();
	if (!make_timeline(&status, &line))
		return fail(status.generation ?
				    "the times of the last live update are unknown: the two kernels "
				    "do not agree about the clock" :
				    "there has been no live update since the machine was started");
	read_kernel(ctl, line.kernel, sizeof(line.kernel));
	r = holder_list(ctl, &line.holders);
	if (r < 0)
		return fail("looking for running 'luoctl exec': %s", strerror(-r));
	code = svg ? write_svg(svg, &line) : json ? show_json(&line) : show_text(&line);
	free(line.holders.items);
	return code;
}

const struct command cmd_report = {
	.name = "report",
	.summary = "how long the last update took, part by part",
	.help = "report [OPTION]...\n"
		"Show the blackout of the last live update as a timeline: which part of it\n"
		"took how long. Exit status 1 when there was none.\n"
		"\n"
		"  -j, --json      as JSON; times in nanoseconds\n"
		"  -s, --svg FILE  as a picture, written to FILE (-: standard output)\n"
		"  -h, --help      show this\n",
	.run = run,
};
