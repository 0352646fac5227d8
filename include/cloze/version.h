/* The version of libcloze that a program is compiled with; cloze_version (cloze/cloze.h) returns
 * that of the library it runs with. The build reads it here. */
#ifndef CLOZE_VERSION_H
#define CLOZE_VERSION_H

#define CLOZE_VERSION_MAJOR 0
#define CLOZE_VERSION_MINOR 2
#define CLOZE_VERSION_PATCH 0
#define CLOZE_VERSION       "0.2.0"

#endif
