// SPDX-License-Identifier: GPL-3.0-or-later
#include "machine/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cassert>
#include <new>

namespace mirrorscope {

namespace {
// Reserved, not committed, so that a machine can be as large as it likes.
u64* reserve(u64 words) {
    if (words == 0)
        return nullptr;
    void* memory = mmap(nullptr, words * sizeof(u64), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        throw std::bad_alloc();
    return static_cast<u64*>(memory);
}

void release(u64* words, u64 count) {
    if (words != nullptr)
        munmap(words, count * sizeof(u64));
}
} // namespace

Memory::Memory(u64 words, u64 frames)
    : size_(words), frameWords_(frames * kFrameWords), words_(reserve(words)), heads_(nullptr), written_((frames + 63) / 64),
      used_((words + kStretch - 1) / kStretch) {
    assert(frameWords_ <= size_);
    try {
        heads_ = reserve(frames);
    } catch (const std::bad_alloc&) {
        release(words_, size_);
        throw;
    }
    // What is dense is used up in order, so that large pages of this host help; a table here and there among the frames is 4096 bytes and
    // not two million. Only wishes.
    if (frames != 0) {
        madvise(heads_, frames * sizeof(u64), MADV_HUGEPAGE);
        madvise(words_, frameWords_ * sizeof(u64), MADV_NOHUGEPAGE);
    }
    if (size_ != frameWords_)
        madvise(words_ + frameWords_, (size_ - frameWords_) * sizeof(u64), MADV_HUGEPAGE);
}

Memory::~Memory() {
    release(words_, size_);
    release(heads_, frameWords_ / kFrameWords);
}

u64 Memory::nextWritten(u64 place) const {
    while (place < size_) {
        if (used_[place / kStretch] == 0)
            place = (place / kStretch + 1) * kStretch;
        else if (bare(place) && !isHead(place))
            place = (place / kFrameWords + 1) * kFrameWords;
        else
            return place;
    }
    return size_;
}

void Memory::expectFew(u64 begin, u64 end) {
    constexpr u64 kHostPage = 4096 / sizeof(u64);
    begin = begin / kHostPage * kHostPage;
    if (begin < end)
        madvise(words_ + begin, (end - begin) * sizeof(u64), MADV_NOHUGEPAGE);
}

u64 Memory::exchangeInFrame(u64 place, u64 value) {
    u64& word = isHead(place) ? heads_[place / kFrameWords] : words_[place];
    const u64 old = word;
    if (old != value) {
        word = value;
        used_[place / kStretch] = 1;
        written_[place / kFrameWords / 64] |= isHead(place) ? 0 : bit(place);
    }
    return old;
}

Memory::FrameWords Memory::frame(u64 first) const {
    if (bare(first))
        return {(*this)[first], 0, {}};
    const u64* words = words_ + first;
    FrameWords frame{(*this)[first], words[1], {}};
    u64 differs = 0;
    for (unsigned k = 1; k < kFrameWords; ++k)
        differs |= words[k] ^ frame.rest;
    if (differs != 0) {
        frame.mixed.assign(words, words + kFrameWords);
        frame.mixed[0] = frame.head;
    }
    return frame;
}

void Memory::putFrame(u64 first, const FrameWords& frame) {
    const bool zero = frame.mixed.empty() && frame.rest == 0;
    put(first, frame.head);
    if (zero && bare(first))
        return;
    used_[first / kStretch] = 1;
    u64* words = words_ + first;
    if (frame.mixed.empty())
        std::fill(words + 1, words + kFrameWords, frame.rest);
    else
        std::copy(frame.mixed.begin() + 1, frame.mixed.end(), words + 1);
    if (first < frameWords_)
        written_[first / kFrameWords / 64] = (written_[first / kFrameWords / 64] & ~bit(first)) | (zero ? 0 : bit(first));
}

} // namespace mirrorscope
