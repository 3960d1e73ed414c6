// SPDX-License-Identifier: GPL-3.0-or-later
#include "kvm/details.h"

#include <bit>
#include <stdexcept>

namespace mirrorscope {

namespace {
constexpr unsigned kRegisters = static_cast<unsigned>(Field::Rcx);
constexpr std::array<std::string_view, kFields> kNames{"flags", "gpa",        "size",   "len",    "is-write",      "nr",
                                                       "pages", "attributes", "status", "reason", "qualification", "bitmap",
                                                       "RCX",   "RDX",        "R8",     "R9",     "R10",           "R11"};
} // namespace

std::string_view name(Field field) { return kNames[static_cast<unsigned>(field)]; }
std::span<const std::string_view> fieldNames() { return std::span(kNames).first(kRegisters); }
std::span<const std::string_view> registerNames() { return std::span(kNames).subspan(kRegisters); }

std::optional<Field> fieldFromName(std::string_view name) {
    for (unsigned i = 0; i < kFields; ++i)
        if (kNames[i] == name)
            return static_cast<Field>(i);
    return std::nullopt;
}

void Details::put(Field field, u64 value) {
    const u32 bit = 1u << static_cast<unsigned>(field);
    const auto at = static_cast<unsigned>(std::popcount(present));
    if (at >= kMost || bit <= present)
        throw std::logic_error("the details of a result are put in their order, and are not more than six");
    present |= bit;
    values[at] = value;
}

std::optional<u64> Details::get(Field field) const {
    const u32 bit = 1u << static_cast<unsigned>(field);
    if ((present & bit) == 0)
        return std::nullopt;
    return values[static_cast<unsigned>(std::popcount(present & (bit - 1)))];
}

} // namespace mirrorscope
