# SPDX-License-Identifier: GPL-2.0-or-later
#
# Everything is built and run in the toolbox, a Debian chroot that the first
# call fetches into the cache (tests/vm/fetch). "make help" lists what there is.

O ?= $(CURDIR)/build
KERNELS ?= 6.1 6.12
JOBS ?= $(shell expr $$(nproc) + 1)

export O KERNELS

VM := tests/vm
BOX := $(VM)/toolbox
SUB = $(BOX) $(MAKE) -s --no-print-directory O=$(O)

# Parts that are not there (yet) in a tree are left out.
have = $(if $(wildcard $(1)),$(2))

.PHONY: all toolbox module lib luoctl vm
all: module lib luoctl

toolbox:
	@$(VM)/fetch $(sort $(if $(filter 7.2,$(KERNELS)),trixie) \
		$(if $(filter 7.3,$(KERNELS)),headers-7.3) bookworm)

module: toolbox
	$(call have,module/Kbuild,@$(VM)/build-module $(KERNELS))

lib: toolbox
	$(call have,lib/Makefile,@$(SUB) -C lib)

luoctl: lib
	$(call have,tools/luoctl/Makefile,@$(SUB) -C tools/luoctl)

# What the VMs start from.
vm: module luoctl
	@$(SUB) -C $(VM) helpers
	@$(BOX) $(VM)/images $(KERNELS)

# --- checks -------------------------------------------------------------------

.PHONY: check check-all check-unit check-vm check-selftests check-debug check-7.3 lint
check:
	@tests/run all

# Also what takes too long for every day, and on all kernels.
check-all: KERNELS = 6.1 6.12 7.2
check-all:
	@CHECK_ALL=y tests/run all

check-unit:
	@tests/run unit

# CASE=NAME FROM=6.1 TO=6.12 CHAIN="6.1 6.1 6.12" narrow it down.
check-vm:
	@$(VM)/run -j $(JOBS) $(foreach c,$(CASE),--case $(c)) $(if $(CHAIN),--chain "$(CHAIN)") \
		$(if $(FROM),--from $(FROM)) $(if $(TO),--to $(TO))

# The kernel's own tests, by name.
check-selftests:
	@$(VM)/selftests

# Compiles everything for a kernel that is not started here.
check-7.3:
	@tests/run headers-7.3

lint:
	@tests/run lint

# Lines of module/core that its unit tests reach.
.PHONY: coverage
coverage: toolbox
	@$(SUB) -C tests/core O=$(O)/tests-core coverage

# TIME= seconds, TARGET=image or ioctl, SEED=; INPUT= is a file that it has left.
.PHONY: fuzz fuzz-replay
fuzz fuzz-replay:
	@$(VM)/fetch fuzz
	@$(BOX) -f fuzz $(MAKE) -s --no-print-directory -j $(JOBS) -C tests/fuzz O=$(O)/fuzz \
		$(foreach v,TIME TARGET SEED,$(if $($(v)),$(v)="$($(v))")) \
		$(if $(filter fuzz-replay,$@),INPUT=$(abspath $(INPUT)) replay,run)

check-debug: toolbox
	@$(VM)/debug-kernel
	@O=$(O)/debug $(VM)/run -j $(JOBS) --debug $(foreach c,$(CASE),--case $(c))

# --- Debian packages ------------------------------------------------------------

.PHONY: deb check-deb
deb:
	@tests/deb/build

# Installs them on throw-away machines.
check-deb: deb
	@tests/run deb

# A module whose allocations can be told to fail.
.PHONY: check-faults
check-faults: toolbox
	@O=$(O)/faults KBUILD_ARGS=LUO_FAULTS=1 $(VM)/run -j $(JOBS) --case failnth \
		$(if $(FROM),--from $(FROM)) $(if $(TO),--to $(TO))

# --- by hand ------------------------------------------------------------------

.PHONY: demo bench vm-shell
demo:
	@$(VM)/demo $(if $(FROM),--from $(FROM)) $(if $(TO),--to $(TO))

bench:
	@$(VM)/bench $(if $(FROM),--from $(FROM)) $(if $(TO),--to $(TO)) $(if $(SCALE),--scale)

vm-shell:
	@$(VM)/run --shell $(if $(FROM),--from $(FROM)) $(if $(TO),--to $(TO)) \
		$(if $(CASE),--case $(CASE)) $(if $(CHAIN),--chain "$(CHAIN)")

# --- the rest -----------------------------------------------------------------

.PHONY: clean help
clean:
	rm -rf -- "$(O)"

help:
	@echo "make demo              a service survives a live update in a VM (fetches all it needs)"
	@echo "make check             all tests: unit tests, linters, VM cases"
	@echo "make                   module for KERNELS=\"$(KERNELS)\", libluo, luoctl"
	@echo "make check-all         the same with what takes too long for every day, and with 7.2"
	@echo "make check-7.3         does everything compile for 7.3?"
	@echo "make check-unit        unit tests only"
	@echo "make check-vm          VM cases only; CASE=NAME FROM=6.1 TO=6.12 CHAIN=\"6.1 6.1 6.12\""
	@echo "make check-selftests   the kernel's own selftests for live update, listed by name"
	@echo "make vm-shell          a shell in a VM; FROM= TO= as above"
	@echo "make deb               Debian packages, in build/deb"
	@echo "make check-deb         install, upgrade and remove them on throw-away machines (long)"
	@echo "make bench             measure: preserve, freeze, retrieve, blackout, 100,000 files (SCALE=1: only that)"
	@echo "make check-debug       the VM cases on a kernel of our own with every check on (long)"
	@echo "make fuzz              search for inputs that break the core; TIME=60 TARGET=image|ioctl SEED="
	@echo "make coverage          how much of the portable core the unit tests reach"
	@echo "make check-faults      VM case with every allocation of the module failing in its turn"
	@echo "make lint              the slower static checks"
	@echo "make toolbox           only fetch compilers, kernels and QEMU into the cache"
	@echo "make clean             remove build/ (the cache stays: $${LIVEUPDATE_CACHE:-/var/cache/liveupdate})"
