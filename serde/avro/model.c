#include "serde/avro/model.h"

#include "serde/schema_impl.h"

struct str avro_kind_name(enum avro_kind k)
{
    static const struct str names[] = {
        [AVRO_T_NULL] = {"null", 4},     [AVRO_T_BOOLEAN] = {"boolean", 7}, [AVRO_T_INT] = {"int", 3},
        [AVRO_T_LONG] = {"long", 4},     [AVRO_T_FLOAT] = {"float", 5},     [AVRO_T_DOUBLE] = {"double", 6},
        [AVRO_T_BYTES] = {"bytes", 5},   [AVRO_T_STRING] = {"string", 6},   [AVRO_T_RECORD] = {"record", 6},
        [AVRO_T_ENUM] = {"enum", 4},     [AVRO_T_FIXED] = {"fixed", 5},     [AVRO_T_ARRAY] = {"array", 5},
        [AVRO_T_MAP] = {"map", 3},       [AVRO_T_UNION] = {"union", 5},
    };
    return names[k];
}

const char *avro_json_word(const struct json *v)
{
    static const char *const words[] = {"null", "false", "true", "a number", "a string", "an array", "an object"};
    return words[v->type];
}

struct str avro_type_name(const struct avro_node *node)
{
    return node->name != NULL ? node->name->full : avro_kind_name((enum avro_kind)node->kind);
}

bool avro_names_match(const struct avro_node *reader, const struct avro_node *writer)
{
    if (str_eq(reader->name->simple, writer->name->simple))
        return true;
    for (uint32_t i = 0; i < reader->name->naliases; i++)
        if (str_eq(reader->name->aliases[i], writer->name->full))
            return true;
    return false;
}

const struct avro_model *avro_model(const struct schema *s)
{
    return s->type == SCHEMA_AVRO ? s->model : NULL;
}

const struct avro_node *avro_root(const struct schema *s)
{
    const struct avro_model *m = avro_model(s);
    return m != NULL ? m->root : NULL;
}

static int find_name(const struct avro_node *node, struct str name)
{
    const uint32_t *by_name = node->name->by_name;
    if (by_name == NULL) {
        for (uint32_t i = 0; i < node->n; i++)
            if (str_eq(avro_nth_name(node, i), name))
                return (int)i;
        return -1;
    }
    uint32_t lo = 0, hi = node->n;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = str_cmp(avro_nth_name(node, by_name[mid]), name);
        if (c == 0)
            return (int)by_name[mid];
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return -1;
}

int avro_find_field(const struct avro_node *record, struct str name)
{
    return find_name(record, name);
}

int avro_find_symbol(const struct avro_node *enumeration, struct str symbol)
{
    return find_name(enumeration, symbol);
}
