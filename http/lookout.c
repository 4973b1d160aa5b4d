#include "http/lookout.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

/* A request is looked at when it has waited for AGE_MS, and then every TICK_MS: a client that has left is noticed within half a second. */
enum { AGE_MS = 100, TICK_MS = 200, LINGER_MS = 2000, LINGERING_MAX = 256 };

struct list {
    struct waiting head; /* a ring through it */
};

struct lingering {
    int fd;
    int64_t until_ms;
    char *rest; /* still to be sent: rest[at..n); NULL: the sending half is shut */
    size_t at, n;
};

struct lookout {
    void (*resume)(struct waiting *x); /* fixed */
    pthread_t thread;                  /* fixed */
    int wake_fd;                       /* fixed */
    _Atomic long count;
    pthread_mutex_t lock;      /* of all below; never held across on_gone or resume */
    struct list quiet;         /* not known to be gone */
    struct list gone;          /* to be told */
    struct list told;
    struct lingering lingering[LINGERING_MAX];
    size_t nlingering;
    bool asleep, hurry, ending;
    struct pollfd *fds;        /* the thread's */
    size_t cap;                /* the thread's */
};

static void list_init(struct list *l)
{
    l->head.prev = l->head.next = &l->head;
}

static bool list_empty(const struct list *l)
{
    return l->head.next == &l->head;
}

static void list_add(struct list *l, struct waiting *x)
{
    x->prev = l->head.prev;
    x->next = &l->head;
    x->prev->next = x;
    l->head.prev = x;
}

static void list_remove(struct waiting *x)
{
    x->prev->next = x->next;
    x->next->prev = x->prev;
}

