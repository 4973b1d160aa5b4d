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

clean:
	rm -rf build

.PHONY: all objects unit clean
.SECONDARY:
-include $(OBJ:.o=.d) $(patsubst $(BUILD)/unit/%,$(BUILD)/obj/tests/unit/%.d,$(UNIT))
