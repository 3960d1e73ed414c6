// SPDX-License-Identifier: GPL-3.0-or-later
// Where releases of Linux differ, one file a release that reads as its patches: v6.16 is what Kvm's own functions do and v6_16.cpp; a later
// release takes over what stands in its file, and keeps the rest. core/machine/kernels.h has the list.
#pragma once

#include "kvm/types.h"
#include "machine/config.h"

namespace mirrorscope {

class Changing;
class Kvm;
struct Memslot;
struct Protocol;
struct TdpIter;

// An entry changes while others may change it, too; 0 or a negative errno. `change` is told once handle_changed_spte() is called.
using SetSpteAtomic = int (*)(Kvm&, TdpIter& iter, u64 newSpte, Changing& change);
// What follows of a change of an entry of `table`; 0 or a negative errno.
using HandleChangedSpte = int (*)(Kvm&, Pfn table, Gfn gfn, u64 oldSpte, u64 newSpte, Level level, bool shared);
// What whoever changed an entry of a mirror has to carry over by himself, after that.
using CarryOver = void (*)(Kvm&, Pfn table, Gfn gfn, u64 oldSpte, u64 newSpte, Level level, bool shared);

// Who changed an entry tells the private table (v6.16 … v7.1).
namespace by_path {
int try_set_spte_atomic(Kvm& kvm, TdpIter& iter, u64 newSpte);
int set_spte_atomic(Kvm& kvm, TdpIter& iter, u64 newSpte, Changing& change);
int handle_changed_spte(Kvm& kvm, Pfn table, Gfn gfn, u64 oldSpte, u64 newSpte, Level level, bool shared);
void carry_set(Kvm& kvm, Pfn table, Gfn gfn, u64 oldSpte, u64 newSpte, Level level, bool shared);
void carry_child(Kvm& kvm, Pfn table, Gfn gfn, u64 oldSpte, u64 newSpte, Level level, bool shared);
void free_external_spt(Kvm& kvm, Pfn child);
} // namespace by_path

// The page was asked for; is what the kind of VM does to it done?
bool preparedIfUptodate(u64 folioWord);
// May KVM_TDX_INIT_MEM_REGION and its like fill that page? 0 or a negative errno.
int onceAndPrivate(Kvm& kvm, const Memslot& slot, Gfn gfn);
// Is the slot of that page about to go? Who repeats a fault in its SRCU section must not wait for that, since it waits for him.
bool slotGoes(Kvm& kvm, Gfn gfn);
// kvm_tdp_map_page() asks before each repetition: -EAGAIN for such a slot; and in the second, the root is loaded anew if it became invalid.
int repeatUnlessSlotGoes(Kvm& kvm, unsigned vcpu, u64 addr);
int reloadUnlessSlotGoes(Kvm& kvm, unsigned vcpu, u64 addr);
// Has somebody said that the VM is dead? The request stays.
bool vmDeadPending(const Kvm& kvm, unsigned vcpu);

// A slot with guest_memfd, now or before, can only be deleted (9935df5333aa).
bool immutableWithGmem(const Kvm& kvm, const Memslot& old, const SlotConfig& config);

void applyFixed(Protocol& protocol);
void apply6_19(Protocol& protocol);
void apply7_2(Protocol& protocol);
void applyNext(Protocol& protocol);

} // namespace mirrorscope
