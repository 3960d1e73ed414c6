// SPDX-License-Identifier: GPL-3.0-or-later
// break: [convert-ignores-references]. In-place conversion that asks nobody whether he holds the page.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void convertIgnoresReferences(Protocol& protocol) {
    protocol.referencedPage = [](Kvm&, u64, u64) { return std::optional<u64>(); };
}

} // namespace mirrorscope::broken
