// SPDX-License-Identifier: GPL-3.0-or-later
// What an actor is in the middle of, while the object lives: the rules ask, the protocol does not.
#pragma once

#include "kvm/kvm.h"

namespace mirrorscope {

// The actor updates the entry that it has frozen (frozen-owned).
class Freezing {
public:
    explicit Freezing(Kvm& kvm) : kvm_(kvm) {}
    ~Freezing() { kvm_.machine().set(kvm_.actorWord(kvm_.sim().actor(), Kvm::ActorWord::Freezing), 0); }
    Freezing(const Freezing&) = delete;
    Freezing& operator=(const Freezing&) = delete;

private:
    Kvm& kvm_;
};

// A mirror's entry was changed with mmu_lock held for writing, and its twin follows before this ends (coherent).
class Clearing {
public:
    Clearing(Kvm& kvm, Place sptep, Gfn gfn, Level level) : kvm_(kvm), mirror_(kvm.is_mirror_sptep(sptep)) {
        if (mirror_)
            note(gfn.v + 1, number(level));
    }
    ~Clearing() {
        if (mirror_)
            note(0, 0);
    }
    Clearing(const Clearing&) = delete;
    Clearing& operator=(const Clearing&) = delete;

private:
    void note(u64 gfn, u64 level) {
        kvm_.machine().set(kvm_.actorWord(kvm_.sim().actor(), Kvm::ActorWord::Clearing), gfn);
        kvm_.machine().set(kvm_.actorWord(kvm_.sim().actor(), Kvm::ActorWord::ClearingLevel), level);
    }
    Kvm& kvm_;
    bool mirror_;
};

// An entry has become writable, and the page's bit in the dirty log is set before this ends (dirty-log-complete).
class Marking {
public:
    Marking(Kvm& kvm, Gfn gfn) : kvm_(kvm) { kvm_.machine().set(word(), gfn.v + 1); }
    ~Marking() { kvm_.machine().set(word(), 0); }
    Marking(const Marking&) = delete;
    Marking& operator=(const Marking&) = delete;

private:
    Place word() const { return kvm_.actorWord(kvm_.sim().actor(), Kvm::ActorWord::Marking); }
    Kvm& kvm_;
};

// A change of an entry, told to whoever counts them (kvm/census.h).
class Changing {
public:
    Changing(Kvm& kvm, Place sptep, Gfn gfn, u64 oldSpte, u64 newSpte, Level level, bool shared)
        : kvm_(kvm), sptep_(sptep), gfn_(gfn), old_(oldSpte), new_(newSpte), level_(level), shared_(shared),
          fired_(kvm.census() != nullptr ? kvm.peekFired() : 0) {}
    ~Changing() {
        if (kvm_.census() == nullptr)
            return;
        if (!reached_)
            kvm_.census()->changed(change());
        if (kvm_.peekFired() != fired_)
            kvm_.census()->fired(change());
    }
    Changing(const Changing&) = delete;
    Changing& operator=(const Changing&) = delete;
    // handle_changed_spte() is called with `oldSpte`.
    void reached(u64 oldSpte) {
        old_ = oldSpte;
        reached_ = true;
        if (kvm_.census() != nullptr)
            kvm_.census()->changed(change());
    }

private:
    Census::Change change() const {
        return {.oldSpte = old_,
                .newSpte = new_,
                .gfn = gfn_,
                .level = level_,
                .mirror = role::isMirror(kvm_.machine().peek(kvm_.sp(frameOf(sptep_), Kvm::kRole))),
                .shared = shared_,
                .reached = reached_,
                .script = kvm_.sim().script()};
    }

    Kvm& kvm_;
    Place sptep_;
    Gfn gfn_;
    u64 old_, new_;
    Level level_;
    bool shared_, reached_ = false;
    u64 fired_;
};

// On whose behalf the actor changes entries from here on; only the dispatch policies that were not merged ask (kvm/dispatch/).
class Origin {
public:
    static constexpr u64 kFault = 1, kFaultPrivate = 2, kIterPrivate = 4;
    static Origin ofFault(Kvm& kvm, bool isPrivate) { return {kvm, kFault | (isPrivate ? kFaultPrivate | kIterPrivate : 0)}; }
    static Origin ofWalk(Kvm& kvm, bool isPrivate) { return {kvm, isPrivate ? kIterPrivate : 0}; }
    static u64 of(const Kvm& kvm) { return kvm.machine().peek(kvm.actorWord(kvm.sim().actor(), Kvm::ActorWord::Origin)); }
    ~Origin() { set(before_); }
    Origin(const Origin&) = delete;
    Origin& operator=(const Origin&) = delete;

private:
    Origin(Kvm& kvm, u64 origin) : kvm_(kvm), before_(kvm.machine().peek(word())) { set(origin); }
    Place word() const { return kvm_.actorWord(kvm_.sim().actor(), Kvm::ActorWord::Origin); }
    void set(u64 origin) {
        if (kvm_.config().dispatch != Dispatch::Role)
            kvm_.machine().set(word(), origin);
    }
    Kvm& kvm_;
    u64 before_;
};

} // namespace mirrorscope
