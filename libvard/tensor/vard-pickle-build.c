/* vard-pickle-build.c - the opcodes for data of pickle protocol 2
 *
 * A pickle is a program for a stack machine. Words that import, call or set attributes make it
 * dangerous; here the three that PyTorch needs are read as data: a name must be one of a short list
 * and becomes a value that stands for it, a call of an ordered dictionary makes an empty one, a
 * call of _rebuild_tensor_v2 notes where a tensor lies, and what is set on an object is dropped.
 * Any other name or word ends the reading.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "tensor/vard-pickle-private.h"

#include "base/vard-error.h"

#include <string.h>

#define MAX_VALUES 4000000

typedef struct
{
  const char *path;
  const guint8 *at, *end;
  GPtrArray *arena; /* owns every value */
  GPtrArray *stack;
  GHashTable *memo; /* number -> value */
  GError *error;
} Machine;

static const struct
{
  const char *name;
  VardPickleType type;
} types[] = {
  { "torch FloatStorage", VARD_PICKLE_F32 },     { "torch HalfStorage", VARD_PICKLE_F16 },
  { "torch BFloat16Storage", VARD_PICKLE_BF16 }, { "torch DoubleStorage", VARD_PICKLE_F64 },
  { "torch LongStorage", VARD_PICKLE_I64 },      { "torch IntStorage", VARD_PICKLE_I32 },
  { "torch ShortStorage", VARD_PICKLE_I16 },     { "torch CharStorage", VARD_PICKLE_I8 },
  { "torch ByteStorage", VARD_PICKLE_U8 },       { "torch BoolStorage", VARD_PICKLE_BOOL },
};

G_GNUC_PRINTF (2, 3)
static void
vard_pickle_build_fail (Machine *self, const char *format, ...)
{
  va_list args;

  if (self->error != NULL)
    return;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (&self->error, VARD_ERROR, VARD_ERROR_CONFIG, "%s: %s", self->path, text);
}

static Value *
vard_pickle_build_make_value (Machine *self, ValueKind kind)
{
  Value *value = g_new0 (Value, 1);

  value->kind = kind;
  if (kind == VALUE_LIST || kind == VALUE_DICT)
    value->items = g_ptr_array_new ();
  g_ptr_array_add (self->arena, value);
  if (self->arena->len > MAX_VALUES)
    vard_pickle_build_fail (self, "the pickle has more than %d values", MAX_VALUES);

  return value;
}

static Value *
vard_pickle_build_push (Machine *self, ValueKind kind)
{
  Value *value = vard_pickle_build_make_value (self, kind);

  g_ptr_array_add (self->stack, value);
  return value;
}

/* never NULL: what is missing fails and is read as nothing */
static Value *
vard_pickle_build_pop (Machine *self)
{
  if (self->stack->len > 0)
    return g_ptr_array_steal_index (self->stack, self->stack->len - 1);
  vard_pickle_build_fail (self, "the pickle is damaged: its stack is empty");
  return vard_pickle_build_make_value (self, VALUE_NOTHING);
}

static Value *
vard_pickle_build_peek (Machine *self)
{
  if (self->stack->len > 0)
    return self->stack->pdata[self->stack->len - 1];
  vard_pickle_build_fail (self, "the pickle is damaged: its stack is empty");
  return vard_pickle_build_make_value (self, VALUE_NOTHING);
}

/* bytes of an argument, or NULL with an error */
static const guint8 *
vard_pickle_build_take (Machine *self, guint64 n)
{
  const guint8 *at = self->at;

  if (n > (guint64) (self->end - self->at))
    {
      vard_pickle_build_fail (self, "the pickle is truncated");
      return NULL;
    }
  self->at += n;

  return at;
}

static guint64
vard_pickle_build_take_number (Machine *self, guint n_bytes)
{
  const guint8 *bytes = vard_pickle_build_take (self, n_bytes);
  guint64 value = 0;

  for (guint i = n_bytes; bytes != NULL && i-- > 0;)
    value = value << 8 | bytes[i];

  return value;
}

