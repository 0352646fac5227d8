/* TensorBoard event files.
 *
 * A file is a sequence of records in TensorFlow's TFRecord framing
 * (tensorflow.org/tutorials/load_data/tfrecord):
 *
 *     uint64  length
 *     uint32  masked CRC-32C of the length
 *     byte    data[length]
 *     uint32  masked CRC-32C of the data
 *
 * all little-endian, where masked(c) = ((c >> 15) | (c << 17)) + 0xa282ead8. The data is one
 * protocol-buffer message (tensorflow/core/util/event.proto, framework/summary.proto):
 *
 *     Event       1 double wall_time   2 int64 step   and one of
 *                 3 string file_version   5 Summary summary   7 SessionLog session_log
 *     Summary     1 repeated Value value
 *     Value       1 string tag   2 float simple_value
 *     SessionLog  1 enum status (START is 1)
 *
 * The first record holds file_version "brain.Event:2". The second one is a session start, which
 * makes TensorBoard ignore what earlier files say about the steps that are trained again after a
 * resume. */
#ifndef CLOZE_REPORT_TENSORBOARD_H
#define CLOZE_REPORT_TENSORBOARD_H

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

struct event_scalar {
    const char *tag; /* "train/loss"; at most EVENT_TAG_MAX bytes */
    double value;    /* stored as float */
};

enum { EVENT_TAG_MAX = 128, EVENT_SCALARS_MAX = 64 };

/* A writer of events, used by one thread. */
struct event_writer;

/* Creates events.out.tfevents.SECONDS.cloze.N in an existing directory, where N is the first free
 * number, so that no file is ever overwritten. `wall_time` is in seconds since 1970; `first_step`
 * is the first step that will be written. NULL on failure. */
struct event_writer *event_writer_open(const char *directory, double wall_time, int64_t first_step,
                                       struct error *error);

/* Appends one event with 1 to EVENT_SCALARS_MAX scalars, passed to the system in one piece. */
bool event_writer_put(struct event_writer *writer, double wall_time, int64_t step,
                      const struct event_scalar *scalars, size_t count, struct error *error);

/* NULL is accepted. */
void event_writer_close(struct event_writer *writer);

/* CRC-32C (Castagnoli; RFC 3720, appendix B.4). */
uint32_t crc32c(const void *data, size_t size);

#endif
