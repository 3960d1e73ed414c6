// SPDX-License-Identifier: GPL-3.0-or-later
// Linux v7.2 (tdx.c @ 09c6f74ecb86): one hook, tdx_sept_set_private_spte(), which maps a leaf or a table, or removes a leaf and says when
// it could not; the page of a removed table is given back by the same call that reclaims it. v7.0: the source of an image page is got
// before the file is locked.
#include "tdx/backend/protocol.h"

namespace mirrorscope {

namespace {
int mapNonleaf(TdxBackend& backend, Gfn gfn, Level level, Pfn spt) {
    Call hook(backend.kvm().sim(), "tdx_sept_set_private_spte");
    Call call(backend.kvm().sim(), "tdx_sept_map_nonleaf_spte");
    return backend.link(gfn, level, spt);
}

int mapLeaf(TdxBackend& backend, Gfn gfn, Level level, Pfn pfn) {
    Call hook(backend.kvm().sim(), "tdx_sept_set_private_spte");
    Call call(backend.kvm().sim(), "tdx_sept_map_leaf_spte");
    return backend.map(gfn, level, pfn);
}

int removeLeaf(TdxBackend& backend, Gfn gfn, Level level, Pfn pfn) {
    Call hook(backend.kvm().sim(), "tdx_sept_set_private_spte");
    Call call(backend.kvm().sim(), "tdx_sept_remove_leaf_spte");
    return backend.block_track_remove(gfn, level, pfn);
}
} // namespace

void apply7_2(TdxProtocol& protocol) {
    protocol.reloads_before = false;
    protocol.source_first = true;
    protocol.tdx_sept_link_private_spt = mapNonleaf;
    protocol.tdx_sept_set_private_spte = mapLeaf;
    protocol.tdx_sept_remove_private_spte = removeLeaf;
}

} // namespace mirrorscope