static void
vard_pickle_build_push_int (Machine *self, gint64 number)
{
  vard_pickle_build_push (self, VALUE_INT)->number = number;
}

static void
vard_pickle_build_push_long (Machine *self)
{
  guint n = vard_pickle_build_take_number (self, 1);
  guint64 value = vard_pickle_build_take_number (self, MIN (n, 8));

  if (n > 8)
    vard_pickle_build_fail (self, "the pickle has a number of %u bytes; at most 8 are supported",
                            n);
  else if (n > 0 && n < 8 && value >> (8 * n - 1))
    value |= ~(guint64) 0 << (8 * n);
  vard_pickle_build_push_int (self, (gint64) value);
}

static void
vard_pickle_build_push_text (Machine *self, guint64 length)
{
  const guint8 *bytes = vard_pickle_build_take (self, length);

  if (bytes != NULL && !g_utf8_validate_len ((const char *) bytes, length, NULL))
    vard_pickle_build_fail (self, "the pickle has a string that is not UTF-8");
  vard_pickle_build_push (self, VALUE_TEXT)->text =
    g_strndup ((const char *) bytes, bytes != NULL ? length : 0);
}

/* ---- groups ---- */

/* what lies above the last mark, which is taken away too */
static GPtrArray *
vard_pickle_build_pop_group (Machine *self)
{
  GPtrArray *items = g_ptr_array_new ();
  guint mark = self->stack->len;

  while (mark > 0 && ((Value *) self->stack->pdata[mark - 1])->kind != VALUE_MARK)
    mark--;
  if (mark == 0)
    {
      vard_pickle_build_fail (self, "the pickle is damaged: a mark is missing");
      return items;
    }
  for (guint i = mark; i < self->stack->len; i++)
    g_ptr_array_add (items, self->stack->pdata[i]);
  g_ptr_array_set_size (self->stack, mark - 1);

  return items;
}

static void
vard_pickle_build_push_tuple (Machine *self, guint n)
{
  Value *items[3] = { NULL };

  for (guint i = n; i-- > 0;)
    items[i] = vard_pickle_build_pop (self);

  Value *tuple = vard_pickle_build_push (self, VALUE_LIST);

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (tuple->items, items[i]);
}

static void
vard_pickle_build_push_group_as_tuple (Machine *self)
{
  g_autoptr (GPtrArray) items = vard_pickle_build_pop_group (self);

  g_ptr_array_extend (vard_pickle_build_push (self, VALUE_LIST)->items, items, NULL, NULL);
}

static void
vard_pickle_build_extend (Machine *self, ValueKind kind, GPtrArray *items)
{
  Value *container = vard_pickle_build_peek (self);

  if (container->kind != kind || (kind == VALUE_DICT && items->len % 2))
    vard_pickle_build_fail (self,
                            "the pickle is damaged: it adds items to a value that cannot hold any");
  else
    g_ptr_array_extend (container->items, items, NULL, NULL);
}

static void
vard_pickle_build_add_group (Machine *self, ValueKind kind)
{
  g_autoptr (GPtrArray) items = vard_pickle_build_pop_group (self);

  vard_pickle_build_extend (self, kind, items);
}

static void
vard_pickle_build_add_one (Machine *self, ValueKind kind)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new ();
  Value *value = vard_pickle_build_pop (self);

  if (kind == VALUE_DICT)
    g_ptr_array_add (items, vard_pickle_build_pop (self));
  g_ptr_array_add (items, value);
  vard_pickle_build_extend (self, kind, items);
}

/* ---- names and calls, read as data ---- */

static char *
vard_pickle_build_take_line (Machine *self)
{
  const guint8 *end = memchr (self->at, '\n', self->end - self->at);
  gsize n = end != NULL ? end - self->at : 0;
  const guint8 *line =
    vard_pickle_build_take (self, end != NULL ? n + 1 : (guint64) (self->end - self->at) + 1);

  return g_strndup (line != NULL ? (const char *) line : "", line != NULL ? n : 0);
}

