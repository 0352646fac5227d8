#include "cloze/cloze.h"

const char *cloze_version(void)
{
    return CLOZE_VERSION;
}
