#include "report/report.h"
#include "base/file.h"
#include "base/format.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/output_file.h"
#include "report/report_page.h"

#include <sys/stat.h>
#include <time.h>

/* Puts when the page was made, for whoever finds it later. */
static bool put_date(json_t *document, struct error *error)
{
    char text[64];
    const time_t now = time(NULL);
    struct tm parts;
    const bool known =
        gmtime_r(&now, &parts) && strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
    return json_put(document, "made", json_string(known ? text : ""), error);
}

static bool report(const struct string_list *runs, const char *output, struct error *error)
{
    struct log log = log_open(stderr);
    struct stat status;
    if (!output_file_check_name(output, error) || !output_file_check_page(output, error))
        return false;
    json_t *document = report_document(runs->items, runs->count, error);
    bool done = document && put_date(document, error) && report_page_write(output, document, error);
    if (done && stat(output, &status) == 0)
        log_line(&log, "wrote %s: %s, %s", path_shown(output),
                 format_number_of(json_array_size(json_object_get(document, "runs")), "run").text,
                 format_bytes((unsigned long long)status.st_size).text);
    json_decref(document);
    return done;
}

static bool run_report(const struct command *command, int argc, char **argv, struct error *error)
{
    bool helped;
    const char *output = "report.html";
    struct string_list runs = {0};
    const struct option_spec options[] = {
        {"output", OPTION_STRING, &output, "FILE", "the page (report.html)", 0, 0},
    };
    bool done = command_parse(command, options, sizeof options / sizeof *options, argc, argv, &runs,
                              1, 1000, &helped, error);
    if (done && !helped)
        done = report(&runs, output, error);
    string_list_free(&runs);
    return done;
}

const struct command command_report = {
    .name = "report",
    .arguments = "RUN... [--output FILE]",
    .summary = "show runs on one page: curves, configuration, data, fill-ins",
    .details =
        "RUN is a run directory, the output of 'cloze train' or 'cloze finetune', or a directory\n"
        "of several seeds. A run that is still training is shown as far as it has come.\n"
        "\n"
        "The page is one HTML file for any browser, with nothing to install and no network. It\n"
        "says what guessing would give and whether the run is clearly better, and draws several\n"
        "runs over each other: losses and accuracies, learning rate, gradient norm, speed. Runs "
        "of\n"
        "the same size are drawn with reference curves, which this project has measured.\n",
    .examples = "# Look at a run in a browser, also while it is training\n"
                "cloze report runs/mine\n"
                "# Compare runs\n"
                "cloze report runs/mine runs/second --output compare.html\n",
    .run = run_report,
};
