# shellcheck shell=dash
# SPDX-License-Identifier: GPL-2.0-or-later
# case: a Debian 12 with systemd: systemctl kexec asks first, and takes memcached's cache along
# chain: 6.1 6.1 6.12
# memory: 1G
# needs: system bookworm
# time: 1500
# when: all

. /luo/memcached
mc_items=4000 mc_size=64
luo_initrd=/boot/initrd.img-$(luo_release)

# systemctl kexec itself waits for nothing; then this stage is stopped like everything.
go() {
	systemctl kexec || return
	while :; do
		sleep 900
	done
}

# What a unit has said: said UNIT TEXT [BOOT]
said() {
	journalctl -q -b "${3:-0}" -u "$1" -o cat | grep -F -- "$2"
}

memcached_is_up() {
	systemctl is-active memcached && mc_listening
}

pid_of_luoctl() {
	systemctl show -P MainPID memcached
}

anew() {
	[ "$(pid_of_luoctl)" != "$1" ] && memcached_is_up
}

# refused DESCRIPTION TEXT: kexec.target is started, its first unit fails and has
# said why, and the service has not noticed.
refused() {
	local pid

	pid=$(pid_of_luoctl)
	fails "$1: kexec.target fails" any systemctl start kexec.target
	ok "... and the journal says why" said luo-kexec "kexec refused, and nothing has been stopped: $2"
	same "... and the service runs as before" "$(pid_of_luoctl) $(systemctl is-active memcached)" "$pid active"
}

asks_first() {
	systemctl show -P Requires kexec.target | grep -x luo-kexec.service &&
		systemd-analyze verify --man=no kexec.target memcached.service luo-arrival.service
}

# One line, with the kernel, what came, and a time.
came() {
	said luo-arrival "live update $1: now $(uname -r), 1 session with " |
		grep -E ' bytes came, blackout [0-9]+\.[0-9]{3} s$'
}

stage1() {
	plan 28
	ok "systemd is PID 1" test "$(cat /proc/1/comm)" = systemd
	ok "kexec.target asks first, and units are sound" asks_first
	ok "memcached serves" wait_for 120 memcached_is_up
	same "it has a session" "$(luo_sysfs sessions_out)" 1
	same "of the name of the service" "$(awk '!/^#/ { print $NF }' /proc/liveupdate/sessions)" memcached
	ok "nothing is said of a live update that was none" sh -c '! journalctl -q -u luo-arrival -o cat | grep "live update [0-9]"'
	ok "it is restarted as ever" systemctl restart memcached
	ok "... and serves" wait_for 60 memcached_is_up
	same "... in one session" "$(luo_sysfs sessions_out)" 1
	pid=$(pid_of_luoctl)
	ok "its luoctl is killed" kill -KILL "$pid"
	ok "systemd starts it again" wait_for 60 anew "$pid"
	same "... in one session, again" "$(luo_sysfs sessions_out)" 1
	ok "it is filled" mc_check fill

	luo_initrd=/boot/without-$(luo_release)
	ok "luoctl check refuses an initrd without the module" no_module check
	ok "luoctl load refuses it too" no_module load
	same "... so nothing is loaded" "$(luo_sysfs image)" none
	luo_initrd=/boot/initrd.img-$(luo_release)
	refused "no kernel is loaded" "no kernel is loaded, and 1 session would be lost"

	ok "luoctl loads the same kernel, with Debian's initrd" luo_load luoctl
	fails "what kexec.target starts is started by nothing else" any systemctl start luo-kexec.service
	sleep 1000 4</dev/liveupdate &
	sleep 1
	refused "a rehearsal that fails" "rehearsal: "
	kill $!
	wait $!
	ok "memcached still has every item" mc_check check
	ok "the rehearsal goes through now" luoctl kexec --rehearse
	ok "there is no kexec of kexec-tools" test ! -e /sbin/kexec
	ok "systemd has no failed unit but that one" test "$(systemctl --failed --no-legend --plain | grep -vc '^luo-kexec')" = 0
	luo_kexec go
}

no_module() {
	luoctl "$1" --kernel "/boot/vmlinuz-$(luo_release)" --initrd "$luo_initrd" >/run/said 2>&1 && return 1
	cat /run/said
	grep -F "$luo_initrd does not contain the liveupdate module" /run/said
}

came_whole() {
	ok "memcached serves again" wait_for 120 memcached_is_up
	ok "every item is there" mc_check check
	ok "the journal says that the last kernel was left" said luo-kexec "live update: leaving " -1
	ok "the journal says what came" came "$1"
	ok "the file systems were unmounted" sh -c '! dmesg | grep -E "recovery complete|orphan cleanup"'
}

stage2() {
	plan 9
	came_whole 1
	ok "kexec-tools is installed, with its scripts" env DEBIAN_FRONTEND=noninteractive \
		apt-get -q -y --no-download --no-install-recommends install kexec-tools
	# Later versions of the package mask it.
	rm -f /lib/systemd/system/kexec.service
	systemctl daemon-reload
	ok "... one of which runs, as with its older versions" systemctl start kexec.service
	ok "... and leaves the jump to systemd" sh -c 'systemctl show -P ExecStop kexec.service | grep liveupdate'
	ok "luoctl loads 6.12" luo_load luoctl
	luo_kexec go
}

stage3() {
	plan 10
	came_whole 2
	# It takes minutes here, and make check-deb looks at initrds.
	mount --bind /bin/true /usr/sbin/update-initramfs
	ok "luo-tools is purged" env DEBIAN_FRONTEND=noninteractive apt-get -q -y purge luo-tools
	same "kexec.target is systemd's own again" "$(systemctl show -P Requires kexec.target)" systemd-kexec.service
	ok "no unit of ours is left" none_left
	ok "memcached stays up" memcached_is_up
	same "systemd has nothing to complain of" "$(systemctl --failed --no-legend --plain | grep -v '^luo-kexec')" ""
}

none_left() {
	! find /etc/systemd /lib/systemd /run/systemd /usr/libexec /var/lib/systemd \
		\( -name 'luo-*' -o -name '*liveupdate.conf' \) ! -name 'luo-test*' ! -path '*/memcached.service.d/*' | grep .
}
