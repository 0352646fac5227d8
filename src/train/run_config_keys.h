/* The table of configuration keys, for the files of run_config alone. */
#ifndef CLOZE_TRAIN_RUN_CONFIG_KEYS_H
#define CLOZE_TRAIN_RUN_CONFIG_KEYS_H

#include "train/run_config.h"
#include "train/run_config_yaml.h"

/* What stands in struct run_config. */
enum key_type {
    KEY_BOOL,   /* bool: the place in `choices` */
    KEY_INT,    /* int */
    KEY_INT64,  /* int64_t */
    KEY_REAL,   /* double */
    KEY_CHOICE, /* an enum: the place in `choices` */
    KEY_NAME,   /* char [NAME_ROOM]: the text of one of `choices` */
    KEY_PATH,   /* char *, owned */
    KEY_PATHS,  /* struct strings */
    KEY_PHASES, /* struct phase *, owned; its count in train.phase_count */
};

enum { NAME_ROOM = 32 };

struct config_key {
    const char *path; /* "train.steps" */
    enum key_type type;
    size_t offset;        /* in struct run_config */
    const char *fallback; /* the default as YAML; NULL: absent */
    const char *help;     /* one sentence, without the full stop */

    double minimum, maximum;    /* of numbers; whole ones up to 2^53 */
    double absent;              /* the value that stands for an absent number */
    const char *const *choices; /* ends with NULL; "" stands for absent */
    const char *when_absent;    /* what happens then */

    bool above_minimum, below_maximum; /* the bound itself is out of bounds */
    bool required;                     /* has no default */
    bool optional;                     /* may be absent: null */
    bool architecture;                 /* the default is that of model.size or model.init_from */
    bool free_of_weights;   /* of the architecture, but may differ from that of model.init_from */
    bool changes_on_resume; /* a resumed run may have another value */
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* What a phase of train.phases consists of: bounds, and names to go by. Both are required; `offset`
 * is not used. */
enum { PHASE_SEQ_LEN, PHASE_STEPS, PHASE_KEYS };

extern const struct config_key config_phase_keys[PHASE_KEYS];
extern const char *const config_phase_names[PHASE_KEYS];

/* NULL if there is none of that path. */
const struct config_key *config_key_find(const char *path);

/* The key whose value stands at offsetof(struct run_config, MEMBER). */
const struct config_key *config_key_at(size_t offset);

/* The path of the key or section that was probably meant; NULL if nothing comes near. */
const char *config_key_nearest(const char *path);

/* Whether keys "NAME.something" exist. */
bool config_section_exists(const char *name);

/* The length of "train" in "train.steps", 0 for a key without a section. */
size_t config_key_section(const struct config_key *key);

/* ---- where values came from ---- */

enum origin_kind {
    ORIGIN_DEFAULT,
    ORIGIN_FILE,
    ORIGIN_SETTING,
    ORIGIN_SIZE,
    ORIGIN_INIT_FROM,
    ORIGIN_PHASES,
};

struct key_origin {
    enum origin_kind kind;
    size_t line; /* of ORIGIN_FILE */
};

/* ---- one value: reading (run_config_value.c) ---- */

/* "an integer from 1 to 512". */
struct text256 {
    char text[256];
};

struct text256 config_value_expected(const struct config_key *key);

/* Sets the key's value from a node. On failure the old value stays. */
bool config_value_read(struct run_config *config, const struct config_key *key,
                       const struct config_node *node, const struct config_source *source,
                       struct error *error);

/* Sets the default; absent and required values are zero, empty or the key's `absent`. */
void config_value_reset(struct run_config *config, const struct config_key *key);

void config_value_free(struct run_config *config, const struct config_key *key);

/* Of a value that owns no memory. */
void config_value_copy(struct run_config *to, const struct run_config *from,
                       const struct config_key *key);

/* ---- one value: comparing and printing (run_config_text.c) ---- */

/* No value: null, an empty list. */
bool config_value_absent(const struct run_config *config, const struct config_key *key);

bool config_value_equal(const struct run_config *a, const struct run_config *b,
                        const struct config_key *key);

/* Appends the value as YAML, on one line; nothing if it is absent. Text that is not UTF-8 cannot be
 * written in YAML and is an error. */
bool config_value_print(const struct run_config *config, const struct config_key *key,
                        struct buffer *out, struct error *error);

/* ---- the whole (run_config_check.c) ---- */

/* Settles the values that follow from others: architecture, tokenizer, steps. */
bool config_resolve(struct run_config *config, struct error *error);

/* Required keys, and bounds that depend on other values. */
bool config_check(struct run_config *config, struct error *error);

#endif
