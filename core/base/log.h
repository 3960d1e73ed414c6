// SPDX-License-Identifier: GPL-3.0-or-later
// An append-only array in blocks: growing copies nothing, truncating keeps the blocks for the next growth. A block's memory
// is committed as it is written, in large pages of the real machine where a block is that large.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <type_traits>
#include <vector>

namespace mirrorscope {

template <class T, unsigned kBlockBits = 14>
class Log {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>, "a block is raw memory");

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

    std::size_t bytes() const { return size_ * sizeof(T); }

private:
    static constexpr std::size_t kBlock = std::size_t{1} << kBlockBits;
    static constexpr std::size_t kMask = kBlock - 1;

    struct Free {
        void operator()(T* block) const { std::free(block); }
    };
    static std::unique_ptr<T[], Free> allocate() {
        constexpr std::size_t kLarge = std::size_t{2} << 20;
        constexpr std::size_t kBytes = kBlock * sizeof(T);
        constexpr std::size_t kAlign = kBytes >= kLarge ? kLarge : 64;
        constexpr std::size_t kSize = (kBytes + kAlign - 1) / kAlign * kAlign;
        void* block = std::aligned_alloc(kAlign, kSize);
        if (block == nullptr)
            throw std::bad_alloc();
        if (kAlign == kLarge)
            madvise(block, kSize, MADV_HUGEPAGE);
        return std::unique_ptr<T[], Free>(static_cast<T*>(block));
    }

    void grow() {
        const std::size_t block = size_ >> kBlockBits;
        if (block == blocks_.size())
            blocks_.push_back(allocate());
        cursor_ = blocks_[block].get();
        end_ = cursor_ + kBlock;
    }

    std::vector<std::unique_ptr<T[], Free>> blocks_;
    T* cursor_ = nullptr;
    T* end_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace mirrorscope
