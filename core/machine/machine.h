// SPDX-License-Identifier: GPL-3.0-or-later
// The machine's memory and the one door through which it changes.
//
//   Machine m(words, hashedWords, frames);
//   m.beginStep({.site = Site::SpteSet, .actor = 0});
//   m.set(place, value);           // journalled, hashed
//   m.seek(0); m.seek(m.steps());  // time travel: undo and redo by reading the journal
//
// All state is 64-bit words: physical memory first (512 words a frame), then the small records of kernel and module
// objects. Words from `hashedWords` on are indexes and counters that follow from the others; they are journalled, too,
// but no part of the state hash.
#pragma once

#include "base/hash.h"
#include "base/types.h"
#include "base/vocab.h"
#include "machine/access.h"
#include "machine/journal.h"
#include "machine/leaps.h"
#include "machine/memory.h"

#include <array>
#include <utility>
#include <vector>

namespace mirrorscope {

// What an actor has learnt, as a hash; and how often that began anew.
struct Observed {
    u64 hash;
    u32 begun;
};

class Machine {
public:
    // Of `words` the first `frames` * 512 are physical memory, for which pages of this host are used as they are written to.
    Machine(u64 words, u64 hashedWords, u64 frames = 0);
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    // Few of the words [begin, end) will be written to.
    void expectFewWrites(u64 begin, u64 end) { words_.expectFew(begin, end); }

    // A read by an actor: it counts as an observation when one is being traced.
    u64 get(Place place) const { return watched_ ? getWatched(place) : words_[place.v]; }
    // A read by somebody who only looks: rules, views, exports. (By an actor: of what it knows already, or of what only goes into
    // memory.)
    u64 peek(Place place) const { return watched_ ? peekWatched(place) : words_[place.v]; }
    // The same of the word without the lock in its bits 15:0, and of what is counted in its bits 23:8.
    u64 getBesideLock(Place place) const {
        const u64 value = words_[place.v] & ~WordAccess::kLockBits;
        note(value);
        logged(place.v, WordAccess::Kind::Read, value, value);
        return value;
    }
    u64 peekCount(Place place) const {
        logged(place.v | WordAccess::kCountPart, WordAccess::Kind::Read, countOf(words_[place.v]), countOf(words_[place.v]));
        return countOf(words_[place.v]);
    }
    // Until it is called with no place: reads see the stores that wait in the buffer with that count (StoreBuffers).
    void readThrough(Place count) {
        ownStores_ = count;
        watch();
    }
    // In the log of accesses: whoever judges by what the word will be is concerned. `old`: as its own CPU has seen it.
    void noteStore(Place place, u64 old, u64 value) const { logged(place.v, WordAccess::Kind::Write, old, value); }
    // The word has another value for a moment that nobody records; returns the present one.
    u64 cover(Place place, u64 value) {
        const u64 old = words_[place.v];
        words_.put(place.v, value);
        return old;
    }
    // A read that is no access at all: by whoever drives the actors.
    u64 look(Place place) const { return words_[place.v]; }
    // Each `stride`-th one of the words [first, first + count) has a part with an id of its own in a log of accesses: those bits.
    void haveParts(Place first, u64 count, unsigned stride, u64 bits);
    // Of a word's value, what an access to that id (see WordAccess) is about; and the value that it has now.
    u64 ofId(u64 id, u64 value) const { return id < partsBegin_ || id >= partsEnd_ ? value : withoutPart(id, value); }
    u64 lookAt(u64 id) const;
    u64 words() const { return words_.size(); }

