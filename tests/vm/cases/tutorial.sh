# shellcheck shell=dash
# shellcheck disable=SC2154
# SPDX-License-Identifier: GPL-2.0-or-later
# case: the commands of docs/tutorial.md do what it says
# chain: 6.1 6.12
# chain-all: 6.12 6.1
# memory: 512M
# time: 180

blocks=/luo/tutorial

# Which kernel it is, and its command line, is for the test to say.
mkdir -p /run/bin
cat >/run/bin/luoctl <<-END
	#!/bin/sh
	command=\$1
	case \$command in
	check | load)
		shift
		exec /usr/local/bin/luoctl "\$command" --kernel "/boot/vmlinuz-$(luo_release)" \
			--initrd "/boot/initrd-$(luo_release)" --cmdline "$(luo_cmdline)" "\$@"
		;;
	esac
	exec /usr/local/bin/luoctl "\$@"
END
chmod 755 /run/bin/luoctl
export PATH=/run/bin:$PATH

prints() {
	sh -eu "$1" >/run/got 2>&1 && cmp -s /run/got "$1.want"
}

# One point for each block. Those with an output only look, so they may have to
# look until the service has done it.
run_blocks() {
	local block

	for block; do
		if [ -e "$block.want" ]; then
			if wait_for 20 prints "$block"; then
				point 0 "${block##*/}: $(tail -n 1 "$block")"
			else
				note "got: $(cat /run/got)"
				point 1 "${block##*/}: $(tail -n 1 "$block")"
			fi
		else
			ok "${block##*/}: $(tail -n 1 "$block")" sh -eu "$block"
		fi
	done
}

# Not the outputs.
blocks_of() {
	find $blocks -name "$1-*" ! -name '*.want' | sort
}

stage1() {
	local last

	last=$(blocks_of before | tail -n 1)
	plan $(($(blocks_of before | wc -l)))
	# shellcheck disable=SC2046
	run_blocks $(blocks_of before | sed '$d')
	same "the last one is the jump" "$(cat "$last")" "luoctl kexec"
	luo_kexec sh -eu "$last"
}

stage2() {
	plan $(($(blocks_of after | wc -l) + 1))
	# shellcheck disable=SC2046
	run_blocks $(blocks_of after)
	same "both are preserved for the next update" "$(luo_sysfs sessions_out)" 2
}
