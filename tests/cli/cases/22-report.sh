# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
# luoctl report from a made-up sysfs.
new_root report
golden report-none 1 "${luoctl[@]}" report
: >"$root/dev/liveupdate"
golden report-kernel 1 "${luoctl[@]}" report
load_module
golden report-never 1 "${luoctl[@]}" report
for moment in freeze frozen jump kernel module ready retrieved; do
	module "blackout/$moment" ''
done
golden report-never 1 "${luoctl[@]}" report
module generation 3
golden report-unknown 1 "${luoctl[@]}" report --json

# times NAME VALUE...: these moments and no others.
times() {
	local moment

	for moment in freeze frozen jump kernel module ready retrieved; do
		module "blackout/$moment" ''
	done
	while [ $# -ge 2 ]; do
		module "blackout/$1" "$2"
		shift 2
	done
}
all='freeze 0 frozen 20000000 jump 150000000 kernel 700000000 module 1600000000
	ready 1700000000 retrieved 2000000000'

# picture NAME TEXT...: the last output is XML, and its texts are these, with
# all that was put in as it was.
picture() {
	local name=$1
	shift
	if /usr/bin/python3 -c '
import re, sys, xml.etree.ElementTree as tree
root = tree.parse(sys.argv[1]).getroot()
ns = "{http://www.w3.org/2000/svg}"
assert root.tag == ns + "svg", root.tag
# The page is as large as the picture, and nothing is outside of it.
width, height = int(root.get("width")), int(root.get("height"))
for rect in root.iter(ns + "rect"):
    x, y, w, h = (float(rect.get(k, 0)) for k in ("x", "y", "width", "height"))
    assert x >= 0 and y >= 0 and w > 0 and h > 0, tree.tostring(rect)
    assert x + w <= width and y + h <= height, tree.tostring(rect)
pages = [r for r in root.iter(ns + "rect") if r.get("class") == "page"]
assert [(int(r.get("width")), int(r.get("height"))) for r in pages] == [(width, height)]
texts = [t.text for t in root.iter(ns + "text")]
for t in root.iter(ns + "text"):
    assert float(t.get("y")) <= height, t.text
for want in sys.argv[2:]:
    assert any(want in t for t in texts), (want, texts)
# Colours for a dark page are there, and each class has one in both.
style = root.find(ns + "style").text
light, dark = style.split("@media (prefers-color-scheme:dark)")
for name in {r.get("class") for r in root.iter(ns + "rect")}:
    for theme in light, dark:
        assert re.search(r"\." + name + r"(,[.a-z]+)*\{fill:", theme), name
' "$work/report.svg" "$@" >"$work/out" 2>&1; then
		ok "$name"
	else
		not_ok "$name" "$(cat "$work/out")"
	fi
}

# shellcheck disable=SC2086
times $all
golden report 0 "${luoctl[@]}" report
golden report-json 0 "${luoctl[@]}" report --json
golden report-svg 0 "${luoctl[@]}" report --svg -
cp "$work/out" "$work/report.svg"
picture 'report: the picture is XML' 'Live update 3, to Linux 6.1.0-99-amd64' \
	'devices and CPUs are stopped' '900.0 ms, 45.0 %'
expect 0 'report: a file' "${luoctl[@]}" report --svg "$work/file.svg"
if [ ! -s "$work/out" ] && cmp -s "$work/file.svg" "$work/report.svg"; then
	ok 'report: a file'
else
	not_ok 'report: a file' "$(cat "$work/out")"
fi
expect 1 'report: no such directory' "${luoctl[@]}" report --svg "$work/none/x.svg" &&
	says 'report: no such directory' 'none/x.svg: No such file'
expect 1 'report: disk full' "${luoctl[@]}" report --svg /dev/full &&
	says 'report: disk full' 'writing /dev/full: No space left'

# Parts have no gap between them, and are as long as the whole.
"${luoctl[@]}" report --json >"$work/report.json"
if /usr/bin/python3 -c '
import json, sys
report = json.load(open(sys.argv[1]))
at = 0
for part in report["parts"]:
    assert part["start_ns"] == at, part
    at += part["ns"]
assert at == report["total_ns"] == 2000000000
' "$work/report.json" 2>"$work/err"; then
	ok 'report: parts add up'
else
	not_ok 'report: parts add up' "$(cat "$work/err")"
fi

# What is unknown makes two parts one; what cannot be is left out, and said.
times freeze 0 frozen 1000 jump 2500 module 900000000 ready 900000001
golden report-gaps 0 "${luoctl[@]}" report
times freeze 0 frozen 1000 jump 800000000 kernel 700000000 module 900000000 ready 950000000
golden report-odd 0 "${luoctl[@]}" report
golden report-odd-json 0 "${luoctl[@]}" report --json
times freeze 0 retrieved 5
golden report-single 0 "${luoctl[@]}" report
expect 0 'report: one part' "${luoctl[@]}" report --svg "$work/report.svg" &&
	picture 'report: one part' 'all until the first file is retrieved' '100.0 %'
times freeze 18446744073709551615 frozen 18446744073709551615 retrieved x
expect 0 'report: large numbers' "${luoctl[@]}" report --svg "$work/report.svg" &&
	picture 'report: large numbers'

# Names of others come out as they are, and are never markup.
# shellcheck disable=SC2086
times $all
printf '6.1<script>&"\x27\x01\xff\xef\xbf\xbe</text>\n' >"$root/proc/sys/kernel/osrelease"
mkdir -p "$root/run/liveupdate/exec"
cat >"$root/run/liveupdate/exec/odd.json" <<-'END'
	{"session":"a<b>&amp;]]>--\u001b[31m\u009b31m\u00e4","pid":1,"state":"running","preserved":true,"downtime_ns":3200000000}
END
(
	flock 9
	expect 0 'report: odd names' "${luoctl[@]}" report --svg "$work/report.svg"
	golden report-names 0 "${luoctl[@]}" report
	golden report-names-json 0 "${luoctl[@]}" report --json
) 9>"$root/run/liveupdate/exec/odd.lock"
picture 'report: odd names' $'a<b>&amp;]]>--\xef\xbf\xbd[31m\xc2\x9b31m\xc3\xa4: its command was down for 3.20 s' \
	$'to Linux 6.1<script>&"\'\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd</text>'
rm "$root/proc/sys/kernel/osrelease"
expect 0 'report: release unknown' "${luoctl[@]}" report && says 'report: release unknown' 'of unknown release'
