// SPDX-License-Identifier: GPL-3.0-or-later
// A sequence by value, in pieces that it shares with the sequence it grew out of, as far as they are equal.
#pragma once

#include "base/types.h"

#include <algorithm>
#include <memory>
#include <span>
#include <vector>

namespace mirrorscope {

template <typename T>
class Pieces {
public:
    // What grows at its end is cut from its beginning on, what grows at its beginning from its end on. `bytes` is what all together take.
    enum class Grows : u8 { AtTheEnd, AtTheBeginning };

    Pieces() = default;
    Pieces(std::span<const T> items, const Pieces* from, u64& bytes, Grows grows = Grows::AtTheEnd) : size_(items.size()), grows_(grows) {
        pieces_.reserve((size_ + kItems - 1) / kItems);
        for (std::size_t n = 0; n * kItems < size_; ++n) {
            const std::span<const T> part = items.subspan(begin(n), length(n));
            if (from != nullptr && n < from->pieces_.size() &&
                std::equal(part.begin(), part.end(), from->pieces_[n]->begin(), from->pieces_[n]->end())) {
                pieces_.push_back(from->pieces_[n]);
            } else {
                pieces_.push_back(std::make_shared<const std::vector<T>>(part.begin(), part.end()));
                bytes += part.size_bytes() + kOverhead;
            }
        }
        bytes += pieces_.capacity() * sizeof(pieces_[0]);
    }

    void copyTo(std::vector<T>& items) const {
        items.resize(size_);
        for (std::size_t n = 0; n < pieces_.size(); ++n)
            std::copy(pieces_[n]->begin(), pieces_[n]->end(), items.begin() + static_cast<std::ptrdiff_t>(begin(n)));
    }
    bool operator==(const Pieces& other) const {
        return size_ == other.size_ && std::equal(pieces_.begin(), pieces_.end(), other.pieces_.begin(),
                                                  [](const auto& a, const auto& b) { return a == b || *a == *b; });
    }

private:
    static constexpr std::size_t kItems = 1024 / sizeof(T);
    static constexpr u64 kOverhead = 64; // of the allocator, of shared_ptr, and of the vector itself
    using Piece = std::shared_ptr<const std::vector<T>>;

    std::size_t length(std::size_t n) const { return std::min(kItems, size_ - n * kItems); }
    std::size_t begin(std::size_t n) const { return grows_ == Grows::AtTheEnd ? n * kItems : size_ - n * kItems - length(n); }

    std::vector<Piece> pieces_;
    std::size_t size_ = 0;
    Grows grows_ = Grows::AtTheEnd;
};

} // namespace mirrorscope
