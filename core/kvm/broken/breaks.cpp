// SPDX-License-Identifier: GPL-3.0-or-later
#include "kvm/broken/broken.h"

namespace mirrorscope {

// Those that the backend has, and nothing of KVM, are not listed. Of two that replace the same function the one that stands first wins.
void applyBreaks(const MachineConfig& config, Protocol& protocol) {
    constexpr std::pair<Break, void (*)(Protocol&)> kBroken[] = {
        {Break::NoFreeze, broken::noFreeze},
        {Break::NoRollback, broken::noRollback},
        {Break::StayFrozen, broken::stayFrozen},
        {Break::LeafBeforeLink, broken::leafBeforeLink},
        {Break::HookBeforeChildren, broken::hookBeforeChildren},
        {Break::FreeWithoutRcu, broken::freeWithoutRcu},
        {Break::IgnoreInvalidateSeq, broken::ignoreInvalidateSeq},
        {Break::NoSeqBarrier, broken::noSeqBarrier},
        {Break::NoEntryBarrier, broken::noEntryBarrier},
        {Break::IgnoreRootFilter, broken::ignoreRootFilter},
        {Break::KeepInvalidRoot, broken::keepInvalidRoot},
        {Break::FreeBeforeRemove, broken::freeBeforeRemove},
        {Break::SkipFlush, broken::skipFlush},
        {Break::UnmapValidRootsOnly, broken::unmapValidRootsOnly},
        {Break::NextAfterRestart, broken::nextAfterRestart},
        {Break::NxRecoveryWithoutFlush, broken::nxRecoveryWithoutFlush},
        {Break::FlushFromTheLastGfn, broken::flushFromTheLastGfn},
        {Break::ZapUnderReadLock, broken::zapUnderReadLock},
        {Break::ZapHalfOfTheRoot, broken::zapHalfOfTheRoot},
        {Break::PreparedBeforeItIs, broken::preparedBeforeItIs},
        {Break::PopulateShared, broken::populateShared},
        {Break::InvalidSlotIsNone, broken::invalidSlotIsNone},
        {Break::SeqIsInt, broken::seqIsInt},
        {Break::ReloadKeepsObsoleteRoot, broken::reloadKeepsObsoleteRoot},
        {Break::AttributesOfTheRangeOnly, broken::attributesOfTheRangeOnly},
        {Break::ClearDirtyOfNothing, broken::clearDirtyOfNothing},
        {Break::NoEndAfterFailedSplit, broken::noEndAfterFailedSplit},
        {Break::HoleOfTheRangeOnly, broken::holeOfTheRangeOnly},
        {Break::ConvertKeepsMapping, broken::convertKeepsMapping},
        {Break::ConvertIgnoresReferences, broken::convertIgnoresReferences},
    };
    for (auto entry = std::rbegin(kBroken); entry != std::rend(kBroken); ++entry)
        if (config.broken(entry->first))
            entry->second(protocol);
}

} // namespace mirrorscope
