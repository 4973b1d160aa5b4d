/* base/grow.h - an array on the heap that gets longer. */
#ifndef BASE_GROW_H
#define BASE_GROW_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* array: the address of a pointer (NULL at first) to *cap elements of size bytes.  Doubles it.  False when there is no memory;
 * nothing has changed then. */
static inline bool grow_array(void *array, size_t *cap, size_t size)
{
    void *p;
    memcpy(&p, array, sizeof p); /* of whatever type the pointer is */
    size_t more = *cap == 0 ? 16 : *cap * 2;
    if ((p = realloc(p, more * size)) == NULL)
        return false;
    memcpy(array, &p, sizeof p);
    *cap = more;
    return true;
}

#endif
