/* cli/serve.c - `muir serve`: both services on one storage, in one process.
 *
 * Rooms are built top down (storage, registry, its server, proxy, its server) and freed in reverse.  The main thread then only waits for a signal
 * and, once in a while, looks whether the services have become ready, to say so in the log.  Signals are blocked before any thread starts, so
 * only sigtimedwait() here sees them. */
#include "cli/serve.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/own.h"
#include "cli/verbs.h"

static const char help_text[] =
    "usage: muir serve [OPTION...]\n"
    "\n"
    "Runs the schema registry and the REST proxy until SIGTERM or Ctrl-C (a second one ends at once).\n"
    "\n"
    "  --data FILE            keep the log in FILE (default ./muir.db); one process at a time\n"
    "  --kafka HOST:PORT,...  keep it in a Kafka cluster instead; as many processes as you like\n"
    "  --registry HOST:PORT   where the registry listens (default 127.0.0.1:8081; port 0: a free one)\n"
    "  --proxy HOST:PORT      where the proxy listens (default 127.0.0.1:8082)\n"
    "  -o KEY=VALUE           set a configuration key; may be repeated\n"
    "  --keys                 list every key with its default, and end\n"
    "  --help                 this text\n"
    "\n"
    "Kafka client properties take a prefix: client. for all handles, else producer. consumer. admin.\n"
    "\n"
    "  muir serve --kafka broker:9093 -o client.security.protocol=SASL_SSL -o client.sasl.mechanism=PLAIN \\\n"
    "             -o client.sasl.username=alice -o client.sasl.password=...\n"
    "\n"
    "Health: GET /health/live and /health/ready on both ports.\n"
    "Exit status: 0 ended by a signal, 1 could not start, 2 wrong usage.\n";

struct serving {
    struct storage *storage;
    struct registry *registry;
    struct server *registry_server;
    struct proxy *proxy;
    struct server *proxy_server;
    bool registry_ready, proxy_ready; /* as last logged */
};

static int print_keys(void)
{
    const struct {
        const char *title;
        const struct conf_table *table;
    } parts[] = {{"# both services, the log and the storage", &serve_conf_table},
                 {"# registry", &registry_conf_table},
                 {"# proxy", &proxy_conf_table}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        OWN_BY(buf_clear) struct buf out = {0};
        conf_help(parts[i].table, &out);
        printf("%s\n%s\n", parts[i].title, buf_cstr(&out));
    }
    return 0;
}

static int set_log_level(const char *name, struct err *err)
{
    static const char *const names[] = {"debug", "info", "warn", "error", "off"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (name != NULL && str_eq_nocase(str_of(name), str_of(names[i]))) {
            log_set_level((enum log_level)i);
            return 0;
        }
    }
    return err_set(err, ERR_INVALID, "log.level '%s': expected debug, info, warn, error or off", name != NULL ? name : "");
}

static int open_storage(struct serving *v, const struct serve_options *o, struct err *err)
{
    char partitions[24], timeout[24], produce_timeout[24];
    snprintf(partitions, sizeof partitions, "%lld", (long long)o->conf.num_partitions);
    snprintf(timeout, sizeof timeout, "%lld", (long long)o->conf.timeout_ms);
    snprintf(produce_timeout, sizeof produce_timeout, "%lld", (long long)o->conf.produce_timeout_ms);
    const struct storage_option own[] = {{"auto.create.topics.enable", o->conf.auto_create_topics ? "true" : "false"},
                                         {"timeout.ms", timeout},
                                         {"produce.timeout.ms", produce_timeout},
                                         {"num.partitions", partitions}}; /* last: on a cluster the brokers' own default counts */
    const size_t nown = sizeof own / sizeof *own - (o->kafka != NULL ? 1 : 0);
    OWN_BY(own_free) struct storage_option *all = malloc((nown + o->nclient) * sizeof *all);
    if (all == NULL)
        return err_nomem(err);
    memcpy(all, own, nown * sizeof *own);
    if (o->nclient != 0)
        memcpy(all + nown, o->client, o->nclient * sizeof *all);
    v->storage = storage_open(o->kafka != NULL ? "kafka" : "sqlite", o->kafka != NULL ? o->kafka : o->data, all, nown + o->nclient, err);
    return v->storage != NULL ? 0 : -1;
}

/* "127.0.0.1" of "127.0.0.1:8081", "[::1]" of "[::1]:8081". */
static struct str host_of(const char *address)
{
    struct str host = str_of(address);
    while (host.n > 0 && host.p[host.n - 1] != ':')
        host.n--;
    if (host.n > 0)
        host.n--;
    return host;
}

static struct server *listen_on(const char *address, int64_t max_body_bytes, const struct serve_options *o, const struct service *service,
                                struct err *err)
{
    const struct server_options so = {.listen = address,
                                      .threads = (int)o->conf.http_threads,
                                      .max_body_bytes = max_body_bytes,
                                      .max_header_bytes = o->conf.max_header_bytes,
                                      .idle_ms = o->conf.idle_timeout_ms,
                                      .max_connections = (int)o->conf.max_connections};
    struct server *s = server_new(&so, service, err);
    if (s != NULL)
        log_info("server.listening", "service=%s address=%.*s:%d", service->name, STR_ARG(host_of(address)), server_port(s));
    return s;
}

