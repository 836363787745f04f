/* cli-options.c - turns the properties of objects into a verb's options
 *
 * The properties of a class are the only description of an option: its name, type, range, default
 * and help all come from there. GOptionContext knows neither suggestions nor ranges, and the loop
 * below is shorter than the code that would teach it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "cli-options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct
{
  char *title;
  GObject *object;
  GParamSpec **settings;
  guint n_settings;
} Section;

typedef struct
{
  Section *section;
  GParamSpec *pspec;
  char *text;
  gboolean is_item; /* of a list, to be added */
} Assignment;

struct _CliOptions
{
  char *usage, *description, *notes;
  GPtrArray *sections;     /* of Section */
  GArray *assignments;     /* of Assignment */
  GPtrArray *words;        /* what is no option */
  const char *shorts[128]; /* by letter */
};

static void
section_free (gpointer data)
{
  Section *section = data;

  g_free (section->title);
  g_object_unref (section->object);
  g_free (section->settings);
  g_free (section);
}

static void
assignment_clear (gpointer data)
{
  g_free (((Assignment *) data)->text);
}

CliOptions *
cli_options_new (const char *usage, const char *description)
{
  CliOptions *self = g_new0 (CliOptions, 1);

  self->usage = g_strdup (usage);
  self->description = g_strdup (description);
  self->sections = g_ptr_array_new_with_free_func (section_free);
  self->assignments = g_array_new (FALSE, FALSE, sizeof (Assignment));
  g_array_set_clear_func (self->assignments, assignment_clear);
  self->words = g_ptr_array_new ();

  return self;
}

void
cli_options_free (CliOptions *self)
{
  g_ptr_array_unref (self->sections);
  g_array_unref (self->assignments);
  g_ptr_array_unref (self->words);
  g_free (self->usage);
  g_free (self->description);
  g_free (self->notes);
  g_free (self);
}

void
cli_options_add_object (CliOptions *self, const char *title, GObject *object)
{
  Section *section = g_new0 (Section, 1);

  section->title = g_strdup (title);
  section->object = g_object_ref (object);
  section->settings = vard_settings_list (G_OBJECT_GET_CLASS (object), &section->n_settings);
  g_ptr_array_add (self->sections, section);
}

void
cli_options_add_short (CliOptions *self, char letter, const char *name)
{
  self->shorts[letter & 127] = name;
}

void
cli_options_set_notes (CliOptions *self, const char *notes)
{
  self->notes = g_strdup (notes);
}

/* ---- names ---- */

static gboolean
cli_is_list (GParamSpec *pspec)
{
  return pspec->value_type == G_TYPE_STRV;
}

/* rewards is the property, --reward the option that adds one */
static char *
cli_dup_option_name (GParamSpec *pspec)
{
  gsize length = strlen (pspec->name);

  if (cli_is_list (pspec) && length > 1 && pspec->name[length - 1] == 's')
    length--;
  return g_strndup (pspec->name, length);
}

static gboolean
cli_find_setting (CliOptions *self,
                  const char *name,
                  gboolean is_option,
                  Section **section,
                  GParamSpec **pspec)
{
  for (guint s = 0; s < self->sections->len; s++)
    for (guint i = 0; i < ((Section *) self->sections->pdata[s])->n_settings; i++)
      {
        *section = self->sections->pdata[s];
        *pspec = (*section)->settings[i];

        g_autofree char *known = is_option ? cli_dup_option_name (*pspec)
                                           : g_strdup ((*pspec)->name);

        if (g_str_equal (known, name))
          return TRUE;
      }

  return FALSE;
}

static void
cli_fail_unknown (CliOptions *self, const char *name, gboolean is_option, GError **error)
{
  g_autoptr (GPtrArray) known = g_ptr_array_new_with_free_func (g_free);

  for (guint s = 0; s < self->sections->len; s++)
    {
      Section *section = self->sections->pdata[s];

      for (guint i = 0; i < section->n_settings; i++)
        g_ptr_array_add (known, is_option ? cli_dup_option_name (section->settings[i])
                                          : g_strdup (section->settings[i]->name));
    }
  if (is_option)
    {
      g_ptr_array_add (known, g_strdup ("help"));
      g_ptr_array_add (known, g_strdup ("set"));
    }
  g_ptr_array_add (known, NULL);

  const char *near = vard_suggest (name, (const char *const *) known->pdata);
  const char *dashes = is_option ? "--" : "";

  if (near != NULL)
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "there is no %s %s%s; did you mean %s%s?",
                 is_option ? "option" : "setting", dashes, name, dashes, near);
  else
    g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "there is no %s %s%s",
                 is_option ? "option" : "setting", dashes, name);
}

/* ---- help ---- */

static void
cli_print_wrapped (const char *text, int indent, int column, int width)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);

  for (guint i = 0; words[i] != NULL; i++)
    {
      int length = g_utf8_strlen (words[i], -1);

      if (column > indent && column + 1 + length > width)
        {
          printf ("\n%*s", indent, "");
          column = indent;
        }
      else if (column > indent)
        column += printf (" ");
      printf ("%s", words[i]);
      column += length;
    }
  printf ("\n");
}

