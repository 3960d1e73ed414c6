// SPDX-License-Identifier: GPL-3.0-or-later
// A long record in pieces, of which the ones in use are as they were written and all others are packed. A chunk is made by the owner and
// known by its number; only the last one grows.
//
// Chunk: default constructible; clear() makes it empty and keeps its memory; pack(Chunk::Packer&) gives what unpack() makes it of.
//
// Reading unpacks, so that even two readers need one of these each.
#pragma once

#include "base/types.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace mirrorscope {

template <class Chunk>
class Chunks {
    struct Held {
        Chunk chunk;
        u64 number = 0;
        u64 used = 0; // when, by clock_
        unsigned pins = 0;
    };

public:
    // While it lives the chunk is not packed.
    class Pin {
    public:
        explicit Pin(Held& held) : held_(&held) { ++held_->pins; }
        Pin(const Pin&) = delete;
        Pin(Pin&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
        Pin& operator=(const Pin&) = delete;
        Pin& operator=(Pin&&) = delete;
        ~Pin() {
            if (held_ != nullptr)
                --held_->pins;
        }
        const Chunk* operator->() const { return &held_->chunk; }

    private:
        Held* held_;
    };

    // The last ones are kept as they were written, `fresh` of them, at least two; of those that were read again `read` are kept unpacked.
    Chunks(unsigned fresh, unsigned read) : fresh_(std::max(fresh, 2u)), most_(fresh_ + read) { append(); }

    u64 size() const { return entries_.size(); }
    Chunk& last() { return entries_.back().held->chunk; }
    const Chunk& last() const { return entries_.back().held->chunk; }
    // To be read at once: the next call may pack it.
    const Chunk& operator[](u64 number) const { return hold(number).chunk; }
    Pin pin(u64 number) const { return Pin(hold(number)); }

    // The last one is done; an empty one comes behind it. One of those before it is packed now, while this host has it at hand.
    Chunk& append() {
        if (entries_.size() >= fresh_)
            if (Held* held = entries_[entries_.size() - fresh_].held; held != nullptr && held->pins == 0) {
                pack(*held);
                free_.push_back(held);
            }
        Held* held = spare(entries_.size());
        entries_.push_back({held, {}});
        return held->chunk;
    }
    // Only the first ones stay, of which the last one may be changed again. At least one.
    void truncate(u64 size) {
        while (entries_.size() > size)
            drop();
        hold(size - 1);
        entries_.back().packed = {};
    }
    // What those from that one on take: packed, or what `open(chunk)` says. (What was unpacked to be read is not counted.)
    template <class F>
    u64 bytesFrom(u64 number, F&& open) const {
        u64 bytes = 0;
        for (; number < entries_.size(); ++number)
            bytes += entries_[number].packed.empty() ? open(entries_[number].held->chunk) : entries_[number].packed.size();
        return bytes;
    }

private:
    struct Entry {
        Held* held;
        std::string packed; // empty: has not been, or has been changed since
    };
    Held& hold(u64 number) const {
        Entry& entry = entries_[number];
        if (entry.held == nullptr) {
            Held* held = spare(number);
            held->chunk.unpack(entry.packed);
            entry.held = held;
        }
        entry.held->used = ++clock_;
        return *entry.held;
    }
    // For a chunk with that number, empty: one that is free, or new, or that of the chunk that was not asked for longest.
    Held* spare(u64 number) const {
        Held* found = nullptr;
        if (!free_.empty()) {
            found = free_.back();
            free_.pop_back();
        } else if (all_.size() < most_ || (found = packOldest()) == nullptr) {
            all_.push_back(std::make_unique<Held>());
            found = all_.back().get();
        }
        found->chunk.clear();
        found->number = number;
        found->used = ++clock_;
        return found;
    }
    Held* packOldest() const {
        Held* oldest = nullptr;
        for (const auto& held : all_)
            if (held->pins == 0 && held->number + 1 != entries_.size() && (oldest == nullptr || held->used < oldest->used))
                oldest = held.get();
        if (oldest != nullptr)
            pack(*oldest);
        return oldest;
    }
    void pack(Held& held) const {
        Entry& entry = entries_[held.number];
        if (entry.packed.empty()) {
            if (packer_ == nullptr)
                packer_ = std::make_unique<typename Chunk::Packer>();
            entry.packed = held.chunk.pack(*packer_);
        }
        entry.held = nullptr;
    }
    void drop() {
        Entry& entry = entries_.back();
        if (entry.held != nullptr)
            free_.push_back(entry.held);
        entries_.pop_back();
    }

    u64 fresh_, most_;
    mutable std::vector<Entry> entries_;
    mutable std::vector<std::unique_ptr<Held>> all_;
    mutable std::vector<Held*> free_;
    mutable std::unique_ptr<typename Chunk::Packer> packer_; // once there is something to pack
    mutable u64 clock_ = 0;
};

} // namespace mirrorscope
