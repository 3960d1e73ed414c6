/* SPDX-License-Identifier: GPL-3.0-or-later
 * Races 01, 05 and 25 of scenarios/races by hand, for comparison: VCPUS vCPUs of a TD accept one page that nobody has mapped, and the
 * host (HOST) punches a hole there. One transition is one micro-step of Mirrorscope. The tables above exist, and each vCPU has been in
 * the guest before. What Mirrorscope has and this has not: contents of memory, the TLBs, what is the same in every state of these races,
 * and all other paths of the same functions. ORDER: one after the other, to measure that path.
 */
#define NONE 0
#define FROZEN 255
#define FREE 0
#define PENDING 1
#define MAPPED 2
#define BLOCKED 3
#define PENDING_BLOCKED 4
#define OUTSIDE 0
#define IN_GUEST 1
#define EXITING 2
#define OK 1
#define OPERAND_BUSY 2
#define ALREADY_ACCEPTED 3
#define SIZE_MISMATCH 4
#define NO 0
#define SEND 1
#define WAIT 2
#define FIXED 1
#define RETRY 2

byte mirror = NONE;                        /* the entry: none, frozen, or the frame that it leads to */
byte sept = FREE, sept_frame = 0;          /* the secure one */
bit sept_lock = 0, prio = 0;               /* its own lock; host priority */
byte tree_readers = 0;                     /* the S-EPT tree's lock */
bit tree_writer = 0;
byte epoch = 0, inside[2] = 0, vcpu_epoch[2] = 0, bepoch = 0;
byte epoch_readers = 0;                    /* TD_EPOCH's lock */
bit epoch_writer = 0;
bit registered[5] = 0;                     /* PAMT: has the frame an owner? */
byte refs[5] = 0, gmem = 0;                /* references to each frame; which is in guest_memfd */
byte readers = 0, seq = 0;                 /* mmu_lock; mmu_invalidate_seq */
bit writer = 0, in_progress = 0;
byte mode[2] = OUTSIDE;
bit irqs_off[2] = 0, ipi[2] = 0, flush[2] = 0, wait_for_zap = 0;
byte result[2] = 0;

#define stale (in_progress || seq != snapshot)
/* kvm_vcpu_exiting_guest_mode() and the IPI, whose receiver may have taken it at once */
#define kick(v) d_step { kicked[v] = (mode[v] != OUTSIDE -> SEND : NO); if :: mode[v] == IN_GUEST -> mode[v] = EXITING :: else fi }
#define ipi_to(v) if :: irqs_off[v] -> ipi[v] = 1 :: else fi