static void
vard_pickle_build_push_name (Machine *self)
{
  g_autofree char *module = vard_pickle_build_take_line (self);
  g_autofree char *item = vard_pickle_build_take_line (self);
  g_autofree char *name = g_strconcat (module, " ", item, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_str_equal (name, types[i].name))
      {
        vard_pickle_build_push (self, VALUE_TYPE)->type = types[i].type;
        return;
      }
  if (g_str_equal (name, "collections OrderedDict"))
    vard_pickle_build_push (self, VALUE_MAKE_DICT);
  else if (g_str_equal (name, "torch._utils _rebuild_tensor_v2"))
    vard_pickle_build_push (self, VALUE_MAKE_TENSOR);
  else
    {
      g_autofree char *shown = g_strescape (name, NULL);

      vard_pickle_build_fail (self,
                              "the pickle asks for \"%.100s\", which could run any program; vard "
                              "reads only tensors "
                              "in plain dictionaries",
                              shown);
      vard_pickle_build_push (self, VALUE_NOTHING);
    }
}

static void
vard_pickle_build_call (Machine *self)
{
  Value *arguments = vard_pickle_build_pop (self), *callee = vard_pickle_build_pop (self);

  if (arguments->kind == VALUE_LIST && callee->kind == VALUE_MAKE_DICT
      && arguments->items->len == 0)
    vard_pickle_build_push (self, VALUE_DICT);
  else if (arguments->kind == VALUE_LIST && callee->kind == VALUE_MAKE_TENSOR)
    {
      Value *tensor = vard_pickle_build_push (self, VALUE_TENSOR);

      tensor->tensor = vard_pickle_make_tensor (arguments->items);
      if (tensor->tensor == NULL)
        vard_pickle_build_fail (self,
                                "a tensor of the pickle exceeds its storage or has more than %d "
                                "dimensions",
                                VARD_MAX_DIMS);
    }
  else
    {
      vard_pickle_build_fail (self, "the pickle calls something other than a tensor or an empty "
                                    "dictionary");
      vard_pickle_build_push (self, VALUE_NOTHING);
    }
}

/* ('storage', type, key, device, count) */
static void
vard_pickle_build_push_storage (Machine *self)
{
  Value *id = vard_pickle_build_pop (self), *storage = vard_pickle_build_push (self, VALUE_STORAGE);
  static const ValueKind kinds[] = { VALUE_TEXT, VALUE_TYPE, VALUE_TEXT, VALUE_TEXT, VALUE_INT };
  gboolean is_good = id->kind == VALUE_LIST && id->items->len == G_N_ELEMENTS (kinds);

  for (guint i = 0; is_good && i < G_N_ELEMENTS (kinds); i++)
    is_good = ((Value *) id->items->pdata[i])->kind == kinds[i];
  if (!is_good || ((Value *) id->items->pdata[4])->number < 0
      || !g_str_equal (((Value *) id->items->pdata[0])->text, "storage"))
    {
      vard_pickle_build_fail (self, "the pickle refers to an external object that is not the "
                                    "storage of a tensor");
      storage->kind = VALUE_NOTHING;
      return;
    }
  storage->type = ((Value *) id->items->pdata[1])->type;
  storage->text = g_strdup (((Value *) id->items->pdata[2])->text);
  storage->number = ((Value *) id->items->pdata[4])->number;
}

/* ---- the memo ---- */

static void
vard_pickle_build_remember (Machine *self, guint64 number)
{
  g_hash_table_insert (self->memo, GUINT_TO_POINTER ((guint) number),
                       vard_pickle_build_peek (self));
}

static void
vard_pickle_build_recall (Machine *self, guint64 number)
{
  Value *value = g_hash_table_lookup (self->memo, GUINT_TO_POINTER ((guint) number));

  if (value != NULL)
    g_ptr_array_add (self->stack, value);
  else
    vard_pickle_build_fail (self,
                            "the pickle is damaged: it refers to a value that it has not made");
}

/* ---- words ---- */

