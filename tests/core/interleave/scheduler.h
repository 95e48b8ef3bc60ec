/* Runs a few actors on one thread, and decides before every access to shared memory who goes on.
 *
 * An actor is a function on a stack of its own. Before each access it reaches a point; there the
 * schedule may let it go on, let another one go on, or kill it for good. A schedule is the short
 * list of points at which something else happens than that the present actor goes on. explore()
 * runs every schedule with at most so many preemptions and so many kills, each exactly once: it
 * runs one, notes what else could have happened after its last decision, and tries that.
 */

#ifndef TALOS_SCHEDULER_H
#define TALOS_SCHEDULER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

enum {
    MAX_ACTORS = 6,
    FIRST_OF_ALL = MAX_ACTORS, /* whoever is able */
    MAX_POINTS = 4096,
    MAX_DECISIONS = 12,
    STACK_BYTES = 64 * 1024
};

typedef void (*talos_actor)(int index);

struct decision {
    int point;
    int kill; /* the present actor, before the other one goes on */
    int next;
};

struct point {
    int current;
    int finished; /* the actor has returned: whoever goes on is no preemption */
    unsigned able; /* who could go on here, the present actor included */
};

struct scenario {
    int actors;
    unsigned mortal;             /* which of them may be killed */
    talos_actor act;
    void (*reset)(void);         /* before a run */
    int (*enabled)(int index);   /* whether an actor that has not begun may begin */
    void (*died)(int index);     /* it was killed */
    const char *(*judge)(void);  /* after a run: NULL, or what went wrong */
};

static const struct scenario *playing;
static struct decision schedule[MAX_DECISIONS];
static int decisions;
static struct point points[MAX_POINTS];
static int reached;
static int taken;
static int current;
static int running;
static unsigned alive; /* neither finished nor killed */
static unsigned killed;
static unsigned begun;
static ucontext_t scheduler_context;
static ucontext_t contexts[MAX_ACTORS];
static char *stacks;
static long runs;

static unsigned able; /* alive, and has begun or may begin; changes with a beginning or an end */

static void find_able(void) {
    able = 0;
    for (int actor = 0; actor < playing->actors; actor++) {
        if ((alive >> actor & 1) && ((begun >> actor & 1) || playing->enabled(actor))) {
            able |= 1u << actor;
        }
    }
}

static void note_point(int finished) {
    if (reached == MAX_POINTS) {
        fputs("a run has too many points\n", stderr);
        abort();
    }
    points[reached].current = current;
    points[reached].finished = finished;
    points[reached].able = able;
    reached++;
}

/* The actors call this before every access, through TALOS_BEFORE_ACCESS of atomics.h. */
void talos_before_access(void) {
    if (!running) {
        return;
    }
    note_point(0);
    if (taken < decisions && schedule[taken].point == reached - 1) {
        swapcontext(&contexts[current], &scheduler_context);
    }
}

static void begin(int actor) {
    playing->act(actor);
    alive &= ~(1u << actor);
    find_able();
}

static void play(void) {
    reached = taken = 0;
    alive = (1u << playing->actors) - 1;
    killed = begun = 0;
    playing->reset();
    find_able();
    running = 1;
    current = 0;
    for (;;) {
        if (!(begun >> current & 1)) {
            begun |= 1u << current; /* who has begun was able to */
            getcontext(&contexts[current]);
            contexts[current].uc_stack.ss_sp = stacks + (size_t)current * STACK_BYTES;
            contexts[current].uc_stack.ss_size = STACK_BYTES;
            contexts[current].uc_link = &scheduler_context;
            makecontext(&contexts[current], (void (*)(void))begin, 1, current);
        }
        swapcontext(&scheduler_context, &contexts[current]);
        /* Back here at a decision, or because the actor has returned. */
        if (!(alive >> current & 1)) {
            note_point(1);
        }
        if (taken < decisions && schedule[taken].point == reached - 1) {
            if (schedule[taken].kill) {
                alive &= ~(1u << current);
                killed |= 1u << current;
                playing->died(current);
                find_able();
            }
            current = schedule[taken].next;
            taken++;
        } else {
            current = FIRST_OF_ALL;
        }
        if (current == FIRST_OF_ALL) {
            if (!able) {
                break;
            }
            current = __builtin_ctz(able);
        }
    }
    running = 0;
    runs++;
}

static const char *failure;

static void explore_from(int preemptions, int kills) {
    play();
    failure = playing->judge();
    if (failure) {
        return;
    }
    int first = decisions ? schedule[decisions - 1].point + 1 : 0;
    int count = reached - first;
    if (count <= 0) {
        return;
    }
    if (decisions == MAX_DECISIONS) {
        fputs("a schedule has too many decisions\n", stderr);
        abort();
    }
    struct point *copy = malloc(sizeof *copy * (size_t)count);
    memcpy(copy, points + first, sizeof *copy * (size_t)count);
    for (int at = 0; at < count && !failure; at++) {
        const struct point *here = &copy[at];
        unsigned others = here->able & ~(1u << here->current);
        for (int kill = 0; kill < 2 && !failure; kill++) {
            int free_choice = here->finished || kill;
            if (kill && (here->finished || !kills || !(playing->mortal >> here->current & 1))) {
                continue;
            }
            if (!free_choice && !preemptions) {
                continue;
            }
            /* After a finish the first of the others goes on anyway. */
            unsigned options = here->finished ? others & (others - 1) : others;
            if (kill && !others) {
                options = 1u << FIRST_OF_ALL; /* whom this death lets begin, if anybody */
            }
            for (int next = 0; next <= FIRST_OF_ALL && !failure; next++) {
                if (!(options >> next & 1)) {
                    continue;
                }
                schedule[decisions] = (struct decision){first + at, kill, next};
                decisions++;
                explore_from(preemptions - !free_choice, kills - kill);
                if (!failure) {
                    decisions--;
                }
            }
        }
    }
    free(copy);
}

static char report[512];

/* The number of runs, or -1 with the failure and its schedule in *why. */
static long explore(const struct scenario *scenario, int preemptions, int kills,
                    const char **why) {
    stacks = malloc((size_t)MAX_ACTORS * STACK_BYTES);
    playing = scenario;
    decisions = 0;
    runs = 0;
    failure = NULL;
    explore_from(preemptions, kills);
    free(stacks);
    if (!failure) {
        return runs;
    }
    size_t used = (size_t)snprintf(report, sizeof report, "%s", failure);
    for (int i = 0; i < decisions && used < sizeof report; i++) {
        used += (size_t)snprintf(report + used, sizeof report - used, "; at point %d %s%d goes on",
                                 schedule[i].point, schedule[i].kill ? "the actor dies and " : "",
                                 schedule[i].next);
    }
    *why = report;
    return -1;
}

#endif