static void wake(struct lookout *w)
{
    const uint64_t one = 1;
    if (write(w->wake_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        log_error("http.lookout", "error=%d", errno);
}

/* With the lock held: the thread must look again, if it sleeps without a time limit. */
static void wake_if_asleep(struct lookout *w)
{
    if (w->asleep)
        wake(w);
    w->asleep = false;
}

void lookout_begin(struct lookout *w, struct waiting *x, bool gone)
{
    x->since_ms = clock_mono_ms();
    x->slot = -1;
    x->telling = x->ended = false;
    atomic_fetch_add(&w->count, 1);
    pthread_mutex_lock(&w->lock);
    gone = gone || w->hurry;
    list_add(gone ? &w->gone : &w->quiet, x);
    if (gone)
        wake(w);
    else
        wake_if_asleep(w);
    pthread_mutex_unlock(&w->lock);
}

static void finish(struct lookout *w, struct waiting *x)
{
    w->resume(x);
    atomic_fetch_sub(&w->count, 1); /* last: who waits for 0 frees what we used */
}

void lookout_end(struct lookout *w, struct waiting *x)
{
    pthread_mutex_lock(&w->lock);
    bool telling = x->telling;
    if (telling)
        x->ended = true;
    else
        list_remove(x);
    pthread_mutex_unlock(&w->lock);
    if (!telling)
        finish(w, x);
}

long lookout_count(struct lookout *w)
{
    return atomic_load(&w->count);
}

static void move_all(struct list *from, struct list *to)
{
    while (!list_empty(from)) {
        struct waiting *x = from->head.next;
        list_remove(x);
        list_add(to, x);
    }
}

void lookout_hurry_all(struct lookout *w)
{
    pthread_mutex_lock(&w->lock);
    w->hurry = true;
    move_all(&w->quiet, &w->gone);
    pthread_mutex_unlock(&w->lock);
    wake(w);
}

void lookout_take_socket(struct lookout *w, int fd, struct str rest)
{
    struct lingering l = {.fd = fd, .until_ms = clock_mono_ms() + LINGER_MS, .n = rest.n};
    if (rest.n != 0)
        l.rest = str_dup(rest);
    else
        shutdown(fd, SHUT_WR);
    pthread_mutex_lock(&w->lock);
    bool room = w->nlingering < LINGERING_MAX && !w->ending && (rest.n == 0 || l.rest != NULL);
    if (room) {
        w->lingering[w->nlingering++] = l;
        wake(w);
    }
    pthread_mutex_unlock(&w->lock);
    if (!room) {
        close(fd);
        free(l.rest);
    }
}

/* Lock held; it is let go while on_gone runs. */
static void tell_gone(struct lookout *w)
{
    while (!list_empty(&w->gone)) {
        struct waiting *x = w->gone.head.next;
        list_remove(x);
        list_add(&w->told, x);
        if (x->on_gone == NULL)
            continue;
        x->telling = true;
        pthread_mutex_unlock(&w->lock);
        x->on_gone(x->ctx);
        pthread_mutex_lock(&w->lock);
        x->telling = false;
        if (x->ended) {
            list_remove(x);
            pthread_mutex_unlock(&w->lock);
            finish(w, x);
            pthread_mutex_lock(&w->lock);
        }
    }
}

/* Lock held. Fills fds: the wake-up, the lingering, the requests that wait long enough. Returns their number. */
static size_t gather(struct lookout *w, int64_t now_ms)
{
    size_t n = 0, need = 1 + LINGERING_MAX + (size_t)atomic_load(&w->count);
    if (w->cap < need) {
        struct pollfd *grown = realloc(w->fds, need * 2 * sizeof *grown);
        if (grown != NULL) {
            w->fds = grown;
            w->cap = need * 2;
        }
    }
    w->fds[n++] = (struct pollfd){.fd = w->wake_fd, .events = POLLIN};
    for (size_t i = 0; i < w->nlingering; i++)
        w->fds[n++] = (struct pollfd){.fd = w->lingering[i].fd, .events = w->lingering[i].rest != NULL ? POLLOUT : POLLIN};
    for (struct waiting *x = w->quiet.head.next; x != &w->quiet.head; x = x->next) {
        bool old = now_ms - x->since_ms >= AGE_MS && n < w->cap;
        x->slot = old ? (int)n : -1;
        if (old)
            w->fds[n++] = (struct pollfd){.fd = x->fd, .events = POLLRDHUP};
    }
    return n;
}

/* Lock held. Only requests that still wait are looked at: their sockets are open, and the slots are theirs. */
static void sort_out_gone(struct lookout *w)
{
    for (struct waiting *x = w->quiet.head.next, *next; x != &w->quiet.head; x = next) {
        next = x->next;
        if (x->slot < 0 || (w->fds[x->slot].revents & (POLLRDHUP | POLLHUP | POLLERR)) == 0)
            continue;
        list_remove(x);
        list_add(&w->gone, x);
    }
}

/* True: it cannot be sent any more. */
static bool send_rest(struct lingering *l, int64_t now_ms)
{
    ssize_t n = send(l->fd, l->rest + l->at, l->n - l->at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0)
        return errno != EAGAIN && errno != EINTR;
    l->at += (size_t)n;
    l->until_ms = now_ms + LINGER_MS;
    if (l->at == l->n) {
        free(l->rest);
        l->rest = NULL;
        shutdown(l->fd, SHUT_WR);
    }
    return false;
}

/* True: the client has closed. */
static bool drain(int fd)
{
    char drop[4096];
    for (int i = 0; i < 256; i++) {
        ssize_t n = recvfrom(fd, drop, sizeof drop, MSG_DONTWAIT, NULL, NULL);
        if (n <= 0)
            return n == 0 || (errno != EAGAIN && errno != EINTR);
    }
    return false;
}

/* Lock held. */
static void go_on_lingering(struct lookout *w, int64_t now_ms)
{
    for (size_t i = 0; i < w->nlingering;) {
        struct lingering *l = &w->lingering[i];
        bool over = l->rest != NULL ? send_rest(l, now_ms) : drain(l->fd);
        if (w->ending || now_ms >= l->until_ms || over) {
            close(l->fd);
            free(l->rest);
            *l = w->lingering[--w->nlingering];
        } else {
            i++;
        }
    }
}

static void *run(void *arg)
{
    struct lookout *w = arg;
    pthread_mutex_lock(&w->lock);
    while (!w->ending) {
        size_t n = gather(w, clock_mono_ms());
        w->asleep = list_empty(&w->quiet) && list_empty(&w->gone) && w->nlingering == 0;
        int wait_ms = w->asleep ? -1 : list_empty(&w->gone) ? TICK_MS : 0;
        pthread_mutex_unlock(&w->lock);
        int ready = poll(w->fds, n, wait_ms);
        uint64_t drop;
        if (ready > 0 && w->fds[0].revents != 0 && read(w->wake_fd, &drop, sizeof drop) < 0 && errno != EAGAIN)
            log_error("http.lookout", "error=%d", errno);
        pthread_mutex_lock(&w->lock);
        w->asleep = false;
        if (ready > 0)
            sort_out_gone(w);
        tell_gone(w);
        go_on_lingering(w, clock_mono_ms());
    }
    go_on_lingering(w, 0);
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

struct lookout *lookout_new(void (*resume)(struct waiting *x), struct err *err)
{
    struct lookout *w = calloc(1, sizeof *w);
    struct pollfd *fds = calloc(1 + LINGERING_MAX, sizeof *fds);
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w == NULL || fds == NULL || fd < 0) {
        err_set(err, fd < 0 ? ERR_IO : ERR_NOMEM, fd < 0 ? "eventfd: error %d" : "out of memory", errno);
        free(w);
        free(fds);
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    w->resume = resume;
    w->wake_fd = fd;
    w->fds = fds;
    w->cap = 1 + LINGERING_MAX;
    list_init(&w->quiet);
    list_init(&w->gone);
    list_init(&w->told);
    pthread_mutex_init(&w->lock, NULL);
    int rc = pthread_create(&w->thread, NULL, run, w);
    if (rc != 0) {
        err_set(err, ERR_IO, "cannot start a thread: error %d", rc);
        pthread_mutex_destroy(&w->lock);
        close(fd);
        free(fds);
        free(w);
        return NULL;
    }
    pthread_setname_np(w->thread, "http-lookout");
    return w;
}

void lookout_free(struct lookout *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_mutex_unlock(&w->lock);
    wake(w);
    pthread_join(w->thread, NULL);
    pthread_mutex_destroy(&w->lock);
    close(w->wake_fd);
    free(w->fds);
    free(w);
}
