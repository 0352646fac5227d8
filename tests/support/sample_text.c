#include "support/sample_text.h"

#include "base/buffer.h"
#include "base/random.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char *const words[] = {"the", "king", "queen", "river", "mountain", "went",   "saw",
                                    "and", "over", "under", "green", "golden",   "silent", "house",
                                    "of",  "to",   "stone", "light", "evening",  "morning"};

void sample_text_write(struct scratch *scratch, const char *name, int lines)
{
    struct error error = {0};
    struct buffer text = {0};
    struct random random = random_begin(1, RANDOM_TEST, 0, 0);
    for (int line = 0; line < lines; line++) {
        unsigned count = 4 + random_below(&random, 8);
        for (unsigned i = 0; i < count; i++)
            assert_true(buffer_print(&text, &error, "%s%s", i ? " " : "",
                                     words[random_below(&random, 20)]));
        assert_true(buffer_print(&text, &error, line % 8 == 7 ? ".\n\n" : ".\n"));
    }
    scratch_write(scratch, name, text.data, text.size);
    buffer_free(&text);
}
