# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
# luoctl check and load, requirement by requirement.
new_root check

# target RELEASE FORMAT: kernel, config and initrd in /boot.
target() {
	local release=$1 dir=$work/check/initrd
	rm -rf "$dir"
	mkdir -p "$dir/lib/modules/$release/extra"
	"$bin/mkimage" kernel "$root/boot/vmlinuz-$release" "$release" $((32 << 20))
	"$bin/mkimage" module "$dir/lib/modules/$release/extra/liveupdate.ko" "$release" "$2"
	(cd "$dir" && find . | cpio -o -H newc --quiet | gzip) >"$root/boot/initrd.img-$release"
	plain_config "$release"
}

# plain_config RELEASE [LINE...]: as distributions have it, but for these lines.
plain_config() {
	local release=$1
	shift
	printf '%s\n' '# CONFIG_LIVEUPDATE is not set' "$@" CONFIG_NUMA=y CONFIG_NODES_SHIFT=10 \
		>"$root/boot/config-$release"
}

golden check-bare 1 "${luoctl[@]}" check
load_module
target 6.1.0-99-amd64 1-1
cp "$root/boot/config-6.1.0-99-amd64" "$work/check/config"
cat >>"$root/boot/config-6.1.0-99-amd64" <<-END
	CONFIG_KEXEC_FILE=y
	CONFIG_DYNAMIC_FTRACE_WITH_REGS=y
	CONFIG_CONTIG_ALLOC=y
	CONFIG_MEMFD_CREATE=y
END
target 6.12.9-amd64 1-2
golden check-good 0 "${luoctl[@]}" check
golden check-good-json 0 "${luoctl[@]}" check --json
golden check-kernel 0 "${luoctl[@]}" check --kernel "$root/boot/vmlinuz-6.1.0-99-amd64"

expect 0 'load' "${luoctl[@]}" load && says 'load takes the newest kernel' 'vmlinuz-6.12.9-amd64'
cp "$root/loaded" "$work/out"
says 'load: command line of the running kernel' 'cmdline root=/dev/vda1 quiet'
says 'load: length of the command line' 'length right'
says 'load: initrd' 'initrd yes'
expect 0 'load' "${luoctl[@]}" load -c 'a="b c" d' -a 'stage=2' "$root/boot/vmlinuz-6.1.0-99-amd64" &&
	says 'load names kernel and initrd' 'initrd.img-6.1.0-99-amd64'
cp "$root/loaded" "$work/out"
says 'load: own command line' 'cmdline a="b c" d stage=2'
expect 0 'unload' "${luoctl[@]}" unload && says 'unload' 'no kernel is loaded any more'
cp "$root/loaded" "$work/out"
says 'unload: flags' 'flags 0x1'

# One thing is wrong at a time; what is said, and both commands refuse.
wrong() {
	local name=$1 text=$2
	shift 2
	rm -f "$root/loaded"
	expect 1 "check: $name" "${luoctl[@]}" check "$@" && says "check: $name" "$text"
	expect 1 "load: $name" "${luoctl[@]}" load "$@" && says "load: $name" "$text"
	[ ! -e "$root/loaded" ] || not_ok "load: $name" 'it was loaded all the same'
}
new=$root/boot/vmlinuz-6.12.9-amd64
initrd=$root/boot/initrd.img-6.12.9-amd64

wrong 'no such kernel' 'No such file' --kernel "$root/boot/none" --initrd "$initrd"
wrong 'kernel is a directory' 'Is a directory' --kernel "$root/boot"
cpio -o -H newc --quiet </dev/null >"$work/check/empty.cpio"
wrong 'initrd as kernel' 'were kernel and initrd swapped' --kernel "$work/check/empty.cpio" \
	--initrd "$initrd"
wrong 'no module in the initrd' 'does not contain the liveupdate module' \
	--initrd "$work/check/empty.cpio"
wrong 'module for another kernel' 'is built for 6.1.0-99-amd64, but the kernel is 6.12.9-amd64' \
	--initrd "$root/boot/initrd.img-6.1.0-99-amd64"
expect 1 'check: no module' "${luoctl[@]}" check --initrd "$work/check/empty.cpio" &&
	says 'check: no module: what to do' "install liveupdate-dkms, luo-tools and that kernel's headers"
