# SPDX-License-Identifier: GPL-2.0-or-later
#
# Judges the result channel of one VM run. Prints TAP points without numbers
# for what is wrong with the run as a whole, then one line of counts:
#   "count PASSED FAILED SKIPPED"
# Variables: name, releases (kernel releases of the chain in order), nonce.

function wrong(text) {
	print "not ok " text
	failed++
}

function end_stage() {
	if (!stage)
		return
	if (plan == "")
		wrong("stage " stage " announced no plan")
	else if (points != plan)
		wrong("stage " stage " planned " plan " points and reported " points)
	if (!ended)
		wrong("stage " stage " did not come to its end")
}

BEGIN {
	stages = split(releases, rel, " ")
	passed = failed = skipped = 0
}

{ sub(/\r$/, "") }

/^# case / {
	end_stage()
	if ($3 != name || $5 != stage + 1)
		wrong("stage " stage + 1 " of " name " should follow, not: " $0)
	stage = $5
	if ($7 != rel[stage])
		wrong("stage " stage " runs on kernel " $7 " instead of " rel[stage])
	plan = ""; points = 0; ended = 0
	next
}

/^1\.\.[0-9]+$/ {
	if (plan != "")
		wrong("stage " stage " has two plans")
	plan = substr($0, 4) + 0
	if (plan == 0)
		wrong("stage " stage " plans nothing")
	next
}

/^(not )?ok( |$)/ {
	if (exited)
		wrong("a result after the exit marker: " $0)
	points++
	n = ($1 == "not") ? $3 : $2
	if (n != points)
		wrong("stage " stage ": point " n " where " points " should be")
	if ($1 == "not")
		failed++
	else if ($0 ~ /# SKIP/)
		skipped++
	else
		passed++
	next
}

/^# stage [0-9]+ end$/ {
	if ($3 != stage)
		wrong("end of stage " $3 " in stage " stage)
	ended = 1
	next
}

/^# exit / {
	if ($3 != nonce)
		wrong("exit marker of another run")
	exited = 1
	next
}

END {
	end_stage()
	if (stage != stages)
		wrong("came to stage " stage + 0 " of " stages)
	if (!exited)
		wrong("no exit marker")
	print "count", passed, failed, skipped
	exit failed > 0
}
