// SPDX-License-Identifier: GPL-3.0-or-later
#include "session/memory.h"

#include "base/text.h"
#include "scenario/runner.h"
#include "session/session.h"

#include <algorithm>

namespace mirrorscope {

std::optional<u64> Session::rootCount(Pfn root) const {
    return recorded_ ? std::nullopt : std::optional(system().kvm().peekRootCount(root));
}

std::vector<RootView> Session::roots() const {
    std::vector<RootView> views;
    const auto page = [&](Pfn root) {
        const MmuPage p = system().kvm().peekPage(root);
        return RootView{p.isMirror() ? RootView::Tree::Mirror : RootView::Tree::Direct,
                        root,
                        number(p.level()),
                        role::isInvalid(p.role),
                        rootCount(root),
                        role::isSmm(p.role)};
    };
    for (const Pfn root : system().kvm().roots())
        views.push_back(page(root));
    if (const Pfn root = system().secureRoot(); root.v != 0)
        views.push_back({RootView::Tree::Secure, root, system().config().levels, false, 0});
    std::stable_sort(views.begin(), views.end(),
                     [](const RootView& a, const RootView& b) { return a.tree != b.tree ? a.tree < b.tree : a.invalid < b.invalid; });
    return views;
}

Pfn Session::shownDirectRoot() const {
    Pfn invalid, smm;
    for (const Pfn root : system().kvm().roots()) {
        const MmuPage page = system().kvm().peekPage(root);
        if (page.isMirror())
            continue;
        if (root == shownRoot_)
            return root;
        if (role::isInvalid(page.role) && invalid.v == 0)
            invalid = root;
        else if (role::isSmm(page.role))
            smm = root;
    }
    const Pfn valid = system().directRoot();
    return valid.v != 0 ? valid : invalid.v != 0 ? invalid : smm;
}

bool Session::vmIsDead() const { return system().kvm().peekVm(Kvm::VmWord::Dead) != 0; }

std::vector<LockView> Session::locks() const {
    std::vector<LockView> views;
    const Sim& sim = system().sim();
    for (unsigned l = 0; l < kLocks; ++l) {
        const auto id = static_cast<LockId>(l);
        LockView view{std::string(name(id)), false, {}};
        for (unsigned a = 0; a < sim.actors(); ++a) {
            const u64 held = system().machine().peek(sim.heldPlace(a)) >> 2 * l & 3;
            if (held == 0)
                continue;
            view.writing |= (held & 2) != 0;
            view.holders.push_back(sim.actorName(static_cast<ActorId>(a)));
        }
        if (!view.holders.empty())
            views.push_back(std::move(view));
    }
    return views;
}

MemoryView Session::memoryAt(Gfn gfn, Level level) const {
    MemoryView view;
    Kvm::PageKinds kinds;
    const Kvm& kvm = system().kvm();
    const u64 end = gfn.v + pagesPer(level);
    for (unsigned i = 0; i < kvm.slotCount(); ++i) {
        const Memslot s = kvm.peekSlot(static_cast<int>(i));
        if (!s.used || s.base.v >= end || s.base.v + s.pages <= gfn.v)
            continue;
        if (system().config().hasPrivateMem()) {
            const auto here = kvm.peekKinds({{std::max(s.base.v, gfn.v)}, {std::min(s.base.v + s.pages, end)}});
            kinds.isPrivate |= here.isPrivate;
            kinds.shared |= here.shared;
        }
        view.partly = view.slot.has_value() || s.base > gfn || s.base.v + s.pages < end;
        if (view.slot)
            continue; // several
        view.slot = s.id;
        const auto flag = [&](bool on, const std::string& text) {
            if (on)
                view.flags += (view.flags.empty() ? "" : ", ") + text;
        };
        flag(s.guestMemfd, "guest_memfd");
        flag(s.backing != Level::k4K, std::string(levelName(s.backing)) + " host pages");
        flag(s.dirtyLog, "dirty log");
        flag(s.readonly, "read-only");
        flag(s.invalid, "about to go");
    }
    if (!system().config().hasPrivateMem() || !view.slot)
        return view;
    view.kind = !kinds.shared ? MemoryView::Kind::Private : !kinds.isPrivate ? MemoryView::Kind::Shared : MemoryView::Kind::Mixed;
    return view;
}

std::optional<RmpView> Session::rmpAt(Gfn gfn) const {
    if (!system().isSnp())
        return std::nullopt;
    const auto frame = system().gmemFrame(gfn);
    if (!frame)
        return std::nullopt;
    RmpView view{*frame, system().rmp().peek(*frame), false};
    if (position() > 0)
        system().machine().forEachChange(position() - 1, [&](Place place, u64) {
            if (const auto changed = system().rmp().frameOf(place))
                view.changed |= *changed == *frame;
        });
    return view;
}

} // namespace mirrorscope
