/* SPDX-License-Identifier: GPL-3.0-or-later
 * scenarios/races/01-two-faults-one-page.yaml by hand, for comparison: two vCPUs of a TD accept one page that nobody has mapped. One
 * statement is one micro-step of Mirrorscope; the tables above exist. What Mirrorscope has and this has not: contents of memory, PAMT
 * owners, the TLBs, the frames' allocator, and all other paths of the same functions.
 */
#define NONE 0
#define FROZEN 1
#define LEAF 2
#define FREE 0
#define PENDING 1
#define MAPPED 2

byte mirror = NONE, real = FREE;      /* the entry in the two trees */
byte pamt = 0;                        /* the frame's owner in the module */
byte readers = 0;                     /* mmu_lock; nobody writes here */
byte tdr = 0, tree = 0;               /* the module's shared locks */
bit entry = 0, prio = 0;              /* the secure EPT entry's own lock; host priority */
byte rcu = 0, inside = 0, cache[2] = 0, refs = 0, augs = 0, accepted = 0;
bit served[2] = 0;

inline vp_enter(me) {
    tdr++;                            /* vcpu.mode */
    tree++;                           /* seamcall.enter */
    d_step { inside++; }              /* epoch */
    tree--;                           /* seamcall.leave */
}
inline page_accept(me, done) {
    skip;                             /* tdcall.enter */
    tree++;                           /* sept.lock */
    if
    :: d_step { entry == 0 && !prio -> entry = 1 }
        if
        :: d_step { real == FREE -> entry = 0; tree-- } done = 0    /* sept.read, an EPT violation */
        :: d_step { real == PENDING -> real = MAPPED; accepted++; entry = 0 } tree--; done = 1
        :: d_step { real == MAPPED -> entry = 0; tree-- } done = 1  /* already accepted */
        fi
    :: d_step { entry != 0 || prio -> tree-- } done = 2             /* OPERAND_BUSY: the guest tries again */
    fi
}
inline fault(me) {
    inside--; tdr--;                  /* vcpu.exit */
    cache[me] = 1; cache[me] = 2; cache[me] = 3; cache[me] = 4; cache[me] = 5; cache[me] = 6;   /* page.alloc */
    skip;                             /* seq.read */
    refs++;                           /* gmem.get */
    readers++;                        /* lock.acquire */
    skip;                             /* seq.read: is it stale? */
    rcu++;
    skip; skip; skip;                 /* spte.read of 512G, 1G, 2M */
    old = mirror;                     /* spte.read of 4K */
    if
    :: old == NONE ->
        if
        :: d_step { mirror == NONE -> mirror = FROZEN }
            tdr++;                    /* seamcall.enter */
            tree++;
            if
            :: d_step { entry == 0 -> entry = 1; prio = 0 }
                skip;                 /* sept.read */
                d_step { assert(real == FREE); real = PENDING; augs++ }
                pamt++;
                d_step { entry = 0; tree--; tdr-- }
                mirror = LEAF         /* spte.set */
            :: d_step { entry == 1 -> prio = 1; tree--; tdr-- }
                mirror = NONE         /* OPERAND_BUSY: rolled back */
            fi
        :: d_step { mirror != NONE -> skip }    /* somebody was faster */
        fi
    :: old == FROZEN -> skip
    :: old == LEAF -> skip            /* spurious */
    fi;
    rcu--;
    refs--;
    readers--                         /* lock.release */
}

proctype vcpu(byte me) {
    byte old, done = 0;
again:
    vp_enter(me);
retry:
    page_accept(me, done);
    if
    :: done == 0 -> fault(me);
        (mirror != FROZEN);           /* a loop that could only repeat itself waits */
        goto again
    :: done == 2 -> (entry == 0);
        goto retry
    :: done == 1 -> served[me] = 1
    fi
}

init {
    atomic { run vcpu(0); run vcpu(1) }
    (_nr_pr == 1);
    assert(mirror == LEAF && real == MAPPED && augs == 1 && pamt == 1 && accepted == 1 && served[0] && served[1] && readers == 0 && rcu == 0)
}