proctype vcpu(byte me) {
    byte frame, snapshot, ret;
    bit asked, leaf;
    skip;                                                   /* call.enter */
    asked = flush[me];                                      /* vm.read, then the first look for requests */
enter:
    if
    :: d_step { asked -> asked = 0; flush[me] = 0 }         /* request.take */
        skip;                                               /* tlb.flush */
        d_step { mode[me] = IN_GUEST; irqs_off[me] = 1 }    /* vcpu.mode */
    :: d_step { !asked -> mode[me] = IN_GUEST; irqs_off[me] = 1 }
    fi;
    if                                                      /* vcpu.enter */
    :: flush[me] || mode[me] == EXITING -> goto again
    :: !flush[me] && mode[me] != EXITING
    fi;
    if                                                      /* vm.read */
    :: wait_for_zap -> goto again
    :: !wait_for_zap
    fi;
    skip;                                                   /* seamcall.enter */
    if                                                      /* epoch.sample */
    :: epoch_writer -> skip; goto again                     /* OPERAND_BUSY; seamcall.leave */
    :: d_step { !epoch_writer -> epoch_readers++; inside[epoch & 1]++; vcpu_epoch[me] = epoch }
    fi;
    if                                                      /* seamcall.leave */
    :: d_step { ipi[me] -> epoch_readers-- }
        d_step { inside[vcpu_epoch[me] & 1]-- };            /* vcpu.exit */
        goto again
    :: d_step { !ipi[me] -> epoch_readers-- }
    fi;
    skip;                                                   /* tdcall.enter */
    leaf = sept != FREE;                                    /* sept.read */
    if                                                      /* sept.lock */
    :: d_step { sept_lock || prio -> leaf = 0; result[me] = OPERAND_BUSY }
        goto said
    :: d_step { !sept_lock && !prio -> sept_lock = 1 }
    fi;
    if                                                      /* sept.set, or sept.lock */
    :: d_step { sept == PENDING && leaf -> sept = MAPPED; prio = 0; sept_lock = 0; leaf = 0; result[me] = OK }
        goto said
    :: d_step { sept == MAPPED && leaf -> sept_lock = 0; leaf = 0; result[me] = ALREADY_ACCEPTED }
        goto said
    :: d_step { sept != FREE && !leaf -> sept_lock = 0; result[me] = SIZE_MISMATCH }
        goto said
    :: d_step { sept == FREE || (leaf && (sept == BLOCKED || sept == PENDING_BLOCKED)) -> sept_lock = 0; leaf = 0 }
    fi;
    skip;                                                   /* tdcall.leave: an EPT violation */
    inside[vcpu_epoch[me] & 1]--;                           /* vcpu.exit */
    if                                                      /* vcpu.mode */
    :: d_step { ipi[me] -> mode[me] = OUTSIDE; irqs_off[me] = 0 }
        ipi[me] = 0                                         /* kick.ack */
    :: d_step { !ipi[me] -> mode[me] = OUTSIDE; irqs_off[me] = 0 }
    fi;
fault:
    skip; skip;                                             /* slot.read, attr.read */
    snapshot = seq;                                         /* seq.read */
    skip;                                                   /* attr.read */
    if                                                      /* seq.read */
    :: d_step { stale -> snapshot = 0 }
        goto repeat
    :: !stale
    fi;
    if                                                      /* gmem.get */
    :: d_step { gmem != 0 -> frame = gmem; refs[frame]++ }
    :: d_step { gmem == 0 ->
            frame = 2 * me + 1;
            if :: refs[frame] != 0 -> frame++ :: else fi;
            assert(refs[frame] == 0);
            refs[frame] = 2; gmem = frame }
    fi;
    if                                                      /* seq.read */
    :: d_step { stale -> snapshot = 0 }
        d_step { refs[frame]--; frame = 0 };                /* page.free */
        goto repeat
    :: !stale
    fi;
    d_step { !writer -> readers++ };                        /* lock.acquire */
    if                                                      /* seq.read */
    :: d_step { stale -> snapshot = 0; ret = RETRY }
        goto put
    :: d_step { !stale -> snapshot = 0 }
    fi;
    skip;                                                   /* rcu.enter */
    skip; skip; skip; skip; skip; skip;                     /* spte.read of 512G, 1G and 2M, each twice */
    if                                                      /* spte.read of 4K */
    :: d_step { mirror == FROZEN -> ret = RETRY }
        goto leave
    :: d_step { mirror != FROZEN && mirror != NONE -> assert(mirror == frame); ret = FIXED }
        goto leave
    :: mirror == NONE
    fi;
    if                                                      /* spte.freeze */
    :: d_step { mirror != NONE -> ret = RETRY }
        goto leave
    :: d_step { mirror == NONE -> mirror = FROZEN; refs[frame]++ }
    fi;
    skip;                                                   /* seamcall.enter: PAGE.AUG */
    d_step { assert(!tree_writer); tree_readers++ };        /* sept.lock */
    skip;                                                   /* sept.read */
    if                                                      /* sept.lock */
    :: d_step { sept_lock -> prio = 1 }
        tree_readers--;                                     /* seamcall.leave: OPERAND_BUSY */
        refs[frame]--;                                      /* page.free */
        d_step { mirror = NONE; ret = RETRY };              /* spte.restore */
        goto leave
    :: d_step { !sept_lock -> assert(sept == FREE && !registered[frame]); sept_lock = 1; prio = 0 }
    fi;
    d_step { sept = PENDING; sept_frame = frame; sept_lock = 0 };   /* sept.set */
    d_step { registered[frame] = 1; bepoch = 0 };           /* pamt.set */
    tree_readers--;                                         /* seamcall.leave */
    d_step { mirror = frame; ret = FIXED };                 /* spte.set */
leave:
    skip;                                                   /* rcu.leave */
put:
    if                                                      /* page.free; no goto may end at a d_step */
    :: d_step { frame != 0 -> refs[frame]--; frame = 0 }
    fi;
    if                                                      /* lock.release */
    :: d_step { ret == FIXED -> readers--; ret = 0; asked = flush[me] }
        goto enter
    :: d_step { ret == RETRY -> readers--; ret = 0 }
    fi;
repeat:
    skip;                                                   /* slot.read */
    goto fault;
again:
    if                                                      /* vcpu.mode */
    :: d_step { ipi[me] -> mode[me] = OUTSIDE; irqs_off[me] = 0 }
        d_step { ipi[me] = 0; asked = flush[me] }           /* kick.ack */
    :: d_step { !ipi[me] -> mode[me] = OUTSIDE; irqs_off[me] = 0; asked = flush[me] }
    fi;
    goto enter;
said:
    skip;                                                   /* tdcall.leave */
    inside[vcpu_epoch[me] & 1]--;                           /* vcpu.exit */
    if                                                      /* vcpu.mode */
    :: d_step { ipi[me] -> mode[me] = OUTSIDE; irqs_off[me] = 0 }
        ipi[me] = 0                                         /* kick.ack */
    :: d_step { !ipi[me] -> mode[me] = OUTSIDE; irqs_off[me] = 0 }
    fi
}

