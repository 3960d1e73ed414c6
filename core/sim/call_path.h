// SPDX-License-Identifier: GPL-3.0-or-later
// Call paths ("kvm_tdp_mmu_map → tdp_mmu_set_spte_atomic"), interned: a step record names its path by one number.
#pragma once

#include "base/hash.h"
#include "base/types.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace mirrorscope {

class CallPaths {
public:
    CallPaths() { nodes_.push_back({0, nullptr, 0, 0, 0}); }

    // The path of `function` called from `parent`; `function` is a literal.
    u32 enter(u32 parent, const char* function) {
        Known& known = known_[(parent * 31 + (reinterpret_cast<std::uintptr_t>(function) >> 3)) % known_.size()];
        if (known.parent != parent || known.function != function)
            known = {parent, child(parent, function), function};
        return known.path;
    }
    u32 parent(u32 path) const { return nodes_[path].parent; }
    // By the names: the same in every machine, where the number tells who came first.
    u64 hash(u32 path) const { return nodes_[path].hash; }
    unsigned depth(u32 path) const {
        unsigned depth = 0;
        for (; path != 0; path = nodes_[path].parent)
            ++depth;
        return depth;
    }
    // Is `path` the call `caller`, or something that it called?
    bool within(u32 path, u32 caller) const {
        for (; path != 0; path = nodes_[path].parent)
            if (path == caller)
                return true;
        return caller == 0;
    }
    // Outermost first; `path` 0 is empty.
    std::vector<std::string> names(u32 path) const {
        std::vector<std::string> result;
        for (; path != 0; path = nodes_[path].parent)
            result.insert(result.begin(), nodes_[path].function);
        return result;
    }

private:
    [[gnu::noinline]] u32 child(u32 parent, const char* function) {
        for (u32 child = nodes_[parent].firstChild; child != 0; child = nodes_[child].nextSibling)
            if (nodes_[child].function == function)
                return child;
        const auto node = static_cast<u32>(nodes_.size());
        nodes_.push_back(
            {parent, function, 0, nodes_[parent].firstChild, mix(nodes_[parent].hash, hashBytes(function, std::strlen(function)))});
        nodes_[parent].firstChild = node;
        return node;
    }

    struct Node {
        u32 parent;
        const char* function;
        u32 firstChild;
        u32 nextSibling;
        u64 hash;
    };
    std::vector<Node> nodes_;
    struct Known {
        u32 parent = 0, path = 0;
        const char* function = nullptr;
    };
    std::array<Known, 256> known_; // what was entered lately
};

} // namespace mirrorscope
