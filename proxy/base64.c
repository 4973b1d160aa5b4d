/* proxy/base64.c - eight characters a stride; what is wrong is looked for only when something is. */
#include "proxy/base64.h"

/* The six bits of a character plus one; 0: not in the alphabet. */
static const unsigned char six[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,  ['I'] = 9,  ['J'] = 10, ['K'] = 11,
    ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16, ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22,
    ['W'] = 23, ['X'] = 24, ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32, ['g'] = 33,
    ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40, ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44,
    ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48, ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55,
    ['3'] = 56, ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

/* Sign bit set when c is not in the alphabet. */
static inline int64_t bits(unsigned char c)
{
    return (int64_t)six[c] - 1;
}

static size_t first_wrong(struct str text)
{
    size_t i = 0;
    while (i < text.n && six[(unsigned char)text.p[i]] != 0)
        i++;
    return i;
}

/* The one to three characters behind the last whole group. How many bytes they give; bad takes the sign bit of a wrong one. */
static size_t decode_rest(const unsigned char *p, size_t n, char *out, int64_t *bad)
{
    if (n < 2)
        return 0;
    int64_t a = bits(p[0]), b = bits(p[1]), c = n > 2 ? bits(p[2]) : 0;
    *bad |= a | b | c;
    uint32_t v = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6;
    out[0] = (char)(v >> 16);
    if (n > 2)
        out[1] = (char)(v >> 8);
    return n - 1;
}

ptrdiff_t base64_decode(struct str text, char *out, size_t *at)
{
    struct str all = text;
    if (text.n % 4 == 0 && text.n != 0 && text.p[text.n - 1] == '=')
        text.n -= text.p[text.n - 2] == '=' ? 2 : 1;
    const unsigned char *p = (const unsigned char *)text.p;
    const size_t rest = text.n % 4;
    size_t left = text.n - rest, n = 0;
    int64_t bad = 0;
    for (; left >= 8; left -= 8, p += 8, n += 6) {
        int64_t a = bits(p[0]), b = bits(p[1]), c = bits(p[2]), d = bits(p[3]);
        int64_t e = bits(p[4]), f = bits(p[5]), g = bits(p[6]), h = bits(p[7]);
        bad |= a | b | c | d | e | f | g | h;
        uint64_t v = (uint64_t)a << 58 | (uint64_t)b << 52 | (uint64_t)c << 46 | (uint64_t)d << 40 | (uint64_t)e << 34 | (uint64_t)f << 28 |
                     (uint64_t)g << 22 | (uint64_t)h << 16;
        v = __builtin_bswap64(v);
        memcpy(out + n, &v, 8); /* two too many, but never past what was read already */
    }
    if (left == 4) {
        int64_t a = bits(p[0]), b = bits(p[1]), c = bits(p[2]), d = bits(p[3]);
        bad |= a | b | c | d;
        uint32_t v = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | (uint32_t)d;
        out[n] = (char)(v >> 16);
        out[n + 1] = (char)(v >> 8);
        out[n + 2] = (char)v;
        n += 3;
        p += 4;
    }
    n += decode_rest(p, rest, out + n, &bad);
    if (bad >= 0 && rest != 1)
        return (ptrdiff_t)n;
    if (at != NULL)
        *at = bad < 0 ? first_wrong(text) : all.n;
    return -1;
}

/* Twelve bits as two characters. */
#define EACH(X, a) \
    X(a, 'A') X(a, 'B') X(a, 'C') X(a, 'D') X(a, 'E') X(a, 'F') X(a, 'G') X(a, 'H') X(a, 'I') X(a, 'J') X(a, 'K') X(a, 'L') X(a, 'M') \
    X(a, 'N') X(a, 'O') X(a, 'P') X(a, 'Q') X(a, 'R') X(a, 'S') X(a, 'T') X(a, 'U') X(a, 'V') X(a, 'W') X(a, 'X') X(a, 'Y') X(a, 'Z') \
    X(a, 'a') X(a, 'b') X(a, 'c') X(a, 'd') X(a, 'e') X(a, 'f') X(a, 'g') X(a, 'h') X(a, 'i') X(a, 'j') X(a, 'k') X(a, 'l') X(a, 'm') \
    X(a, 'n') X(a, 'o') X(a, 'p') X(a, 'q') X(a, 'r') X(a, 's') X(a, 't') X(a, 'u') X(a, 'v') X(a, 'w') X(a, 'x') X(a, 'y') X(a, 'z') \
    X(a, '0') X(a, '1') X(a, '2') X(a, '3') X(a, '4') X(a, '5') X(a, '6') X(a, '7') X(a, '8') X(a, '9') X(a, '+') X(a, '/')
#define PAIR(a, b) {a, b},
#define ROW(x, a) EACH(PAIR, a)
static const char pairs[4096][2] = {
    ROW(, 'A') ROW(, 'B') ROW(, 'C') ROW(, 'D') ROW(, 'E') ROW(, 'F') ROW(, 'G') ROW(, 'H') ROW(, 'I') ROW(, 'J') ROW(, 'K') ROW(, 'L') ROW(, 'M')
    ROW(, 'N') ROW(, 'O') ROW(, 'P') ROW(, 'Q') ROW(, 'R') ROW(, 'S') ROW(, 'T') ROW(, 'U') ROW(, 'V') ROW(, 'W') ROW(, 'X') ROW(, 'Y') ROW(, 'Z')
    ROW(, 'a') ROW(, 'b') ROW(, 'c') ROW(, 'd') ROW(, 'e') ROW(, 'f') ROW(, 'g') ROW(, 'h') ROW(, 'i') ROW(, 'j') ROW(, 'k') ROW(, 'l') ROW(, 'm')
    ROW(, 'n') ROW(, 'o') ROW(, 'p') ROW(, 'q') ROW(, 'r') ROW(, 's') ROW(, 't') ROW(, 'u') ROW(, 'v') ROW(, 'w') ROW(, 'x') ROW(, 'y') ROW(, 'z')
    ROW(, '0') ROW(, '1') ROW(, '2') ROW(, '3') ROW(, '4') ROW(, '5') ROW(, '6') ROW(, '7') ROW(, '8') ROW(, '9') ROW(, '+') ROW(, '/')
};

static inline void put_group(const unsigned char p[3], char to[4])
{
    unsigned v = (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];
    memcpy(to, pairs[v >> 12], 2);
    memcpy(to + 2, pairs[v & 4095], 2);
}

char *base64_encode(struct str data, char *to)
{
    const unsigned char *p = (const unsigned char *)data.p;
    size_t left = data.n;
    for (; left >= 6; left -= 6, p += 6, to += 8) {
        put_group(p, to);
        put_group(p + 3, to + 4);
    }
    if (left >= 3) {
        put_group(p, to);
        left -= 3;
        p += 3;
        to += 4;
    }
    if (left == 0)
        return to;
    const unsigned char last[3] = {p[0], left == 2 ? p[1] : 0, 0};
    put_group(last, to);
    to[3] = '=';
    if (left == 1)
        to[2] = '=';
    return to + 4;
}
