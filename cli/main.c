/* cli/main.c - finds the verb.  The rooms are built by the verbs; nothing runs before main. */
#include <librdkafka/rdkafka.h>
#include <microhttpd.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"

static const char help_text[] =
    "muir - a schema registry and a REST proxy for Kafka in one small program\n"
    "\n"
    "  muir serve                        registry on 127.0.0.1:8081, proxy on 127.0.0.1:8082, log in ./muir.db\n"
    "  muir serve --kafka HOST:PORT      the same two services over a Kafka cluster\n"
    "  muir serve --help                 its options;  muir serve --keys  every configuration key\n"
    "  muir --version                    versions of muir and of the libraries in use\n"
    "  muir --help                       this text\n"
    "\n"
    "First steps, with the server running in another terminal:\n"
    "\n"
    "  curl -H 'Content-Type: application/vnd.schemaregistry.v1+json' \\\n"
    "       -d '{\"schema\":\"\\\"string\\\"\"}' http://127.0.0.1:8081/subjects/greetings-value/versions\n"
    "  curl -H 'Content-Type: application/vnd.kafka.avro.v2+json' \\\n"
    "       -d '{\"value_schema_id\":1,\"records\":[{\"value\":\"hello\"}]}' http://127.0.0.1:8082/topics/greetings\n"
    "\n"
    "The manual is in README.md and docs/.\n";

static int version(void)
{
    printf("muir %s\nlibrdkafka %s\nlibmicrohttpd %s\nsqlite %s\n", MUIR_VERSION, rd_kafka_version_str(), MHD_get_version(),
           sqlite3_libversion());
    return 0;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "--help";
    if (strcmp(verb, "serve") == 0)
        return verb_serve(argc - 2, argv + 2);
    if (strcmp(verb, "--version") == 0 || strcmp(verb, "version") == 0)
        return version();
    if (strcmp(verb, "--help") == 0 || strcmp(verb, "-h") == 0 || strcmp(verb, "help") == 0) {
        fputs(help_text, stdout);
        return 0;
    }
    fprintf(stderr, "muir: unknown verb '%s'; `muir --help` lists the verbs\n", verb);
    return 2;
}