    // The first place from that one on whose word may be other than zero.
    Place nextWritten(Place place) const { return {words_.nextWritten(place.v)}; }
    // The one door. Requires a begun step when the journal is on.
    void set(Place place, u64 value) { set(place, value, WordAccess::Kind::Write); }
    // The same for a change that can be exchanged with others of its kind: the word's value is only added to, or a bit is set in it; or a
    // bit is cleared that nobody else sets.
    void add(Place place, u64 by) { set(place, words_[place.v] + by, WordAccess::Kind::Add); }
    void setBits(Place place, u64 mask) { set(place, words_[place.v] | mask, WordAccess::Kind::Add); }
    void addToCount(Place place, int by) {
        const u64 old = words_[place.v];
        const u64 value = old + u64(by) * 256;
        logged(place.v | WordAccess::kCountPart, by > 0 ? WordAccess::Kind::Add : WordAccess::Kind::Write, countOf(old), countOf(value));
        change(place, value);
    }
    // A change of the lock in bits 15:0: one more or less among those who share it, or by the one who has it alone.
    void setLock(Place place, u64 value, bool shared) {
        const auto kind = shared ? WordAccess::Kind::Add : WordAccess::Kind::Write;
        logged(place.v | WordAccess::kLockPart, kind, lockOf(words_[place.v]), lockOf(value));
        change(place, value);
    }
    // Somebody found it taken.
    void noteLock(Place place) const {
        logged(place.v | WordAccess::kLockPart, WordAccess::Kind::Read, lockOf(words_[place.v]), lockOf(words_[place.v]));
    }
    void clearBits(Place place, u64 mask) { set(place, words_[place.v] & ~mask, WordAccess::Kind::Add); }
    // A byte of a word is used like a word of its own, of which bits are set, or cleared by the one who set them.
    u64 lookAtByte(Place place, unsigned byte) const { return words_[place.v] >> 8 * byte & 0xff; }
    u64 peekByte(Place place, unsigned byte) const {
        const u64 value = lookAtByte(place, byte);
        logged(place.v | WordAccess::bytePart(byte), WordAccess::Kind::Read, value, value);
        return value;
    }
    void setInByte(Place place, unsigned byte, u64 value) {
        logged(place.v | WordAccess::bytePart(byte), WordAccess::Kind::Add, lookAtByte(place, byte), value);
        change(place, (words_[place.v] & ~(u64{0xff} << 8 * byte)) | value << 8 * byte);
    }
    // All 512 words of a frame at once, as one change; `pfn` is a frame of physical memory.
    void fill(Pfn pfn, u64 value);

    // A hash over every hashed word: equal states have equal hashes, whatever led to them. It is kept up with each change, which is a
    // good part of what a change costs, unless whoever will not ask often gives that up; packLeaps() gives it up for good.
    u64 hash() const { return hashKept_ ? hash_ : hashFromScratch(); }
    u64 hashFromScratch() const;
    bool keepsHash() const { return hashKept_; }
    void keepHash(bool on);

    // Journal off: bulk loads and the construction of a machine; nothing can be undone before this point.
    void setRecording(bool on) {
        recording_ = on;
        watch();
    }
    bool recording() const { return recording_; }
    // Makes the present state position 0, the second one without forgetting how often a site was passed.
    void baseline();
    void beginHistory();

    void beginStep(const StepRecord& step) {
        ++siteCounts_[static_cast<unsigned>(step.site)];
        if (recording_)
            recordStep(step);
    }
    // The last one turns out to be of another site than it began as.
    void renameStep(Site was, Site site) {
        --siteCounts_[static_cast<unsigned>(was)];
        ++siteCounts_[static_cast<unsigned>(site)];
        if (recording_)
            journal_.lastStep().site = site;
    }
    // Micro-steps recorded; positions run from 0 (before the first) to steps().
    u64 steps() const { return journal_.steps(); }
    u64 position() const { return position_; }
    StepRecord step(u64 n) const { return journal_.step(n); }
    u64 changesUpTo(u64 position) const { return position >= steps() ? changeCount() : position == 0 ? 0 : step(position).change; }
    // How often a site ran, to the end of the recording.
    u64 siteCount(Site site) const { return siteCounts_[static_cast<unsigned>(site)]; }

    // Goes to the state before micro-step `position`; costs the distance, after packLeaps() only the distance in places.
    void seek(u64 position);
    // Nothing is recorded any more: reads the journal once, from the present end back to position 0, and leaves the machine there. From
    // then on no hash is kept.
    void packLeaps(u64 openBytes = Leaps::kOpenBytes);
    // While not null, seeking sets flags[frame] for each frame of memory (place >> 9) of which a word changed.
    void flagFrames(std::vector<u8>* flags) { touched_ = flags; }
    // What the places differ in between two positions: place, value there ^ value here; ascending, each place once.
    std::vector<std::pair<u64, u64>> difference(u64 from, u64 to) const;
    // Goes back and forgets what came after: the explorer's way from one execution to the next.
    void rewind(u64 position);
    // Another state, given by value: what was recorded after `position` is forgotten without being undone, those words get these values,
    // and sites were passed so often. Only at the end of the recording.
    void overwrite(u64 position, const std::vector<std::pair<u64, u64>>& words, const std::array<u64, kSites>& siteCounts);
    const std::array<u64, kSites>& siteCounts() const { return siteCounts_; }