/* words that push a value; FALSE for others */
static gboolean
vard_pickle_build_do_value (Machine *self, guint8 word)
{
  switch (word)
    {
    case 'N': vard_pickle_build_push (self, VALUE_NOTHING); return TRUE;
    case '(': vard_pickle_build_push (self, VALUE_MARK); return TRUE;
    case 0x88: vard_pickle_build_push_int (self, 1); return TRUE;
    case 0x89: vard_pickle_build_push_int (self, 0); return TRUE;
    case 'K':
      vard_pickle_build_push_int (self, vard_pickle_build_take_number (self, 1));
      return TRUE;
    case 'M':
      vard_pickle_build_push_int (self, vard_pickle_build_take_number (self, 2));
      return TRUE;
    case 'J':
      vard_pickle_build_push_int (self, (gint32) vard_pickle_build_take_number (self, 4));
      return TRUE;
    case 0x8a: vard_pickle_build_push_long (self); return TRUE;
    case 'G':
      vard_pickle_build_take (self, 8);
      vard_pickle_build_push (self, VALUE_NOTHING);
      return TRUE;
    case 'X':
      vard_pickle_build_push_text (self, vard_pickle_build_take_number (self, 4));
      return TRUE;
    case '}': vard_pickle_build_push (self, VALUE_DICT); return TRUE;
    case ']':
    case ')': vard_pickle_build_push (self, VALUE_LIST); return TRUE;
    case 'c': vard_pickle_build_push_name (self); return TRUE;
    default: return FALSE;
    }
}

/* words that work on the stack; FALSE for others */
static gboolean
vard_pickle_build_do_stack (Machine *self, guint8 word)
{
  switch (word)
    {
    case 0x80:
      if (vard_pickle_build_take_number (self, 1) != 2)
        vard_pickle_build_fail (self, "the pickle does not use protocol 2, which PyTorch writes");
      return TRUE;
    case 't': vard_pickle_build_push_group_as_tuple (self); return TRUE;
    case 0x85: vard_pickle_build_push_tuple (self, 1); return TRUE;
    case 0x86: vard_pickle_build_push_tuple (self, 2); return TRUE;
    case 0x87: vard_pickle_build_push_tuple (self, 3); return TRUE;
    case 'a': vard_pickle_build_add_one (self, VALUE_LIST); return TRUE;
    case 'e': vard_pickle_build_add_group (self, VALUE_LIST); return TRUE;
    case 's': vard_pickle_build_add_one (self, VALUE_DICT); return TRUE;
    case 'u': vard_pickle_build_add_group (self, VALUE_DICT); return TRUE;
    case 'q':
      vard_pickle_build_remember (self, vard_pickle_build_take_number (self, 1));
      return TRUE;
    case 'r':
      vard_pickle_build_remember (self, vard_pickle_build_take_number (self, 4));
      return TRUE;
    case 'h': vard_pickle_build_recall (self, vard_pickle_build_take_number (self, 1)); return TRUE;
    case 'j': vard_pickle_build_recall (self, vard_pickle_build_take_number (self, 4)); return TRUE;
    case 'Q': vard_pickle_build_push_storage (self); return TRUE;
    case 'R': vard_pickle_build_call (self); return TRUE;
    case 'b':
      vard_pickle_build_pop (self);
      return TRUE; /* attributes of a dictionary: versions of modules */
    default: return FALSE;
    }
}

Value *
vard_pickle_build (const char *path,
                   const guint8 *data,
                   gsize size,
                   GPtrArray *arena,
                   GError **error)
{
  g_autoptr (GPtrArray) stack = g_ptr_array_new ();
  g_autoptr (GHashTable) memo = g_hash_table_new (NULL, NULL);
  Machine self = { path, data, data + size, arena, stack, memo, NULL };
  Value *root = NULL;

  while (self.error == NULL && root == NULL)
    {
      guint8 word = vard_pickle_build_take_number (&self, 1);

      if (word == '.')
        root = vard_pickle_build_pop (&self);
      else if (self.error == NULL && !vard_pickle_build_do_value (&self, word)
               && !vard_pickle_build_do_stack (&self, word))
        vard_pickle_build_fail (&self,
                                "the pickle has the opcode 0x%02x, which is not one for plain data",
                                word);
    }
  if (self.error == NULL)
    return root;
  g_propagate_error (error, self.error);

  return NULL;
}
