# SPDX-License-Identifier: GPL-2.0-or-later
#
# Reads a kernel log and prints every line that a healthy kernel does not
# write. Variables: exceptions (file), case, kernels (as "6.1 6.12"), today
# (YYYY-MM-DD), expected (file with one regular expression per line that this
# case declares: such lines are permitted, and each must appear).

BEGIN {
	bad = "BUG:|BUG |WARNING:|Oops|[Gg]eneral protection|nable to handle"
	bad = bad "|[Bb]ad page|page dumped because|refcount_t:|nonzero mapcount"
	bad = bad "|nonzero _refcount|[Bb]ad rss-counter|[Mm]emory state|memblock.*fail"
	bad = bad "|UBSAN|KASAN|KFENCE|KMSAN|KCSAN|circular locking|recursive locking"
	bad = bad "|inconsistent lock|invalid wait context|suspicious RCU|held lock freed"
	bad = bad "|lock held when returning|DEBUG_LOCKS_WARN|possible.*deadlock"
	bad = bad "|rcu.*stall|stalls on CPU|rcu.*starved|blocked for more than"
	bad = bad "|soft lockup|hard LOCKUP|workqueue lockup|memory leak|unreferenced object"
	bad = bad "|Call Trace|stack segment|double fault|Kernel panic|invalid opcode"
	bad = bad "|divide error|int3:|page allocation failure|Out of memory|oom-kill"
	bad = bad "|oom_reaper|segfault at|traps: |list_add corruption|list_del corruption"
	bad = bad "|ODEBUG|Poison overwritten|[Rr]edzone|Object already free|corrupt"
	bad = bad "|scheduling while atomic|sleeping function called|taint|[Tt]ainted:"
	bad = bad "|Missing ENDBR|unable to insmod|luo-init: "

	while ((getline line < exceptions) > 0) {
		if (line ~ /^#/ || line ~ /^[ \t]*$/)
			continue
		n = split(line, f, / *\| */)
		if (n < 5) {
			print "kernel-log: exception without reason: " line
			failed = 1
			continue
		}
		# A regular expression may hold "|" itself: the reason is the last field.
		re = f[4]
		for (i = 5; i < n; i++)
			re = re "|" f[i]
		if (f[1] != "always" && f[1] < today) {
			print "kernel-log: this exception has expired: " line
			failed = 1
			continue
		}
		if (!fits(f[2], kernels) || !fits(f[3], case))
			continue
		permitted[++np] = re
	}
	while (expected != "" && (getline line < expected) > 0)
		if (line != "")
			wanted[++nw] = line
}

function fits(pattern, words,  w, i, n) {
	if (pattern == "*")
		return 1
	n = split(words, w, " ")
	for (i = 1; i <= n; i++)
		if (w[i] == pattern)
			return 1
	return 0
}

{
	sub(/\r$/, "")
	# What tests themselves write says so, and is no finding.
	if ($0 ~ /luo-test: /)
		next
	lines++
	for (i = 1; i <= nw; i++)
		if ($0 ~ wanted[i])
			got[i] = 1
	if ($0 !~ bad)
		next
	for (i = 1; i <= nw; i++)
		if ($0 ~ wanted[i])
			next
	for (i = 1; i <= np; i++)
		if ($0 ~ permitted[i])
			next
	print
	failed = 1
}

END {
	for (i = 1; i <= nw; i++)
		if (!got[i]) {
			print "kernel-log: expected this, and it is not there: " wanted[i]
			failed = 1
		}
	if (lines < 20) {
		print "kernel-log: there is no kernel log"
		failed = 1
	}
	exit failed
}