/* Where the proxy finds the registry of its own process: its port on the address it listens on, or loopback when that is "any". */
static int point_to_own_registry(struct serve_options *o, int port, struct err *err)
{
    struct str host = host_of(o->registry);
    if (host.n == 0 || str_is(host, "0.0.0.0") || str_is(host, "[::]") || str_is(host, "*"))
        host = STR("127.0.0.1");
    char url[300];
    int n = snprintf(url, sizeof url, "http://%.*s:%d", STR_ARG(host), port);
    return conf_set(&proxy_conf_table, o->proxy_conf, STR("schema.registry.url"), str_n(url, (size_t)n), "muir serve", err);
}

static int start(struct serving *v, struct serve_options *o, struct err *err)
{
    if (open_storage(v, o, err) < 0)
        return -1;
    if ((v->registry = registry_new(v->storage, o->registry_conf, err)) == NULL)
        return -1;
    v->registry_server = listen_on(o->registry, o->conf.registry_max_body_bytes, o, registry_service(v->registry), err);
    if (v->registry_server == NULL)
        return -1;
    if (!o->registry_url_given && point_to_own_registry(o, server_port(v->registry_server), err) < 0)
        return -1;
    if ((v->proxy = proxy_new(v->storage, o->proxy_conf, err)) == NULL)
        return -1;
    v->proxy_server = listen_on(o->proxy, o->conf.proxy_max_body_bytes, o, proxy_service(v->proxy), err);
    return v->proxy_server != NULL ? 0 : -1;
}

static void stop(struct serving *v, int64_t drain_ms)
{
    if (v->proxy_server != NULL)
        server_stop(v->proxy_server, drain_ms);
    if (v->registry_server != NULL)
        server_stop(v->registry_server, drain_ms);
    proxy_free(v->proxy);
    registry_free(v->registry);
    storage_free(v->storage);
}

static void log_change(const char *service, bool *was, int now, const struct err *why)
{
    if (now == 0 && !*was)
        log_info("service.ready", "service=%s", service);
    else if (now < 0 && *was)
        log_warn("service.not_ready", "service=%s reason=%s", service, why->text);
    *was = now == 0;
}

/* Waits for the signal that ends the program, and keeps the log told about readiness meanwhile. */
static int wait_for_signal(struct serving *v, const sigset_t *signals)
{
    const int64_t started_ms = clock_mono_ms();
    bool told_waiting = false;
    for (;;) {
        struct err why_registry = {0}, why_proxy = {0};
        log_change("registry", &v->registry_ready, registry_ready(v->registry, &why_registry), &why_registry);
        log_change("proxy", &v->proxy_ready, proxy_ready(v->proxy, &why_proxy), &why_proxy);
        bool ready = v->registry_ready && v->proxy_ready;
        if (!ready && !told_waiting && clock_mono_ms() - started_ms > 1000) {
            told_waiting = true;
            log_warn("service.waiting", "reason=%s", why_registry.code != 0 ? why_registry.text : why_proxy.text);
        }
        const struct timespec pause = {.tv_sec = ready ? 1 : 0, .tv_nsec = ready ? 0 : 20000000};
        int sig = sigtimedwait(signals, NULL, &pause);
        if (sig > 0)
            return sig;
        if (sig < 0 && errno != EAGAIN && errno != EINTR)
            return SIGTERM;
    }
}

static void end_at_once(int sig)
{
    _exit(128 + sig);
}

static void raise_file_limit(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

int verb_serve(int argc, char **argv)
{
    OWN_BY(serve_options_clear) struct serve_options o;
    struct err err = {0};
    if (serve_options_read(&o, argc, argv, &err) < 0 || set_log_level(o.conf.log_level, &err) < 0) {
        fprintf(stderr, "muir serve: %s\n", err.text);
        return 2;
    }
    if (o.help)
        return fputs(help_text, stdout) < 0;
    if (o.keys)
        return print_keys();

    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    log_info("program.start", "version=%s storage=%s", MUIR_VERSION, o.kafka != NULL ? o.kafka : o.data);

    struct serving v = {0};
    if (start(&v, &o, &err) < 0) {
        fprintf(stderr, "muir serve: %s\n", err.text);
        stop(&v, 0);
        return 1;
    }
    int sig = wait_for_signal(&v, &signals);
    log_info("program.stop", "signal=%s", sig == SIGINT ? "SIGINT" : "SIGTERM");
    signal(SIGINT, end_at_once);
    signal(SIGTERM, end_at_once);
    pthread_sigmask(SIG_UNBLOCK, &signals, NULL);
    stop(&v, o.conf.shutdown_graceful_ms);
    log_info("program.end", "status=0");
    return 0;
}