head -c 20000 "$new" >"$work/check/short"
wrong 'truncated kernel' 'is truncated' --kernel "$work/check/short" --initrd "$initrd"
head -c 300 "$initrd" >"$work/check/short-initrd"
wrong 'truncated initrd' 'damaged gzip data' --initrd "$work/check/short-initrd"
: >"$work/check/nothing"
wrong 'empty initrd' 'is empty' --initrd "$work/check/nothing"
wrong 'mem=' "'mem=1G' on the target's command line" --append 'mem=1G'
wrong 'memmap=' "'memmap=1G\$2G' on the" --append 'memmap=1G$2G'
wrong 'blacklisted by modprobe' "'modprobe.blacklist=a,liveupdate' on the" \
	--append 'modprobe.blacklist=a,liveupdate'
wrong 'blacklisted by the kernel' 'keeps the liveupdate module out' --append 'module_blacklist="liveupdate",b'
for text in modprobe.blacklist=a,liveupdates,b module_blacklist= modprobe.blacklist=xliveupdate x=liveupdate; do
	expect 0 "check: $text" "${luoctl[@]}" check --append "$text" && says "check: $text" 'command line is fine'
done
wrong 'long command line' 'the kernel takes 2016' --append "$(printf '%03000d' 0)"
mv "$initrd" "$initrd.away"
wrong 'no initrd' 'no initrd found for'
mv "$initrd.away" "$initrd"

module scratch $((34 << 20))
echo 28 >"$root/load-error"
wrong 'scratch too small' 'but only 34 MiB are set aside'
rm "$root/load-error"
expect 0 'load: the module got more scratch' "${luoctl[@]}" load &&
	says 'load: the module got more scratch' "loaded $root"
module scratch $((256 << 20)) format 3-4
wrong 'no common format' 'reads handover formats 1 to 2, the running one writes 3 to 4'
module format 1-2

echo CONFIG_LIVEUPDATE=y >"$root/boot/config-6.12.9-amd64"
wrong 'target with live update' 'CONFIG_LIVEUPDATE=y'
echo CONFIG_KEXEC_HANDOVER=y >"$root/boot/config-6.12.9-amd64"
wrong 'target with handover' 'CONFIG_KEXEC_HANDOVER=y'
expect 0 'load --force' "${luoctl[@]}" load --force && says 'load --force says why' 'in spite of this'
rm "$root/boot/config-6.12.9-amd64"
expect 0 'check: no config' "${luoctl[@]}" check && says 'check: no config' 'was not found'

# What the target's memory map has room for.
plain_config 6.12.9-amd64 '# CONFIG_NUMA is not set' CONFIG_NUMA=n
wrong 'target without NUMA' 'CONFIG_NUMA=n, 1 possible nodes) has room for 35 ranges'
echo 35 >"$root/sys/module/liveupdate/parameters/max_ranges"
expect 0 'check: target without NUMA, 35 ranges' "${luoctl[@]}" check &&
	says 'check: target without NUMA, 35 ranges' 'has room for 35 ranges, 35 are used at most'
expect 0 'load: target without NUMA, 35 ranges' "${luoctl[@]}" load &&
	says 'load: target without NUMA, 35 ranges' 'loaded'
echo 36 >"$root/sys/module/liveupdate/parameters/max_ranges"
wrong 'target without NUMA, 36 ranges' 'and up to 36 may be needed'
echo 90 >"$root/sys/module/liveupdate/parameters/max_ranges"
plain_config 6.12.9-amd64 CONFIG_NUMA=y CONFIG_NODES_SHIFT=5
wrong 'target with few nodes' '32 possible nodes) has room for 66 ranges'
plain_config 6.12.9-amd64 CONFIG_NUMA=y CONFIG_NODES_SHIFT=6
expect 0 'check: enough nodes' "${luoctl[@]}" check && says 'check: enough nodes' 'has room for 98 ranges'
rm "$root/sys/module/liveupdate/parameters/max_ranges"
expect 0 'check: ranges unknown' "${luoctl[@]}" check && says 'check: ranges unknown' 'does not tell its max_ranges'
echo 90 >"$root/sys/module/liveupdate/parameters/max_ranges"
plain_config 6.12.9-amd64