#ifdef HOST
#if VCPUS == 2
#define all_cpus_request kick(0); kick(1)
#else
#define all_cpus_request kick(0)
#endif
#define nobody (kicked[0] == NO && kicked[1] == NO)
/* kick.send to each of them, and kick.wait */
#define sends_and_waits \
    :: d_step { kicked[0] == SEND -> ipi_to(0); kicked[0] = WAIT } \
    :: d_step { kicked[0] != SEND && kicked[1] == SEND -> ipi_to(1); kicked[1] = WAIT } \
    :: d_step { kicked[0] == WAIT && kicked[1] != SEND && !ipi[0] -> kicked[0] = NO } \
    :: d_step { kicked[0] == NO && kicked[1] == WAIT && !ipi[1] -> kicked[1] = NO }
/* kvm_make_all_cpus_request(), and the seamcall.enter that comes behind it */
#define kicks_then_call all_cpus_request; do sends_and_waits :: nobody -> break od
/* tdx_no_vcpus_enter_start(), and the SEAMCALL once more */
#define wait_then_call wait_for_zap = 1; kicks_then_call
#define done_waiting wait_for_zap = 0

proctype host() {
    byte frame;
    byte kicked[2];
    bit flushes;
    skip; skip;                                             /* call.enter, filemap_invalidate_lock */
    d_step { readers == 0 && !writer -> writer = 1 };       /* lock.acquire */
    in_progress = 1;                                        /* seq.begin */
    skip; skip; skip; skip;                                 /* rcu.enter, root.get twice, rcu.leave */
    skip; skip; skip; skip; skip; skip; skip;               /* rcu.enter, and spte.read */
    if                                                      /* spte.read of 4K */
    :: mirror == NONE -> goto zapped
    :: d_step { mirror != NONE -> assert(mirror != FROZEN) }
    fi;
    d_step { frame = mirror; mirror = NONE };               /* spte.store */
    skip;                                                   /* seamcall.enter: RANGE.BLOCK */
    d_step { assert(tree_readers == 0); tree_writer = 1 };  /* sept.lock */
    skip;                                                   /* sept.read */
    if                                                      /* sept.lock */
    :: d_step { sept_lock -> prio = 1 }
        tree_writer = 0;                                    /* seamcall.leave: OPERAND_BUSY */
        wait_then_call;                                     /* vm.state, kicks, seamcall.enter */
        if
        :: d_step { tree_readers == 0 -> tree_writer = 1 }
        fi;
        skip;
        d_step { assert(!sept_lock); sept_lock = 1; prio = 0 }
    :: d_step { !sept_lock -> sept_lock = 1; prio = 0 }
    fi;
    d_step {                                                /* sept.set */
        assert(sept_frame == frame && (sept == PENDING || sept == MAPPED));
        if :: sept == PENDING -> sept = PENDING_BLOCKED :: else -> sept = BLOCKED fi };
    bepoch = epoch;                                         /* pamt.set */
    d_step { sept_lock = 0; tree_writer = 0 };              /* seamcall.leave */
    if
    :: d_step { wait_for_zap -> done_waiting }              /* vm.state */
        skip                                                /* seamcall.enter: TRACK */
    :: !wait_for_zap
    fi;
    if                                                      /* epoch.advance */
    :: epoch_readers != 0 ->
        skip;                                               /* seamcall.leave: OPERAND_BUSY */
        wait_then_call;
        if                                                  /* epoch.advance */
        :: d_step { epoch_readers == 0 -> assert(inside[(epoch + 1) & 1] == 0); epoch_writer = 1; epoch++ }
        fi;
        epoch_writer = 0;                                   /* seamcall.leave */
        done_waiting
    :: d_step { epoch_readers == 0 -> assert(inside[(epoch + 1) & 1] == 0); epoch_writer = 1; epoch++ }
        epoch_writer = 0                                    /* seamcall.leave */
    fi;
    kicks_then_call;                                        /* PAGE.REMOVE */
    tree_readers++;                                         /* sept.lock */
    skip;                                                   /* sept.read */
    if                                                      /* sept.lock */
    :: d_step { sept_lock -> prio = 1 }
        tree_readers--;                                     /* seamcall.leave: OPERAND_BUSY */
        wait_then_call;
        tree_readers++;
        skip;
        d_step { assert(!sept_lock); sept_lock = 1; prio = 0 }
    :: d_step { !sept_lock -> sept_lock = 1; prio = 0 }
    fi;
    d_step {                                                /* sept.set */
        assert(bepoch + 1 < epoch || (bepoch + 1 == epoch && inside[bepoch & 1] == 0));
        sept = FREE; sept_frame = 0; sept_lock = 0; prio = 0 };
    registered[frame] = 0;                                  /* pamt.set */
    tree_readers--;                                         /* seamcall.leave */
    if
    :: d_step { wait_for_zap -> done_waiting }              /* vm.state */
        skip                                                /* seamcall.enter: PAGE.WBINVD */
    :: !wait_for_zap
    fi;
    skip;                                                   /* seamcall.leave */
    d_step { refs[frame]--; frame = 0; flushes = 1 };       /* page.free */
zapped:
    skip; skip; skip; skip; skip; skip;                     /* spte.read, rcu.leave, rcu.enter, root.get, rcu.leave, root.put */
    if
    :: d_step { flushes -> flushes = 0; flush[0] = 1 }      /* tlb.request */
        kick(0);
#if VCPUS == 2
        flush[1] = 1;
        kick(1);
#endif
        do
        sends_and_waits
        :: d_step { nobody && gmem != 0 -> writer = 0 }     /* lock.release */
            goto remove
        :: d_step { nobody && gmem == 0 -> writer = 0 }
            break
        od
    :: d_step { !flushes && gmem != 0 -> writer = 0 }
remove:
        if                                                  /* gmem.remove */
        :: d_step { gmem != 0 -> refs[gmem]--; gmem = 0 }
        fi
    :: d_step { !flushes && gmem == 0 -> writer = 0 }
    fi;
    if                                                      /* lock.acquire */
    :: d_step { readers == 0 && !writer -> writer = 1 }
    fi;
    d_step { seq++; in_progress = 0 };                      /* seq.end */
    writer = 0;                                             /* lock.release */
    skip                                                    /* lock.release */
}
#endif

init {
#ifdef ORDER
    run vcpu(0);
    (_nr_pr == 1);
#if VCPUS == 2
    run vcpu(1);
    (_nr_pr == 1);
#endif
#ifdef HOST
    run host();
    (_nr_pr == 1);
#endif
#else
    atomic {
        run vcpu(0);
#if VCPUS == 2
        run vcpu(1);
#endif
#ifdef HOST
        run host();
#endif
    }
    (_nr_pr == 1);
#endif
    d_step {
        assert(readers == 0 && !writer && !sept_lock && tree_readers == 0 && inside[0] == 0 && inside[1] == 0 && epoch_readers == 0);
        assert((mirror == NONE) == (sept == FREE) && (mirror == NONE || (mirror == sept_frame && registered[mirror])));
    }
    c_code { printf("END %d %d %d\n", now.result[0], now.result[1], now.sept == 2 ? 3 : 1); }
}
