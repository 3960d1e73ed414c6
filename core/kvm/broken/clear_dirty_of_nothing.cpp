// SPDX-License-Identifier: GPL-3.0-or-later
// break: [clear-dirty-of-nothing]. Before v5.17 each entry was asked whether its D bit means anything, those that are not there, too.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void clearDirtyOfNothing(Protocol& protocol) {
    protocol.may_have_dirty_bit = [](Kvm& kvm, u64 spte, Level level) {
        kvm.WARN_ON_ONCE(!spte::isPresent(spte), Assert::SpteAbsent);
        return kvm.may_have_dirty_bit(spte, level);
    };
}

} // namespace mirrorscope::broken
