/* cli-template.h - the files that new-reward writes
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#pragma once

typedef struct
{
  const char *path, *text;
} CliTemplate;

/* Ends with a NULL path */
extern const CliTemplate cli_templates[];