static const char *
cli_get_placeholder (GParamSpec *pspec)
{
  const char *kind = vard_settings_get_kind (pspec);

  if (g_strcmp0 (kind, "integer") == 0)
    return " N";
  if (g_strcmp0 (kind, "number") == 0)
    return " X";
  if (g_strcmp0 (kind, "boolean") == 0)
    return "";

  return g_strcmp0 (kind, "choice") == 0 ? " WORD" : " TEXT";
}

/* A setting with its range and default: "... (a number from 0 to 10; default 0.03)" */
static char *
cli_describe_setting (GParamSpec *pspec)
{
  g_autofree char *range = vard_settings_describe_range (pspec);
  g_autofree char *value = vard_settings_value_to_text (g_param_spec_get_default_value (pspec));
  const char *blurb = g_param_spec_get_blurb (pspec);

  if (cli_is_list (pspec))
    return g_strdup_printf ("%s (may be given several times)", blurb != NULL ? blurb : "");
  if (G_IS_PARAM_SPEC_BOOLEAN (pspec))
    return g_strdup_printf ("%s%s", blurb != NULL ? blurb : "",
                            g_str_equal (value, "true") ? " (on; --no- turns it off)" : "");
  if (G_IS_PARAM_SPEC_STRING (pspec))
    return g_strdup_printf ("%s%s%s%s", blurb != NULL ? blurb : "", *value ? " (" : "", value,
                            *value ? ")" : "");
  /* The largest step stands for one that was not given */
  if (G_IS_PARAM_SPEC_UINT64 (pspec)
      && G_PARAM_SPEC_UINT64 (pspec)->default_value >= G_MAXUINT64 - 1)
    return g_strdup_printf ("%s (%s)", blurb != NULL ? blurb : "", range);

  return g_strdup_printf ("%s (%s; default %s)", blurb != NULL ? blurb : "", range, value);
}

static void
cli_print_setting (CliOptions *self, GParamSpec *pspec, int width)
{
  const int indent = 30;
  g_autofree char *name = cli_dup_option_name (pspec);
  g_autofree char *text = cli_describe_setting (pspec);
  const char *dash = "    ";
  char letter[8];

  for (guint i = 0; i < G_N_ELEMENTS (self->shorts); i++)
    if (g_strcmp0 (self->shorts[i], name) == 0)
      {
        g_snprintf (letter, sizeof letter, "-%c, ", (char) i);
        dash = letter;
      }

  int column = printf ("  %s--%s%s", dash, name, cli_get_placeholder (pspec));

  if (column >= indent)
    {
      printf ("\n");
      column = 0;
    }
  printf ("%*s", indent - column, "");
  cli_print_wrapped (text, indent, indent, width);
}

static void
cli_print_help (CliOptions *self)
{
  int width = MIN (cli_get_width (STDOUT_FILENO), 110);

  printf ("Usage: vard %s\n\n", self->usage);
  cli_print_wrapped (self->description, 0, 0, width);
  for (guint s = 0; s < self->sections->len; s++)
    {
      Section *section = self->sections->pdata[s];

      printf ("\n%s\n", section->title);
      for (guint i = 0; i < section->n_settings; i++)
        cli_print_setting (self, section->settings[i], width);
    }
  printf ("\n"
          "Common options\n"
          "      --set NAME=VALUE        Set an option by its name in a settings file\n"
          "  -h, --help                  Print this text\n");
  if (self->notes != NULL)
    printf ("\n%s\n", self->notes);
}

/* ---- reading ---- */

/* Algorithms may share a name: all of them are told */
static gboolean
cli_add_assignment (CliOptions *self,
                    GParamSpec *pspec,
                    const char *text,
                    gboolean is_item,
                    GError **error)
{
  for (guint s = 0; s < self->sections->len; s++)
    {
      Section *other = self->sections->pdata[s];

      for (guint i = 0; i < other->n_settings; i++)
        if (g_str_equal (other->settings[i]->name, pspec->name))
          {
            Assignment assignment = { other, other->settings[i], g_strdup (text), is_item };
            g_auto (GValue) value = G_VALUE_INIT;

            g_array_append_val (self->assignments, assignment);
            if (!is_item && !vard_settings_parse_text (other->settings[i], text, &value, error))
              return FALSE;
          }
    }

  return TRUE;
}

static gboolean
cli_parse_set (CliOptions *self, const char *text, GError **error)
{
  const char *equals = text != NULL ? strchr (text, '=') : NULL;
  Section *section;
  GParamSpec *pspec;

  if (equals == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "--set takes NAME=VALUE, not \"%s\"",
                   text != NULL ? text : "");
      return FALSE;
    }

  g_autofree char *name = g_strndup (text, equals - text);

  if (!cli_find_setting (self, name, FALSE, &section, &pspec))
    {
      cli_fail_unknown (self, name, FALSE, error);
      return FALSE;
    }

  return cli_add_assignment (self, pspec, equals + 1, FALSE, error);
}