    // The changes of the step before the present position, newest state: what a rule looks at.
    template <class F>
    void forEachChange(u64 step, F&& f) const;
    struct WordByWord {
        bool operator()(Pfn, u64, u64) const { return false; }
    };
    // Every place that the changes with numbers [from, end of journal) touched; only at the end of the recording. A page that was filled
    // and had one value before is not gone through word by word if `whole(frame, old, now)` says that this was all.
    template <class F, class Whole = WordByWord>
    void forEachNewChange(u64 from, F&& f, Whole&& whole = {}) const;
    u64 changeCount() const { return journal_.changes(); }

    // The steps that changed `place`, oldest first, found by reading the journal.
    struct Write {
        u64 step;
        u64 old;
        u64 now;
    };
    std::vector<Write> history(Place place) const;

    // Something that an actor learnt without reading a word, such as which frame it was given.
    void note(u64 value) const {
        if (observer_ == nullptr)
            return;
        observer_->hash = mix(observer_->hash, value);
        if (observed_ != nullptr)
            keepObserved(value);
    }
    // Everything that is observed goes into the hash, and into the list if there is one.
    void observe(Observed* observer, std::vector<u64>* all = nullptr) {
        observer_ = observer;
        observed_ = all;
        watch();
    }
    // What was observed before does not matter any more.
    void observeAnew(u64 token) {
        if (observer_ == nullptr)
            return;
        observer_->hash = token;
        ++observer_->begun;
        if (observed_ != nullptr)
            observed_->assign(1, token);
    }
    // All that was observed since `then` comes to that one value.
    Observed observedNow() const { return observer_ == nullptr ? Observed{} : *observer_; }
    void forgetSince(const Observed& then, u64 value) {
        if (observer_ == nullptr)
            return;
        // Whoever keeps all of it judges those who do not, and forgets nothing.
        if (observed_ == nullptr && observer_->begun == then.begun) // else what was before is forgotten already
            observer_->hash = then.hash;
        note(value);
    }
    // Notes every access there while it is not null.
    void logAccesses(AccessLog* log) {
        accesses_ = log;
        watch();
    }
    AccessLog* accesses() const { return accesses_; }
    u64 hashedWords() const { return hashed_; }
    // Of the micro-steps from there on, by some thousands.
    u64 journalBytesFrom(u64 step) const;
    // Before the first micro-step: another shape of the journal, for tests of what a long one does.
    void shapeJournal(Journal::Shape shape) { journal_ = Journal(shape); }

private:
    // A place that stands for "the frame named by the delta was filled".
    static constexpr u64 kFill = ~u64{0};
    struct Fill {
        u64 change; // its number
        u64 first;  // place of word 0
        Memory::FrameWords old;
        u64 now;
    };
    void logged(u64 id, WordAccess::Kind kind, u64 old, u64 now) const {
        if (accesses_ != nullptr)
            accesses_->push_back({id, kind, old, now});
    }
    void set(Place place, u64 value, WordAccess::Kind kind) {
        if (untold_)
            words_.put(place.v, value);
        else
            setTold(place, value, kind);
    }
    // What is seldom done in a bulk run is kept out of line, so that the rest is short.
    [[gnu::noinline]] void setTold(Place place, u64 value, WordAccess::Kind kind);
    void change(Place place, u64 value) {
        const u64 old = words_.exchange(place.v, value);
        if (old == value)
            return;
        if (hashKept_)
            rehash(place.v, old, value);
        if (recording_)
            journal_.push(place.v, old ^ value);
    }
    void rehash(u64 place, u64 old, u64 value) {
        if (place < hashed_)
            hash_ += wordHash(place, value) - wordHash(place, old);
    }
    [[gnu::noinline]] void keepObserved(u64 value) const;
    [[gnu::noinline]] void recordStep(const StepRecord& step);
    u64 withoutPart(u64 id, u64 value) const;
    static u64 lockOf(u64 word) { return word & WordAccess::kLockBits; }
    static u64 countOf(u64 word) { return (word & WordAccess::kCountBits) >> 8; }
    // In a race somebody hears of each read, or reads what is not in memory yet; else nobody does, and a read is one. Of a change hear the
    // journal, the hash and whoever logs accesses.
    void watch() {
        watched_ = observer_ != nullptr || accesses_ != nullptr || ownStores_.v != 0;
        untold_ = !recording_ && !hashKept_ && accesses_ == nullptr;
    }
    [[gnu::noinline]] u64 getWatched(Place place) const;
    [[gnu::noinline]] u64 peekWatched(Place place) const;
    // The word that a read of the place reads: the place, or that of the latest store to it which waits in the reader's own buffer.
    Place seen(Place place) const { return ownStores_.v == 0 || words_[ownStores_.v] == 0 ? place : waitingStore(place); }
    Place waitingStore(Place place) const;
    template <class F, class Whole = WordByWord>
    void forEachChangeIn(u64 from, u64 end, F&& f, Whole&& whole = {}) const;
    // What a frame's words add to the hash, when all of them have that value.
    u64 frameHash(u64 first, u64 value) const;
    u64 frameHash(u64 first, const Memory::FrameWords& words) const; // these
    void apply(const JournalChange& change, bool forward);
    void writeUnjournalled(u64 place, u64 value);
    void forgetAfter(u64 position);
    void flagged(u64 place) {
        if (touched_ != nullptr && place >> 9 < touched_->size())
            (*touched_)[place >> 9] = 1;
    }
    // The changes of a chunk of the journal, or of one of its parts: numbers [first, second).
    std::pair<u64, u64> partOf(u64 chunk, unsigned part) const;
    template <class F>
    void forEachPart(u64 chunk, u8 parts, bool forward, F&& f) const;
    // Of the changes between two positions, one by one.
    void walk(u64 from, u64 to);
    // On the way to `target`: where the next stride may begin.
    u64 nextBorder(u64 at, u64 target) const;

