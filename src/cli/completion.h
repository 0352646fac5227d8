/* Completion of command lines. The functions of the shells (completions/) know nothing of commands:
 * they ask the program, by COMPLETION_WORD and the words after its name, of which the last one is
 * to be completed. */
#ifndef CLOZE_CLI_COMPLETION_H
#define CLOZE_CLI_COMPLETION_H

#include "base/error.h"

#include <stdbool.h>

#define COMPLETION_WORD "--complete"

/* Prints how the last word can go on. The first line is one of
 *
 *     words          the next lines are words that it can become, each followed by a tab and its
 *                    meaning; after one that ends in "=" comes a value
 *     directories    the same, without meanings: directories that hold models or lead to them; the
 *                    shell takes all directories if there is none
 *     files          the shell completes the name of a file
 *
 * Nothing is printed where nothing is known, as of a number or a text.
 *
 * What comes after the last "=" of an option or a setting is a word of its own for the shell, but
 * not here. */
bool completion_print(int count, char **words, struct error *error);

#endif
