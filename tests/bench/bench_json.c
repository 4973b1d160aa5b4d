/* bench_json FILE MEGABYTES - how fast the JSON reader goes through FILE, again and again; the last line is {"mb_per_s": N} of CPU time. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/json.h"

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int read_file(const char *path, struct buf *into)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return -1;
    for (size_t n = 1; n > 0;) {
        char *room = buf_reserve(into, 65536);
        n = room != NULL ? fread(room, 1, 65536, f) : 0;
        into->n += n;
    }
    return fclose(f);
}

int main(int argc, char **argv)
{
    struct buf text = {0};
    if (argc != 3 || read_file(argv[1], &text) < 0 || text.n == 0) {
        fprintf(stderr, "usage: bench_json FILE MEGABYTES\n");
        return 2;
    }
    size_t total = strtoull(argv[2], NULL, 10) * 1000000, done = 0;
    double began = cpu_s();
    for (; done < total; done += text.n) {
        struct json_reader r;
        enum json_token tok;
        json_reader_init(&r, buf_str(&text), 0);
        while ((tok = json_next(&r)) > JSON_END)
            ;
        if (tok == JSON_ERROR) {
            fprintf(stderr, "bench_json: %s: %s\n", argv[1], r.err.text);
            return 1;
        }
    }
    printf("{\"mb_per_s\": %.0f}\n", (double)done / 1e6 / (cpu_s() - began));
    buf_clear(&text);
    return 0;
}
