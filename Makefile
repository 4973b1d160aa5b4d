# muir - one Makefile.  Goals: make, run, test, asan, tsan, fuzz, bench, check, format, install, clean.
# A variant is this Makefile with another BUILD:  make BUILD=build/asan SANITIZE=address,undefined

CC ?= cc
BUILD ?= build
PREFIX ?= /usr/local
OPT ?= -O2
SANITIZE ?=
FUZZ_SECONDS ?= 10
VERSION := $(shell cat VERSION)

ROOMS := base storage storage/sqlite storage/kafka serde serde/avro http registry proxy cli
PKGS := libmicrohttpd rdkafka sqlite3 libcurl libcrypto libpcre2-8
CFLAGS_ALL := -std=c11 -D_GNU_SOURCE -DMUIR_VERSION='"$(VERSION)"' -I. -g $(OPT) -Wall -Wextra -Wshadow -Wstrict-prototypes \
  -Wmissing-prototypes -Wno-unused-parameter -fno-common -pthread $(shell pkg-config --cflags $(PKGS)) $(CFLAGS)
LDLIBS_ALL := $(shell pkg-config --libs $(PKGS)) -lm -lpthread -ldl $(LDLIBS)
ifneq ($(SANITIZE),)
CFLAGS_ALL += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer
LDFLAGS += -fsanitize=$(SANITIZE)
ifneq ($(findstring undefined,$(SANITIZE)),)
CFLAGS_ALL += -fno-sanitize-recover=undefined
endif
endif

# One list a room; the program is cli/ on top of the library of all other rooms.
SRC := $(foreach room,$(ROOMS),$(sort $(wildcard $(room)/*.c)))
OBJ := $(SRC:%.c=$(BUILD)/obj/%.o)
LIB_OBJ := $(filter-out $(BUILD)/obj/cli/%,$(OBJ))
LIB := $(BUILD)/libmuir-rooms.a
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
UNIT_HELP := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)))
VECTORS := $(patsubst tests/vectors/%.c,$(BUILD)/tests/%,$(wildcard tests/vectors/*.c))
FAULTS := $(patsubst tests/faults/%.c,$(BUILD)/faults/%,$(wildcard tests/faults/*.c))
BENCHES := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/*.c))
FUZZERS := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

all: $(BUILD)/muir

$(BUILD)/obj/%.o: %.c Makefile VERSION
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(LIB): $(LIB_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/muir: $(filter $(BUILD)/obj/cli/%,$(OBJ)) $(LIB)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)

# Test programs; one with "avro" in its name is linked with avro-c, to be compared with.
$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(UNIT_HELP) $(LIB)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(if $(findstring avro,$@),-lavro) $(LDLIBS_ALL)

$(BUILD)/tests/%: $(BUILD)/obj/tests/vectors/%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)

$(BUILD)/faults/%: $(BUILD)/obj/tests/faults/%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)

$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)

objects: $(OBJ)
unit: $(UNIT) $(VECTORS) $(FAULTS)

run: all
	$(BUILD)/muir serve

test: unit
	@status=0; for t in $(UNIT); do $$t || status=1; done; exit $$status

asan:
	$(MAKE) BUILD=build/asan SANITIZE=address,undefined all unit
tsan:
	$(MAKE) BUILD=build/tsan SANITIZE=thread all unit

# libFuzzer with clang; each target runs on a copy of its corpus (tests/fuzz/corpus/NAME of fuzz_NAME).
FUZZ_FLAGS := CC=clang BUILD=build/fuzz SANITIZE=address,undefined,fuzzer-no-link OPT=-O1
build/fuzz/fuzz_%: FORCE
	@$(MAKE) -s $(FUZZ_FLAGS) build/fuzz/bin/$*
build/fuzz/bin/%: build/fuzz/obj/tests/fuzz/fuzz_%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) -fsanitize=address,undefined,fuzzer -o build/fuzz/fuzz_$* $^ $(LDLIBS_ALL)
fuzz: $(FUZZERS)
fuzz-run: fuzz
	@for f in $(FUZZERS); do n=$${f##*/fuzz_}; mkdir -p build/fuzz/corpus/$$n; \
	  [ ! -d tests/fuzz/corpus/$$n ] || cp -n tests/fuzz/corpus/$$n/* build/fuzz/corpus/$$n/; \
	  echo "$$n, $(FUZZ_SECONDS) s"; $$f -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
	    -artifact_prefix=build/fuzz/$$n- build/fuzz/corpus/$$n >build/fuzz/$$n.log 2>&1 || { tail -30 build/fuzz/$$n.log; exit 1; }; \
	  grep number_of_executed build/fuzz/$$n.log; done
FORCE:

bench: all $(BENCHES)
	tests/bench/bench.py

check:
	./check

format:
	clang-format -i $(foreach room,$(ROOMS),$(wildcard $(room)/*.[ch])) $(wildcard tests/*/*.[ch])

# Every header compiles alone; a room includes only what the house allows (docs/design.md).
headers:
	@for h in $(foreach room,$(ROOMS),$(wildcard $(room)/*.h)); do $(CC) $(CFLAGS_ALL) -x c -fsyntax-only $$h || exit 1; done
	@bad() { ! grep -nE "#include \"($$2)/" $$1 /dev/null || { echo "wrong arrow in $$1"; exit 1; }; }; \
	 for f in $(wildcard base/*.[ch]); do bad "$$f" "storage|serde|http|registry|proxy|cli"; done; \
	 for f in $(wildcard storage/*.[ch] storage/*/*.[ch]); do bad "$$f" "serde|http|registry|proxy|cli"; done; \
	 for f in $(wildcard serde/*.[ch] serde/*/*.[ch]); do bad "$$f" "storage|http|registry|proxy|cli"; done; \
	 for f in $(wildcard http/*.[ch]); do bad "$$f" "storage|serde|registry|proxy|cli"; done; \
	 for f in $(wildcard registry/*.[ch]); do bad "$$f" "proxy|cli"; done; \
	 for f in $(wildcard proxy/*.[ch]); do bad "$$f" "registry|cli"; done

install: all
	install -D -m 755 $(BUILD)/muir $(DESTDIR)$(PREFIX)/bin/muir
	install -D -m 644 README.md $(DESTDIR)$(PREFIX)/share/doc/muir/README.md
	install -D -m 644 LICENSE $(DESTDIR)$(PREFIX)/share/doc/muir/LICENSE

clean:
	rm -rf build

.PHONY: all objects unit run test asan tsan fuzz fuzz-run bench check format headers install clean FORCE
.SECONDARY:
-include $(OBJ:.o=.d) $(patsubst %.c,$(BUILD)/obj/%.d,$(wildcard tests/*/*.c))
