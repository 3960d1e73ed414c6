// SPDX-License-Identifier: GPL-3.0-or-later
#include "kvm/dispatch/dispatch.h"

namespace mirrorscope {

void applyDispatch(Dispatch dispatch, Protocol& protocol) {
    switch (dispatch) {
    case Dispatch::Role: protocol.carriesOver = dispatchByRole; break;
    case Dispatch::Fault: protocol.carriesOver = dispatchByFault; break;
    case Dispatch::Iter: protocol.carriesOver = dispatchByIter; break;
    case Dispatch::Gfn: protocol.carriesOver = dispatchByGfn; break;
    }
}

} // namespace mirrorscope
