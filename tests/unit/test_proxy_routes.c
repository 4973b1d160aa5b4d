/* The proxy's route table and openapi/proxy.yaml name the same methods and paths. Run from the top of the source. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include <cmocka.h>

#include "base/own.h"
#include "http/server.h"
#include "proxy/proxy.h"

enum { MOST = 200 };
struct operation {
    char method[16], path[200];
};

/* Paths stand two spaces in, methods four (the file is written that way). */
static size_t read_openapi(const char *file, struct operation *out)
{
    FILE *f = fopen(file, "r");
    char line[400], path[200] = "";
    bool inside = false;
    size_t n = 0;
    if (f == NULL)
        fail_msg("cannot read %s", file);
    while (fgets(line, sizeof line, f) != NULL) {
        char word[199];
        if (line[0] != ' ')
            inside = strncmp(line, "paths:", 6) == 0;
        else if (inside && sscanf(line, "  /%198[^:]:", word) == 1 && line[2] == '/')
            snprintf(path, sizeof path, "/%s", word);
        else if (inside && strcmp(line, "  /:\n") == 0)
            snprintf(path, sizeof path, "/");
        else if (inside && strncmp(line, "    ", 4) == 0 && line[4] != ' ' && sscanf(line, " %15[a-z]:", word) == 1 && n < MOST) {
            snprintf(out[n].method, sizeof out[n].method, "%.15s", word);
            snprintf(out[n++].path, sizeof out->path, "%s", path);
        }
    }
    fclose(f);
    return n;
}

static void routes_are_described(void **state)
{
    static struct operation described[MOST];
    struct err err = {0};
    size_t n = read_openapi("openapi/proxy.yaml", described);
    struct proxy_conf *conf = proxy_conf_new();
    struct proxy *p = proxy_new(NULL, conf, &err); /* no route is called, so there need be no storage */
    if (p == NULL)
        fail_msg("%s", err.text);
    const struct service *service = proxy_service(p);
    for (size_t i = 0; i < service->nroutes; i++) {
        size_t k = 0;
        while (k < n && (strcasecmp(described[k].method, service->routes[i].method) != 0 || strcmp(described[k].path, service->routes[i].path) != 0))
            k++;
        if (k == n)
            fail_msg("%s %s is not in openapi/proxy.yaml", service->routes[i].method, service->routes[i].path);
        assert_non_null(service->routes[i].media);
    }
    assert_int_equal(n, service->nroutes); /* neither has two of the same, so they are equal */
    proxy_free(p);
    proxy_conf_free(conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(routes_are_described)};
    return cmocka_run_group_tests_name("proxy_routes", tests, NULL, NULL);
}
