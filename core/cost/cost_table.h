// SPDX-License-Identifier: GPL-3.0-or-later
// What each thing that takes time takes, in nanoseconds: a table with sources that its user may replace, row by row.
//
// No public text measures these one by one. What is public is a whole: a private 4K fault takes 8 µs on Granite Rapids with a 7.0 kernel
// (github.com/Dstack-TEE/dstack/pull/1220, from the exit to the accepted page). The default rows divide those 8 µs; each says whether it
// is part of that or a guess of the same kind. A prediction is as good as its table, and says so.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mirrorscope {

struct Cost {
    std::string name; // a SEAMCALL's or TDCALL's leaf, or "micro-step", "ipi", "tlb-flush", "page", "cleared", "exit", "seamcall", "tdcall"
    double ns = 0;
    std::string source;
};

class CostTable {
public:
    // The default rows.
    CostTable();
    // The default rows, and over them those of a YAML file: `NAME: ns`, or `NAME: {ns: N, source: TEXT}`. Throws InputError.
    static CostTable read(const std::string& file);

    std::span<const Cost> rows() const { return rows_; }
    // Of a leaf without a row that of "seamcall", or of "tdcall" for the guest's.
    double ns(std::string_view name) const;
    bool isDefault() const { return default_; }
    // All rows with their sources, as a file that read() takes.
    std::string yaml() const;

private:
    const Cost* find(std::string_view name) const;
    std::vector<Cost> rows_;
    bool default_ = true;
};

} // namespace mirrorscope