    Memory words_;
    u64 hashed_ = 0;
    u64 hash_ = 0;
    bool hashKept_ = true;
    bool untold_ = false;
    mutable Observed* observer_ = nullptr;
    mutable std::vector<u64>* observed_ = nullptr;
    mutable AccessLog* accesses_ = nullptr;
    struct FrameSum {
        u64 first = ~u64{0};
        u64 value = 0, sum = 0;
    };
    mutable std::array<FrameSum, 256> frameSums_{}; // of pages that were filled lately: an explorer fills the same ones again and again
    Place ownStores_{};
    bool watched_ = false;
    bool recording_ = false;
    Journal journal_;
    std::vector<Fill> fills_;
    std::array<u64, kSites> siteCounts_{};
    struct Parts {
        u64 begin, end;
        unsigned stride;
        u64 bits;
    };
    std::vector<Parts> parts_;
    u64 partsBegin_ = ~u64{0}, partsEnd_ = 0;
    u64 position_ = 0;
    Leaps leaps_;
    std::vector<u8>* touched_ = nullptr;
};

template <class F, class Whole>
void Machine::forEachChangeIn(u64 from, u64 end, F&& f, Whole&& whole) const {
    const auto each = [&](const JournalChange& change) {
        if (change.place != kFill)
            return f(Place{change.place}, change.delta);
        const Fill& fill = fills_[change.delta];
        if (fill.old.all(fill.old.head) && whole(frameOf(Place{fill.first}), fill.old.head, fill.now))
            return;
        const u32 words = fill.old.mixed.empty() && fill.old.rest == fill.now ? 1 : Memory::kFrameWords;
        for (u32 k = 0; k < words; ++k)
            if (const u64 old = fill.old[k]; old != fill.now)
                f(Place{fill.first + k}, old ^ fill.now);
    };
    while (from < end && !journal_.isLatest(from)) {
        const Journal::Run run = journal_.first(from, end);
        from += run.size();
        for (const JournalChange& change : run)
            each(change);
    }
    // One by one: whoever is called may change words.
    for (; from < end; ++from)
        each(journal_.change(from));
}

template <class F, class Whole>
void Machine::forEachNewChange(u64 from, F&& f, Whole&& whole) const {
    forEachChangeIn(from, changeCount(), f, whole);
}

template <class F>
void Machine::forEachChange(u64 step, F&& f) const {
    forEachChangeIn(this->step(step).change, changesUpTo(step + 1), f);
}

} // namespace mirrorscope
