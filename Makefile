# SPDX-License-Identifier: Apache-2.0
# The front door: every target does its own set-up. `make` lists them.
.DEFAULT_GOAL := help
.PHONY: help demo test test-peers soak bench format tidy fuzz install clean

PREFIX ?= /usr/local
DESTDIR ?=
ARGS ?=
SETUP ?= yes
FUZZ_SECONDS ?= 60
export DESTDIR PREFIX FUZZ_SECONDS
export WAKELINE_SETUP := $(SETUP)
export JOBS ?= $(shell tools/jobs)

help: ## list the targets
	@echo "make TARGET [ARGS='...'] [JOBS=n] [SETUP=no]"
	@awk -F ' *## ' '/^[a-z-]+:.*##/ { sub(/:.*/, "", $$1); printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: ## build the program and show it: a suspended app rings (ARGS=--keep leaves it running)
	@tools/setup build
	@tools/build release wakeline doorbell
	build/release/bin/wakeline demo $(ARGS)

test: ## build with both compilers and run every test (ARGS goes to ctest)
	@tools/test $(ARGS)

test-peers: ## run the tests with real SIP, chat and MQTT programs (ARGS goes to ctest)
	@tools/test-peers $(ARGS)

soak: ## run SOAK_SEEDS (100000) simulated worlds with crashes, for SOAK_SECONDS (28800) at most
	@tools/setup build
	@tools/build release wakeline
	@tools/soak $(ARGS)

bench: ## build and run the benchmarks (ARGS="wake --quick", for instance)
	@tools/setup build
	@tools/build release
	build/release/bin/wakeline bench $(ARGS)

docs: ## make the reference of the library from its headers, in build/docs
	@tools/setup docs
	@tools/docs $(ARGS)

format: ## format every source with clang-format 19
	@tools/setup test
	@tools/format

tidy: ## run clang-tidy 19 over every source (ARGS: only the folders or files named)
	@tools/setup build test tidy
	@tools/tidy $(ARGS)

fuzz: ## fuzz every target for FUZZ_SECONDS (60) each (ARGS: only the targets named)
	@tools/setup build test
	@tools/fuzz $(ARGS)

install: ## build and install under DESTDIR/PREFIX (/usr/local)
	@tools/setup build
	@CONFIGURE="-DCMAKE_INSTALL_PREFIX=$(PREFIX)" tools/build release
	cmake --install build/release

clean: ## remove everything that was built
	rm -rf build