# Signatures: who wants one, and what is in the initrd.
signed() {
	"$bin/mkimage" signed "$work/check/initrd/lib/modules/6.12.9-amd64/extra/liveupdate.ko" 6.12.9-amd64 1-2
	(cd "$work/check/initrd" && find . | cpio -o -H newc --quiet | gzip) >"$work/check/signed.img"
}
signed
efivars=$root/sys/firmware/efi/efivars
mkdir -p "$efivars"
wanted() {
	local name=$1 text=$2
	shift 2
	wrong "not signed: $name" "and the target may load signed ones only: $text" "$@"
	expect 0 "check: signed: $name" "${luoctl[@]}" check --initrd "$work/check/signed.img" "$@" &&
		says "check: signed: $name" 'ok       the module in the initrd is signed'
}
printf '\006\0\0\0\001' >"$efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
wanted 'Secure Boot' 'Secure Boot is on'
printf '\006\0\0\0\0' >"$efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"
expect 0 'check: no Secure Boot' "${luoctl[@]}" check
if grep -q signed "$work/out"; then
	not_ok 'check: no Secure Boot' "$(cat "$work/out")"
else
	ok 'check: no Secure Boot'
fi
rm -r "$root/sys/firmware"
echo 'none [integrity] confidentiality' >"$root/sys/kernel/security/lockdown"
wanted 'lockdown' 'this kernel is locked down'
echo '[none] integrity confidentiality' >"$root/sys/kernel/security/lockdown"
wanted 'lockdown of the target' 'lockdown= is on its' --append lockdown=integrity
wanted 'sig_enforce of the target' 'module.sig_enforce is on' --append module.sig_enforce
plain_config 6.12.9-amd64 CONFIG_MODULE_SIG_FORCE=y
wanted 'CONFIG_MODULE_SIG_FORCE' 'it is built with CONFIG_MODULE_SIG_FORCE'
plain_config 6.12.9-amd64

# Memory to start in.
module kept $((1900 << 20))
wrong 'too little memory' 'beside what is preserved (1.8 GiB) there are 148 MiB: preserve less' \
	--append 'crashkernel=64M'
expect 0 'check: enough memory' "${luoctl[@]}" check && says 'check: enough memory' 'there are 148 MiB'
wrong 'huge pages' 'needs about 2.1 GiB' --append 'hugepagesz=1G hugepages=2'
module kept 0
rm "$root/proc/meminfo"
expect 0 'check: memory unknown' "${luoctl[@]}" check && says 'check: memory unknown' 'how much memory there is'
printf 'MemTotal:       %d kB\n' $((2 << 20)) >"$root/proc/meminfo"

# The crash kernel.
echo 268435456 >"$root/sys/kernel/kexec_crash_size"
expect 0 'check: crashkernel' "${luoctl[@]}" check &&
	says 'check: crashkernel is not asked for' "the target's command line asks for none"
expect 0 'check: crashkernel' "${luoctl[@]}" check --append crashkernel=256M
if grep -q 'asks for none' "$work/out"; then
	not_ok 'check: crashkernel is asked for' "$(cat "$work/out")"
else
	ok 'check: crashkernel is asked for'
fi
echo 'root=/dev/vda1 "crashkernel=256M" quiet' >"$root/proc/cmdline"
expect 0 'check: crashkernel' "${luoctl[@]}" check && says 'check: crashkernel is there' 'for a crash kernel is reserved, but none is loaded'
echo 1 >"$root/sys/kernel/kexec_crash_loaded"
expect 0 'check: crashkernel' "${luoctl[@]}" check && says 'check: crashkernel is loaded' 'reserved, and one is loaded'
says 'check: crashkernel will not be loaded' 'warn     a crash kernel is loaded, but kdump-tools is not there or switched off'
mkdir -p "$root/etc/default"
echo 'USE_KDUMP=0' >"$root/etc/default/kdump-tools"
expect 0 'check: crashkernel' "${luoctl[@]}" check && says 'check: kdump-tools is off' 'warn     a crash kernel is loaded, but'
echo 'USE_KDUMP=1' >"$root/etc/default/kdump-tools"
expect 0 'check: crashkernel' "${luoctl[@]}" check &&
	says 'check: crashkernel will be loaded' 'ok       a crash kernel is loaded, and kdump-tools will load one'
rm -r "${root:?}/etc" "$root/sys/kernel/kexec_crash_loaded"
echo 0 >"$root/sys/kernel/kexec_crash_size"
expect 0 'check: crashkernel' "${luoctl[@]}" check && says 'check: crashkernel is lost' 'but nothing was reserved'
echo 'BOOT_IMAGE=/boot/vmlinuz root=/dev/vda1 quiet' >"$root/proc/cmdline"

