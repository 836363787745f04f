/* fake-threads.c - the threads of a block as fibers
 *
 * A fiber runs threads one after another until one has to wait; the next fiber goes on with the
 * threads that are left. So kernels without barriers cost no switches. When nobody can run, warps
 * whose threads all wait for each other go on, else the whole block if all its threads wait.
 * Anything else is a kernel's fault, and is reported as one: some threads at a barrier while others
 * have ended, or warps that part ways.
 *
 * With "backwards" in VARD_FAKE_CUDA the last block and the last thread come first: what a thread
 * reads without a barrier from another is then there in one order and not in the other.
 *
 * A fiber is begun with makecontext, and then entered and left with _setjmp and _longjmp: these
 * save no signal mask, and so make no system call, which would be most of the time.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "fake-threads.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define MAX_THREADS 1024
#define STACK_SIZE (64 << 10)
#define WARP 32

typedef enum
{
  RUNNING,
  WAITS_FOR_WARP,
  WAITS_FOR_BLOCK,
  ENDED
} State;

typedef struct
{
  ucontext_t context; /* to begin with */
  jmp_buf place;      /* to go on with */
  void *stack;
  unsigned thread;
  State state;
} Fiber;

static Fiber fibers[MAX_THREADS];
static unsigned n_fibers, n_threads, next_thread, n_ended;
static Fiber *current;
static jmp_buf scheduler;
static unsigned slots[2][MAX_THREADS], turns[MAX_THREADS];
static FakeKernel kernel_now;
static const void *args_now;

static int
is_backwards (void)
{
  static int answer = -1;

  if (answer < 0)
    answer = getenv ("VARD_FAKE_CUDA") != NULL
             && strstr (getenv ("VARD_FAKE_CUDA"), "backwards") != NULL;
  return answer;
}

static void
enter_thread (unsigned thread)
{
  fake_simt.thread.x = thread;
  current->thread = thread;
}

static void
run_threads (void)
{
  while (next_thread < n_threads)
    {
      unsigned thread = next_thread++;

      enter_thread (is_backwards () ? n_threads - 1 - thread : thread);
      kernel_now (args_now);
      n_ended++;
    }
}

/* for the life of the process: one block's threads after another's */
static void
fiber_main (void)
{
  Fiber *self = current;

  for (;;)
    {
      run_threads ();
      self->state = ENDED;
      if (_setjmp (self->place) == 0)
        _longjmp (scheduler, 1);
    }
}

static void
fiber_wait (State state)
{
  Fiber *self = current;

  self->state = state;
  if (_setjmp (self->place) == 0)
    _longjmp (scheduler, 1);
  enter_thread (self->thread);
}

static void
wait_for_block (void)
{
  fiber_wait (WAITS_FOR_BLOCK);
}

/* two sets of slots take turns: nobody writes a set that somebody may still read */
static unsigned
exchange (unsigned value, unsigned lane)
{
  unsigned thread = current->thread, turn = turns[thread] ^= 1;

  slots[turn][thread] = value;
  fiber_wait (WAITS_FOR_WARP);
  return slots[turn][thread / WARP * WARP + lane];
}

Simt fake_simt = { .wait_for_block = wait_for_block, .exchange = exchange };

static void
fiber_resume (Fiber *self)
{
  current = self;
  self->state = RUNNING;
  if (_setjmp (scheduler) == 0)
    _longjmp (self->place, 1);
}

static void
fiber_begin (Fiber *self)
{
  self->stack = malloc (STACK_SIZE);
  getcontext (&self->context);
  self->context.uc_stack.ss_sp = self->stack;
  self->context.uc_stack.ss_size = STACK_SIZE;
  self->context.uc_link = NULL;
  makecontext (&self->context, fiber_main, 0);
  current = self;
  self->state = RUNNING;
  if (_setjmp (scheduler) == 0)
    setcontext (&self->context);
}

static void
fiber_start (void)
{
  Fiber *self = &fibers[n_fibers++];

  if (self->stack == NULL)
    fiber_begin (self);
  else
    fiber_resume (self);
}

/* resumes the warps that are complete; returns how many threads that were */
static unsigned
release_warps (void)
{
  unsigned waiting[MAX_THREADS / WARP] = { 0 }, n = 0;

  for (unsigned i = 0; i < n_fibers; i++)
    if (fibers[i].state == WAITS_FOR_WARP)
      waiting[fibers[i].thread / WARP]++;
  for (unsigned i = 0; i < n_fibers; i++)
    if (fibers[i].state == WAITS_FOR_WARP && waiting[fibers[i].thread / WARP] == WARP)
      {
        fiber_resume (&fibers[i]);
        n++;
      }
  return n;
}

static int
release_block (void)
{
  unsigned waiting = 0;

  for (unsigned i = 0; i < n_fibers; i++)
    waiting += fibers[i].state == WAITS_FOR_BLOCK;
  if (waiting != n_threads)
    {
      fprintf (stderr, "fake-cuda: %u of %u threads wait for their block, %u have ended\n", waiting,
               n_threads, n_ended);
      return 0;
    }
  for (unsigned i = 0; i < n_fibers; i++)
    fiber_resume (&fibers[i]);
  return 1;
}

static int
run_block (void)
{
  n_fibers = next_thread = n_ended = 0;
  while (n_ended < n_threads)
    if (next_thread < n_threads)
      fiber_start ();
    else if (release_warps () == 0 && !release_block ())
      return 0;
  return 1;
}

int
fake_run_grid (FakeKernel kernel, const void *args, SimtIndex grid, SimtIndex block)
{
  int is_done = block.x > 0 && block.x <= MAX_THREADS && block.x % WARP == 0 && block.y == 1
                && block.z == 1;

  kernel_now = kernel;
  args_now = args;
  n_threads = block.x;
  fake_simt.block_size = block;
  fake_simt.grid_size = grid;
  for (unsigned y = 0; y < grid.y && is_done; y++)
    for (unsigned x = 0; x < grid.x && is_done; x++)
      {
        fake_simt.block = is_backwards () ? (SimtIndex) { grid.x - 1 - x, grid.y - 1 - y, 0 }
                                          : (SimtIndex) { x, y, 0 };
        is_done = run_block ();
      }
  return is_done;
}
