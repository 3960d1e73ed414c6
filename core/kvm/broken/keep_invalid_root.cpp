// SPDX-License-Identifier: GPL-3.0-or-later
// break: [keep-invalid-root]. A vCPU goes on with a root that was invalidated.
#include "kvm/broken/broken.h"

namespace mirrorscope::broken {

void keepInvalidRoot(Protocol& protocol) {
    protocol.is_obsolete_root = [](const Kvm&, unsigned) { return false; };
}

} // namespace mirrorscope::broken