# Watchdogs.
mkdir -p "$root"/sys/class/watchdog/watchdog{0,1}
echo inactive >"$root/sys/class/watchdog/watchdog0/state"
expect 0 'check: watchdog' "${luoctl[@]}" check && says 'check: watchdog is off' 'no watchdog runs'
echo active >"$root/sys/class/watchdog/watchdog1/state"
echo 30 >"$root/sys/class/watchdog/watchdog1/timeout"
echo iTCO_wdt >"$root/sys/class/watchdog/watchdog1/identity"
expect 0 'check: watchdog' "${luoctl[@]}" check &&
	says 'check: watchdog is on' 'warn     watchdog1 (iTCO_wdt) runs, and resets the machine when nobody has fed it for 30 s'
rm -r "$root/sys/class/watchdog"

echo 1 >"$root/proc/sys/kernel/kexec_load_disabled"
wrong 'kexec disabled' 'kernel.kexec_load_disabled=1'
echo 0 >"$root/proc/sys/kernel/kexec_load_disabled"
echo 0 >"$root/proc/sys/kernel/kexec_load_limit_reboot"
wrong 'no loads left' 'as often as is allowed (kernel.kexec_load_limit_reboot=0)'
echo -1 >"$root/proc/sys/kernel/kexec_load_limit_reboot"
expect 0 'check: loads without limit' "${luoctl[@]}" check && says 'check: loads without limit' 'kexec is allowed'
printf 'Name:\tx\nCapEff:\t0000000000000000\n' >"$root/proc/self/status"
wrong 'no capability' 'no CAP_SYS_BOOT'
printf 'Name:\tx\nCapEff:\t000001ffffffffff\n' >"$root/proc/self/status"
echo 'none integrity [confidentiality]' >"$root/sys/kernel/security/lockdown"
wrong 'confidentiality' 'locked down (confidentiality)'
echo 'none [integrity] confidentiality' >"$root/sys/kernel/security/lockdown"
expect 0 'check: integrity' "${luoctl[@]}" check --initrd "$work/check/signed.img" && says 'check: integrity' 'warn     the kernel is locked'
echo '[none] integrity confidentiality' >"$root/sys/kernel/security/lockdown"

# These concern the machine only; loading is left to the kernel.
wrong_machine() {
	expect 1 "check: $1" "${luoctl[@]}" check && says "check: $1" "$2"
}
echo 0 >"$root/proc/sys/kernel/ftrace_enabled"
wrong_machine 'ftrace off' 'kernel.ftrace_enabled=0'
echo 1 >"$root/proc/sys/kernel/ftrace_enabled"
mkdir -p "$root/sys/hypervisor"
echo xen >"$root/sys/hypervisor/type"
echo PV >"$root/sys/hypervisor/guest_type"
wrong_machine 'Xen PV' 'a Xen PV guest'
rm -r "$root/sys/hypervisor"
echo 'flags : fpu sev_guest' >"$root/proc/cpuinfo"
wrong_machine 'SEV' 'an SEV guest'
echo 'flags : fpu tdx_guest' >"$root/proc/cpuinfo"
wrong_machine 'TDX' 'a TDX guest'
echo 'flags : fpu sme sev' >"$root/proc/cpuinfo"
echo CONFIG_AMD_MEM_ENCRYPT_ACTIVE_BY_DEFAULT=y >>"$root/boot/config-6.1.0-99-amd64"
wrong_machine 'SME by default' 'SME, which this kernel switches on by itself'
echo 'quiet mem_encrypt=off' >"$root/proc/cmdline"
expect 0 'check: SME is off' "${luoctl[@]}" check && says 'check: SME is off' 'no virtualisation or encryption'
echo 'quiet mem_encrypt=on' >"$root/proc/cmdline"
wrong_machine 'SME' 'memory encryption (mem_encrypt=on)'
echo quiet >"$root/proc/cmdline"
sed -i /MEM_ENCRYPT/d "$root/boot/config-6.1.0-99-amd64"
wrong 'SME in the target' 'it could not read what is preserved' --append mem_encrypt=on
echo 'flags : fpu' >"$root/proc/cpuinfo"
expect 0 'check: a CPU without SME' "${luoctl[@]}" check --append mem_encrypt=on &&
	says 'check: a CPU without SME' 'command line is fine'
