# muir - one Makefile.  Goals: make, run, test, asan, tsan, fuzz, bench, check, format, install, clean.
# A variant is this Makefile with another BUILD:  make BUILD=build/asan SANITIZE=address,undefined

CC ?= cc
BUILD ?= build
PREFIX ?= /usr/local
OPT ?= -O2
SANITIZE ?=
VERSION := $(shell cat VERSION)

ROOMS := base storage storage/sqlite storage/kafka serde serde/avro http registry proxy cli
PKGS := libmicrohttpd rdkafka sqlite3 libcurl libcrypto
CFLAGS_ALL := -std=c11 -D_GNU_SOURCE -DMUIR_VERSION='"$(VERSION)"' -I. -g $(OPT) -Wall -Wextra -Wshadow -Wstrict-prototypes \
  -Wmissing-prototypes -Wno-unused-parameter -fno-common -pthread -MMD -MP $(shell pkg-config --cflags $(PKGS)) $(CFLAGS)
LDLIBS_ALL := $(shell pkg-config --libs $(PKGS)) -lm -lpthread $(LDLIBS)
ifneq ($(SANITIZE),)
CFLAGS_ALL += -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=undefined
LDFLAGS += -fsanitize=$(SANITIZE)
endif

# One list a room; the program is cli/ on top of the library of all other rooms.
SRC := $(foreach room,$(ROOMS),$(sort $(wildcard $(room)/*.c)))
OBJ := $(SRC:%.c=$(BUILD)/obj/%.o)
LIB_OBJ := $(filter-out $(BUILD)/obj/cli/%,$(OBJ))
LIB := $(BUILD)/libmuir-rooms.a
UNIT := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
UNIT_HELP := $(patsubst %.c,$(BUILD)/obj/%.o,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c)))
TOOLS := $(patsubst tests/vectors/%.c,$(BUILD)/tests/%,$(wildcard tests/vectors/*.c))

all: $(BUILD)/muir

$(BUILD)/obj/%.o: %.c Makefile VERSION
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) -c -o $@ $<

$(LIB): $(LIB_OBJ)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/muir: $(filter $(BUILD)/obj/cli/%,$(OBJ)) $(LIB)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)

$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(UNIT_HELP) $(LIB)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(if $(findstring avro,$@),-lavro) $(LDLIBS_ALL)

$(BUILD)/tests/%: $(BUILD)/obj/tests/vectors/%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)

objects: $(OBJ)

unit: $(UNIT) $(TOOLS)

# Every header compiles alone; a room includes only what the house allows (docs/design.md).
headers:
	@for h in $(foreach room,$(ROOMS),$(wildcard $(room)/*.h)); do $(CC) $(CFLAGS_ALL) -MF /dev/null -x c -fsyntax-only $$h || exit 1; done
	@bad() { grep -nE "#include \"($$2)/" $$1 /dev/null && { echo "wrong arrow in $$1"; exit 1; } || true; }; \
	 for f in base/*.[ch]; do bad "$$f" "storage|serde|http|registry|proxy|cli"; done; \
	 for f in $(wildcard storage/*.[ch] storage/*/*.[ch]); do bad "$$f" "serde|http|registry|proxy|cli"; done; \
	 for f in $(wildcard serde/*.[ch] serde/*/*.[ch]); do bad "$$f" "storage|http|registry|proxy|cli"; done; \
	 for f in $(wildcard http/*.[ch]); do bad "$$f" "storage|serde|registry|proxy|cli"; done; \
	 for f in $(wildcard registry/*.[ch]); do bad "$$f" "proxy|cli"; done; \
	 for f in $(wildcard proxy/*.[ch]); do bad "$$f" "registry|cli"; done

clean:
	rm -rf build

.PHONY: all objects unit headers clean
.SECONDARY:
-include $(OBJ:.o=.d) $(patsubst $(BUILD)/unit/%,$(BUILD)/obj/tests/unit/%.d,$(UNIT))
