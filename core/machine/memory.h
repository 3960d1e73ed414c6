// SPDX-License-Identifier: GPL-3.0-or-later
// The words of a machine as this host keeps them: a word costs memory once it is written, and a page of which only the first word was ever
// written costs that word.
//
// A guest that writes one word into each page of 64 GiB would otherwise cost 64 GiB, and each page the time in which this host clears one.
// Therefore the first words of the frames lie beside each other, apart from the rest, and of each frame is known whether the rest is zero
// as it came. Whoever reads that rest reads zeroes that this host shares.
#pragma once

#include "base/types.h"

#include <vector>

namespace mirrorscope {

class Memory {
public:
    static constexpr unsigned kFrameWords = 512;

    // `words` in all, of which the first `frames` * 512 are frames. Throws std::bad_alloc.
    Memory(u64 words, u64 frames);
    ~Memory();
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    // Of the words [begin, end) few will be written to: each costs a small page of this host, and not a large one.
    void expectFew(u64 begin, u64 end);

    u64 size() const { return size_; }
    u64 operator[](u64 place) const { return isHead(place) ? heads_[place / kFrameWords] : words_[place]; }
    // (A store costs a page of this host where a load does not.)
    void put(u64 place, u64 value) { exchange(place, value); }
    // The same, and what the word was.
    u64 exchange(u64 place, u64 value) {
        if (place < frameWords_)
            return exchangeInFrame(place, value);
        const u64 old = words_[place];
        if (old != value) {
            words_[place] = value;
            used_[place / kStretch] = 1;
        }
        return old;
    }

    // The first place from that one on whose word may be other than zero, for whoever goes through all of them; size() if there is none.
    u64 nextWritten(u64 place) const;

    // A frame by the place of its first word, which may be one that the constructor was not told of. What its words are: the first, and
    // the others' value if they have one; else all of them.
    struct FrameWords {
        u64 head = 0;
        u64 rest = 0;
        std::vector<u64> mixed;

        u64 operator[](unsigned index) const { return index == 0 ? head : mixed.empty() ? rest : mixed[index]; }
        bool all(u64 value) const { return mixed.empty() && head == value && rest == value; }
    };
    FrameWords frame(u64 first) const;
    void putFrame(u64 first, const FrameWords& words);

private:
    static constexpr u64 kStretch = u64{64} * kFrameWords;

    [[gnu::noinline]] u64 exchangeInFrame(u64 place, u64 value);
    bool isHead(u64 place) const { return place < frameWords_ && place % kFrameWords == 0; }
    static u64 bit(u64 place) { return u64{1} << place / kFrameWords % 64; }
    // Nothing but zeroes behind the first word: this host need not be asked.
    bool bare(u64 place) const { return place < frameWords_ && (written_[place / kFrameWords / 64] & bit(place)) == 0; }

    u64 size_;
    u64 frameWords_;
    u64* words_;
    u64* heads_;
    std::vector<u64> written_; // a bit for each frame: its rest may hold something
    std::vector<u8> used_;     // of each kStretch words: one of them was written
};

} // namespace mirrorscope
