// SPDX-License-Identifier: GPL-3.0-or-later
// An append-only array in blocks: growing copies nothing, truncating keeps the blocks for the next growth.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace mirrorscope {

template <class T, unsigned kBlockBits = 14>
class Log {
public:
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }

    T& operator[](std::size_t i) { return blocks_[i >> kBlockBits][i & kMask]; }
    const T& operator[](std::size_t i) const { return blocks_[i >> kBlockBits][i & kMask]; }
    T& back() { return (*this)[size_ - 1]; }
    const T& back() const { return (*this)[size_ - 1]; }

    void push(const T& value) {
        if (cursor_ == end_)
            grow();
        *cursor_++ = value;
        ++size_;
    }

    // Forgets everything from `size` on.
    void truncate(std::size_t size) {
        size_ = size;
        const std::size_t block = size >> kBlockBits;
        if (block < blocks_.size()) {
            cursor_ = blocks_[block].get() + (size & kMask);
            end_ = blocks_[block].get() + kBlock;
        } else {
            cursor_ = end_ = nullptr;
        }
    }

    std::size_t bytes() const { return blocks_.size() * kBlock * sizeof(T); }

private:
    static constexpr std::size_t kBlock = std::size_t{1} << kBlockBits;
    static constexpr std::size_t kMask = kBlock - 1;

    void grow() {
        const std::size_t block = size_ >> kBlockBits;
        if (block == blocks_.size())
            blocks_.push_back(std::unique_ptr<T[]>(new T[kBlock]));
        cursor_ = blocks_[block].get();
        end_ = cursor_ + kBlock;
    }

    std::vector<std::unique_ptr<T[]>> blocks_;
    T* cursor_ = nullptr;
    T* end_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace mirrorscope
