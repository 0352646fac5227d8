#include "report/report_page.h"

#include "base/buffer.h"
#include "base/file_writer.h"
#include "report/page_assets.h"

#include <stdlib.h>
#include <string.h>

/* The template page.html has "@NAME@" where another file of the page belongs, and "@data@" where
 * the document does. */
static const char template_name[] = "page.html", data_name[] = "data";

/* How every page begins. */
static const char page_start[] = "<!DOCTYPE html>\n<!-- A page of cloze report. -->\n";

static const struct page_asset *find_asset(const char *name, size_t length)
{
    const struct page_asset *asset = page_assets;
    while (asset->name && (strlen(asset->name) != length || memcmp(asset->name, name, length) != 0))
        asset++;
    CHECK(asset->name);
    return asset;
}

/* Appends the document so that nothing in it can end the element that it stands in. In JSON a "<"
 * is always in a string. */
static bool put_document(struct buffer *out, const json_t *document, struct error *error)
{
    enum { DIGITS = 7 };
    char *text = json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(DIGITS));
    bool done = true;
    if (!text)
        return fail_work(error, "out of memory: the data of the page");
    for (const char *at = text; done && *at;) {
        const size_t plain = strcspn(at, "<");
        done = buffer_append(out, at, plain, error);
        at += plain;
        if (*at == '<' && done) {
            done = buffer_print(out, error, "\\u003c");
            at++;
        }
    }
    free(text);
    return done;
}

static bool put_page(struct buffer *out, const json_t *document, struct error *error)
{
    const char *at = find_asset(template_name, sizeof template_name - 1)->data;
    bool done = true;
    for (const char *mark; done && (mark = strchr(at, '@'));) {
        const char *name = mark + 1, *end = strchr(name, '@');
        CHECK(end);
        const size_t length = (size_t)(end - name);
        done = buffer_append(out, at, (size_t)(mark - at), error);
        if (length == sizeof data_name - 1 && memcmp(name, data_name, length) == 0) {
            done = done && put_document(out, document, error);
        } else {
            const struct page_asset *asset = find_asset(name, length);
            done = done && buffer_append(out, asset->data, asset->size, error);
        }
        at = end + 1;
    }
    return done && buffer_append(out, at, strlen(at), error);
}

bool report_page_write(const char *path, const json_t *document, struct error *error)
{
    struct buffer page = {0};
    bool done = put_page(&page, document, error);
    if (done) {
        CHECK(report_page_begins(page.data, page.size));
        done = file_write(path, page.data, page.size, error);
    }
    buffer_free(&page);
    return done;
}

bool report_page_begins(const char *bytes, size_t size)
{
    const size_t length = sizeof page_start - 1;
    return size >= length && memcmp(bytes, page_start, length) == 0;
}
