/* SPDX-License-Identifier: GPL-2.0-only */
/* include/linux/liveupdate.h asks for it; the shim has it all. */
#include "../luo_plat.h"
