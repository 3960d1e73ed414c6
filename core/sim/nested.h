// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <stdexcept>
#include <type_traits>

namespace mirrorscope {

// What an actor is inside of, the outermost first: at most so many. Copied with each micro-step of a search, of which what is not in use is
// no part.
template <class T, unsigned kMost>
class Nested {
    static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_default_constructible_v<T>);

public:
    Nested() {} // NOLINT: what is not in use has no value
    Nested(const Nested& other) { *this = other; }
    Nested& operator=(const Nested& other) {
        size_ = other.size_;
        for (unsigned i = 0; i < size_; ++i)
            items_[i] = other.items_[i];
        return *this;
    }
    unsigned size() const { return size_; }
    bool empty() const { return size_ == 0; }
    const T& operator[](unsigned i) const { return items_[i]; }
    T& back() { return items_[size_ - 1]; }
    const T& back() const { return items_[size_ - 1]; }
    const T* begin() const { return items_.data(); }
    const T* end() const { return items_.data() + size_; }
    // Throws std::logic_error when there is no room.
    void push(const T& item) {
        if (size_ == kMost)
            throw std::logic_error("loops or parts of one actor are nested too deeply");
        items_[size_++] = item;
    }
    void pop() { --size_; }

private:
    std::array<T, kMost> items_;
    unsigned size_ = 0;
};

} // namespace mirrorscope