for ((i = 0; i < 128; i++)); do
	mkdir -p "$root/sys/firmware/memmap/$i"
done
expect 0 'check: much firmware' "${luoctl[@]}" check && says 'check: much firmware' 'no virtualisation or encryption'
mkdir "$root/sys/firmware/memmap/128"
wrong_machine 'too much firmware' 'firmware describes memory in 129 pieces, of which the next kernel would see 128'
rm -r "$root/sys/firmware"

# The hooks, as ftrace shows them.
functions=$root/sys/kernel/tracing/enabled_functions
mkdir -p "${functions%/*}"
hooked() {
	printf 'vfs_read (1)    \ttramp: 0xffffffffc0200000 (x+0x0/0x10) ->I I I\n'
	printf '%s (1) R I     \ttramp: 0xffffffffc0201000 (enter_handler+0x0/0x20 [liveupdate]) ->ftrace\n' "$@"
}
hooked kexec_add_buffer machine_kexec_prepare kimage_free kernel_kexec >"$functions"
expect 0 'check: hooks' "${luoctl[@]}" check && says 'check: hooks' "ok       the module's hooks are in place"
hooked kexec_add_buffer machine_kexec_prepare_x kernel_kexec >"$functions"
printf 'kimage_free (1) R       \ttramp: 0xffffffffc0201000 (x I) ->ftrace I I\n' >>"$functions"
wrong_machine 'hooks are missing' 'no hook on machine_kexec_prepare(), kimage_free(), so'
: >"$functions"
wrong_machine 'no hooks' 'no hook on kexec_add_buffer(), machine_kexec_prepare(), kimage_free(), kernel_kexec(), so'
mkdir -p "$root/sys/kernel/debug"
mv "$root/sys/kernel/tracing" "$root/sys/kernel/debug/"
wrong_machine 'no hooks, in debugfs' 'no hook on kexec_add_buffer()'
rm -r "$root/sys/kernel/debug"

module scratch 0
wrong_machine 'no scratch' 'no scratch'
module scratch $((256 << 20)) image foreign
expect 0 'check: foreign image' "${luoctl[@]}" check && says 'check: foreign image' 'would lose'
module image none last_error 'something went wrong'
expect 0 'check: last error' "${luoctl[@]}" check && says 'check: last error' 'something went wrong'

echo 28 >"$root/load-error"
expect 1 'load: ENOSPC' "${luoctl[@]}" load && says 'load: ENOSPC' 'larger scratch'
says 'load: the last error of the module' 'the module says: something went wrong'
for error in 1 8 12 16 22 38 99 126 129; do
	echo $error >"$root/load-error"
	expect 1 "load: errno $error" "${luoctl[@]}" load && says "load: errno $error" ': '
done
rm "$root/load-error"

mkdir -p "$root"/sys/kernel/boot_params/setup_data/{0,1}
echo 0x1 >"$root/sys/kernel/boot_params/setup_data/0/type"
echo secret >"$root/sys/kernel/boot_params/setup_data/0/data"
echo 0x80000001 >"$root/sys/kernel/boot_params/setup_data/1/type"
: >"$root/sys/kernel/boot_params/setup_data/1/data"
expect 0 'check: emptied node' "${luoctl[@]}" check && says 'check: emptied node' 'no memory shows'
echo secret >"$root/sys/kernel/boot_params/setup_data/1/data"
wrong_machine 'exposed memory' 'every user can read preserved memory through 1 files'
chmod 0400 "$root/sys/kernel/boot_params/setup_data/1/data"
expect 0 'check: closed node' "${luoctl[@]}" check && says 'check: closed node' 'no memory shows'

# Without the module.
rm -r "$root/sys/kernel/liveupdate"
expect 1 'load: in-tree' "${luoctl[@]}" load && says 'load: in-tree' 'kexec -s -l'
rm "$root/dev/liveupdate"
echo 'extra/liveupdate.ko:' >"$root/lib/modules/6.1.0-99-amd64/modules.dep"
wrong_machine 'not loaded' 'modprobe liveupdate'
expect 1 'load: not loaded' "${luoctl[@]}" load && says 'load: not loaded' 'modprobe liveupdate'
expect 1 'kexec: not loaded' "${luoctl[@]}" kexec && says 'kexec: not loaded' 'is not loaded'
