#include "registry/seen.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

enum { SLOTS = 16384, STRIPES = 16 };

struct slot {
    struct seen_key key; /* all zero: free */
    struct seen_fact fact;
};
struct seen {
    EVP_MD *sha256; /* fetched once: fetching costs more than hashing 1 KB */
    pthread_mutex_t locks[STRIPES]; /* slot i belongs to locks[i % STRIPES] */
    struct slot slots[SLOTS];
};

struct seen *seen_new(void)
{
    struct seen *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    if ((s->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL)) == NULL) {
        free(s);
        return NULL;
    }
    for (int i = 0; i < STRIPES; i++)
        pthread_mutex_init(&s->locks[i], NULL);
    return s;
}

void seen_free(struct seen *s)
{
    if (s == NULL)
        return;
    for (int i = 0; i < STRIPES; i++)
        pthread_mutex_destroy(&s->locks[i]);
    EVP_MD_free(s->sha256);
    free(s);
}

bool seen_key_of(const struct seen *s, struct str body, bool normalize, struct seen_key *out)
{
    unsigned char flag = normalize;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = ctx != NULL && EVP_DigestInit_ex(ctx, s->sha256, NULL) == 1 && EVP_DigestUpdate(ctx, &flag, 1) == 1 &&
              EVP_DigestUpdate(ctx, body.p, body.n) == 1 && EVP_DigestFinal_ex(ctx, out->sha256, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return ok;
}

static size_t slot_at(const struct seen_key *key)
{
    uint32_t v;
    memcpy(&v, key->sha256, sizeof v);
    return v % SLOTS;
}

bool seen_find(struct seen *s, const struct seen_key *key, struct seen_fact *out)
{
    size_t at = slot_at(key);
    struct slot *slot = &s->slots[at];
    pthread_mutex_lock(&s->locks[at % STRIPES]);
    bool found = memcmp(slot->key.sha256, key->sha256, sizeof key->sha256) == 0;
    if (found)
        *out = slot->fact;
    pthread_mutex_unlock(&s->locks[at % STRIPES]);
    return found;
}

void seen_keep(struct seen *s, const struct seen_key *key, const struct seen_fact *fact)
{
    size_t at = slot_at(key);
    pthread_mutex_lock(&s->locks[at % STRIPES]);
    s->slots[at] = (struct slot){*key, *fact};
    pthread_mutex_unlock(&s->locks[at % STRIPES]);
}
