# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
# Help, versions and wrong usage.
new_root usage

golden help 0 "${luoctl[@]}" --help
golden no-command 2 "${luoctl[@]}"
golden wrong-command 2 "${luoctl[@]}" frobnicate
for command in check status list show monitor load unload kexec report exec session; do
	golden "help-$command" 0 "${luoctl[@]}" $command --help
	expect 2 "$command: unknown option is usage" "${luoctl[@]}" $command --frobnicate &&
		says "$command: unknown option is usage" "luoctl $command --help"
done
# What --help lists is in the manual, and is completed; the latter has nothing else.
top=$here/../..
completed() {
	bash -c '. "$1"; COMP_WORDS=(luoctl "$2" --) COMP_CWORD=2; _luoctl; printf "%s\n" "${COMPREPLY[@]}"' \
		bash "$top/tools/completion/luoctl" "$1" | grep -v '^--$' | sort
}
for command in check status list show monitor load unload kexec report exec session; do
	sed -n 's/^ *\(-[a-z], \)\?\(--[a-z-]*\) .*/\2/p' "$here/golden/help-$command" | sort >"$work/options"
	if ! completed "$command" | diff "$work/options" - >"$work/diff"; then
		not_ok "$command: options are completed" "$(cat "$work/diff")"
	else
		ok "$command: options are completed"
	fi
	grep -vx -e --help "$work/options" | while read -r option; do
		grep -qF -e "*$option*" "$top/man/luoctl.1.scd" || echo "$option"
	done >"$work/diff"
	if [ -s "$work/diff" ]; then
		not_ok "$command: options are in the manual" "$(cat "$work/diff")"
	else
		ok "$command: options are in the manual"
	fi
done
bash -c '. "$1"; COMP_WORDS=(luoctl "") COMP_CWORD=1; _luoctl; printf "%s\n" "${COMPREPLY[@]}"' \
	bash "$top/tools/completion/luoctl" | grep -v '^--' | sort >"$work/commands"
if sed -n 's/^  \([a-z]*\)  .*/\1/p' "$here/golden/help" | sort | diff - "$work/commands" >"$work/diff"; then
	ok 'every command is completed'
else
	not_ok 'every command is completed' "$(cat "$work/diff")"
fi
expect 0 'version' "$bin/luoctl" --version && says 'version' "luoctl $(cat "$here/../../VERSION")"

usage_of() {
	local text=$1
	shift
	expect 2 "usage: $text" "${luoctl[@]}" "$@" && says "usage: $text" "$text"
}
usage_of 'one argument too many' status x
usage_of 'one argument too many' list x
usage_of 'one argument too many' show x y
usage_of 'one argument too many' show --id 1 x
usage_of 'one argument too many' monitor x
usage_of 'the name of the session is missing' show
usage_of "--id wants a number, not 'x'" show --id x
usage_of "--id wants a number, not '0'" show --id 0
usage_of "--id wants a number, not '-1'" show --id -1
usage_of "--id is for 'luoctl show'" list --id 1
usage_of '--timeout wants seconds' monitor --timeout x
usage_of '--timeout wants seconds' monitor --timeout -1
usage_of '--until wants normal' monitor --until gone
usage_of 'one argument too many' unload x
usage_of 'one argument too many' kexec x
usage_of 'one argument too many' report x
usage_of 'exclude each other' report --json --svg x
usage_of 'one argument too many' load a b
usage_of 'one argument too many' check a b
usage_of 'exclude each other' load --cmdline x --reuse-cmdline
usage_of '--timeout wants seconds' kexec --timeout x
usage_of '--timeout wants seconds' kexec --timeout -1
usage_of '--rehearse and --no-rehearse exclude' kexec --rehearse --no-rehearse
usage_of '--json is for --rehearse' kexec --json
usage_of 'say what to do' session
usage_of "there is no 'session frob'" session frob
usage_of 'the name of the session is missing' session drop
usage_of 'one argument too many' session drop a b
usage_of '--generation wants a number' session drop --generation 0 a
usage_of '--generation wants a number' session drop --generation 1x a
usage_of 'exclude each other' session drop --generation 1 --outgoing a
usage_of '--session NAME is missing' exec -- true
usage_of 'the command is missing' exec --session x --memfd /x:1
usage_of 'nothing to preserve' exec --session x -- true
usage_of 'wants PATH:SIZE' exec --session x --memfd /x -- true
usage_of 'wants PATH:SIZE' exec --session x --memfd :1 -- true
usage_of 'wants PATH:SIZE' exec --session x --memfd /x:0 -- true
usage_of 'wants PATH:SIZE' exec --session x --memfd /x:-1 -- true
usage_of 'wants PATH:SIZE' exec --session x --memfd /x:9999999999G -- true
usage_of 'wants PATH:SIZE' exec --session x --memfd /x:1Q -- true
usage_of 'is given twice' exec --session x --memfd /x:1 --keep /x -- true
usage_of 'wants a file' exec --session x --keep /x/ -- true
usage_of 'there is no signal' exec --session x --memfd /x:1 --stop-signal NONE -- true
usage_of 'there is no user' exec --session x --memfd /x:1 --owner no-such-user -- true
usage_of "name has 1 to 63 bytes" exec --session '' --memfd /x:1 -- true
usage_of "name has 1 to 63 bytes" exec --session "$(printf '%064d' 0)" --memfd /x:1 -- true
usage_of 'no control characters' exec --session $'a\nb' --memfd /x:1 -- true