static gboolean
cli_fail_value (const char *name, const char *problem, GError **error)
{
  g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "the option --%s %s", name, problem);
  return FALSE;
}

/* One option; *next is the argument after it, and is moved on when that is its value */
static gboolean
cli_parse_option (CliOptions *self,
                  const char *name,
                  const char *value,
                  char ***next,
                  GError **error)
{
  gboolean is_negated = FALSE;
  Section *section;
  GParamSpec *pspec;

  if (g_str_equal (name, "set"))
    return cli_parse_set (self, value != NULL ? value : **next != NULL ? *(*next)++ : NULL, error);
  if (!cli_find_setting (self, name, TRUE, &section, &pspec))
    {
      is_negated = g_str_has_prefix (name, "no-")
                   && cli_find_setting (self, name + 3, TRUE, &section, &pspec)
                   && G_IS_PARAM_SPEC_BOOLEAN (pspec);
      if (!is_negated)
        {
          cli_fail_unknown (self, name, TRUE, error);
          return FALSE;
        }
    }
  if (G_IS_PARAM_SPEC_BOOLEAN (pspec))
    {
      if (value != NULL && is_negated)
        return cli_fail_value (name, "takes no value", error);
      return cli_add_assignment (self, pspec,
                                 value != NULL ? value
                                 : is_negated  ? "false"
                                               : "true",
                                 FALSE, error);
    }
  if (value == NULL && **next == NULL)
    return cli_fail_value (name, "needs a value", error);

  return cli_add_assignment (self, pspec, value != NULL ? value : *(*next)++, cli_is_list (pspec),
                             error);
}

static gboolean
cli_parse_argument (CliOptions *self, const char *argument, char ***next, GError **error)
{
  if (argument[1] == '-')
    {
      const char *equals = strchr (argument, '=');
      g_autofree char *name = equals != NULL ? g_strndup (argument + 2, equals - argument - 2)
                                             : g_strdup (argument + 2);

      return cli_parse_option (self, name, equals != NULL ? equals + 1 : NULL, next, error);
    }

  const char *name = self->shorts[argument[1] & 127];

  if (name == NULL)
    {
      g_set_error (error, VARD_ERROR, VARD_ERROR_USAGE, "there is no option %.2s", argument);
      return FALSE;
    }

  return cli_parse_option (self, name, argument[2] ? argument + 2 : NULL, next, error);
}

gboolean
cli_options_parse (CliOptions *self, int argc, char **argv, GError **error)
{
  gboolean is_plain = FALSE;

  for (char **next = argv + 1; *next != NULL;)
    {
      char *argument = *next++;

      if (is_plain || argument[0] != '-' || argument[1] == 0)
        g_ptr_array_add (self->words, argument);
      else if (g_str_equal (argument, "--"))
        is_plain = TRUE;
      else if (g_str_equal (argument, "--help") || g_str_equal (argument, "-h"))
        {
          cli_print_help (self);
          return FALSE;
        }
      else if (!cli_parse_argument (self, argument, &next, error))
        return FALSE;
    }
  g_ptr_array_add (self->words, NULL);

  return TRUE;
}

const char *const *
cli_options_get_words (CliOptions *self)
{
  return (const char *const *) self->words->pdata;
}

gboolean
cli_options_has (CliOptions *self, const char *name)
{
  for (guint i = 0; i < self->assignments->len; i++)
    if (g_str_equal (g_array_index (self->assignments, Assignment, i).pspec->name, name))
      return TRUE;
  return FALSE;
}

char **
cli_options_dup_names (CliOptions *self, GObject *object)
{
  g_autoptr (GStrvBuilder) names = g_strv_builder_new ();

  for (guint i = 0; i < self->assignments->len; i++)
    {
      Assignment *assignment = &g_array_index (self->assignments, Assignment, i);

      if (assignment->section->object == object)
        g_strv_builder_add (names, assignment->pspec->name);
    }

  return g_strv_builder_end (names);
}

/* The first item on the command line takes the place of what a settings file listed */
static void
cli_add_item (Assignment *assignment, gboolean is_first)
{
  GObject *object = assignment->section->object;
  g_auto (GStrv) before = NULL;
  g_autoptr (GStrvBuilder) list = g_strv_builder_new ();

  if (!is_first)
    g_object_get (object, assignment->pspec->name, &before, NULL);
  if (before != NULL)
    g_strv_builder_addv (list, (const char **) before);
  g_strv_builder_add (list, assignment->text);

  g_auto (GStrv) after = g_strv_builder_end (list);

  g_object_set (object, assignment->pspec->name, after, NULL);
}

gboolean
cli_options_apply (CliOptions *self, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);

  for (guint i = 0; i < self->assignments->len; i++)
    {
      Assignment *assignment = &g_array_index (self->assignments, Assignment, i);

      if (assignment->is_item)
        cli_add_item (assignment, g_hash_table_add (seen, assignment->pspec));
      else if (!vard_settings_set_text (assignment->section->object, assignment->pspec->name,
                                        assignment->text, error))
        return FALSE;
    }

  return TRUE;
}
