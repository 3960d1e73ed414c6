// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/event_stream.h"

#include "base/varint.h"

namespace mirrorscope {

namespace {
enum Tag : u8 { kTask = 64, kString, kLost, kOther, kEnd };
// The fields that an event has beside line and time.
constexpr u64 kHasLevel = 1, kHasFlags = 2, kHasAs = 4, kHasTask = 8, kHasCpu = 16, kHasVcpu = 32, kHasGfn = 64, kHasA = 128, kHasB = 256,
              kHasC = 512, kAllFields = 1023;
constexpr std::size_t kLongestText = 256, kLongestRecord = 512;
} // namespace

void EventWriter::number(u64 value) {
    u8 bytes[kLongestVarint];
    bytes_.append(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(putVarint(bytes, value) - bytes));
}

void EventWriter::text(std::string_view text) {
    text = text.substr(0, kLongestText);
    number(text.size());
    bytes_.append(text);
}

void EventWriter::send(bool all) {
    constexpr std::size_t kPiece = 1 << 16;
    if (bytes_.empty() || (!all && bytes_.size() < kPiece))
        return;
    out_(bytes_);
    bytes_.clear();
}

void EventWriter::newNames() {
    for (; tasks_ < names_.tasks(); ++tasks_) {
        const auto& task = names_.taskOf(static_cast<u32>(tasks_));
        bytes_.push_back(static_cast<char>(kTask));
        number(task.pid);
        text(task.comm);
    }
    for (; strings_ < names_.strings(); ++strings_) {
        bytes_.push_back(static_cast<char>(kString));
        text(names_.stringOf(strings_));
    }
}

void EventWriter::event(const TraceEvent& e) {
    newNames();
    bytes_.push_back(static_cast<char>(e.kind));
    number(zigzag(u64{e.line} - last_.line));
    number(zigzag(e.time - last_.time));
    struct Part {
        u64 bit, value, otherwise;
    };
    const Part fields[] = {{kHasLevel, e.level, 0},
                           {kHasFlags, e.flags, 0},
                           {kHasAs, e.asId, 0},
                           {kHasTask, e.task, last_.task},
                           {kHasCpu, e.cpu, last_.cpu},
                           {kHasVcpu, e.vcpu, last_.vcpu},
                           {kHasGfn, e.gfn, 0},
                           {kHasA, e.a, 0},
                           {kHasB, e.b, 0},
                           {kHasC, e.c, 0}};
    u64 has = 0;
    for (const Part& field : fields)
        has |= field.value != field.otherwise ? field.bit : 0;
    number(has);
    for (const Part& field : fields)
        if ((has & field.bit) != 0)
            number(field.value);
    last_ = e;
    send(false);
}

void EventWriter::lost(const TraceLoss& loss) {
    bytes_.push_back(static_cast<char>(kLost));
    number(loss.events);
    number(loss.line);
    number(loss.cpu);
    number(loss.cpusBegin);
}

void EventWriter::finish(const TraceCounts& counts) {
    for (const auto& [name, n] : counts.kinds)
        if (!traceKindFromName(name)) {
            bytes_.push_back(static_cast<char>(kOther));
            number(n);
            text(name);
        }
    bytes_.push_back(static_cast<char>(kEnd));
    for (const u64 n : {counts.lines, counts.skipped, counts.cut, counts.lost})
        number(n);
    send(true);
}

// A record that is not there as a whole leaves `good` false; what was read of it is read again when more has come.
class EventReader::Bytes {
public:
    explicit Bytes(std::string_view bytes) : bytes_(bytes) {}
    bool good = true;
    std::size_t used() const { return at_; }
    u8 byte() {
        if (at_ >= bytes_.size()) {
            good = false;
            return 0;
        }
        return static_cast<u8>(bytes_[at_++]);
    }
    u64 number() {
        u64 value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            const u8 b = byte();
            value |= u64{b & 0x7fu} << shift;
            if ((b & 0x80) == 0)
                return value;
        }
        good = false;
        return 0;
    }
    std::string_view text() {
        const u64 size = number();
        if (!good || size > kLongestText || size > bytes_.size() - at_) {
            good = false;
            return {};
        }
        at_ += size;
        return bytes_.substr(at_ - size, size);
    }

private:
    std::string_view bytes_;
    std::size_t at_ = 0;
};

bool EventReader::feed(std::string_view bytes) {
    // Of a record that was cut in two, the rest; then what is whole.
    pending_.append(bytes);
    std::size_t at = 0;
    bool fine = true;
    while (at < pending_.size() && fine) {
        Bytes record(std::string_view(pending_).substr(at));
        fine = !finished_ && this->record(record);
        if (!record.good) {
            fine = pending_.size() - at < kLongestRecord; // there is more to come
            break;
        }
        at += record.used();
    }
    pending_.erase(0, at);
    return fine;
}

// False: it is none. It has no effect unless all of it is there.
bool EventReader::record(Bytes& bytes) {
    const u8 tag = bytes.byte();
    if (tag < kTraceKinds) {
        TraceEvent e;
        e.kind = static_cast<TraceKind>(tag);
        e.line = static_cast<u32>(last_.line + unzigzag(bytes.number()));
        e.time = last_.time + unzigzag(bytes.number());
        const u64 has = bytes.number();
        const auto get = [&](u64 what, u64 otherwise) { return (has & what) != 0 ? bytes.number() : otherwise; };
        const u64 level = get(kHasLevel, 0), flags = get(kHasFlags, 0), as = get(kHasAs, 0), task = get(kHasTask, last_.task),
                  cpu = get(kHasCpu, last_.cpu), vcpu = get(kHasVcpu, last_.vcpu);
        e.gfn = get(kHasGfn, 0);
        e.a = get(kHasA, 0);
        e.b = get(kHasB, 0);
        e.c = get(kHasC, 0);
        if (!bytes.good)
            return true;
        const bool named = e.kind == TraceKind::Exit || e.kind == TraceKind::UserspaceExit;
        if (has > kAllFields || level > 0xff || flags > 0xff || as > 0xff || task >= tasks_.size() || cpu > 0xffff || vcpu > 0xffff ||
            (named && e.a >= strings_.size()))
            return false;
        e.level = static_cast<u8>(level);
        e.flags = static_cast<u8>(flags);
        e.asId = static_cast<u8>(as);
        e.task = static_cast<u32>(task);
        e.cpu = static_cast<u16>(cpu);
        e.vcpu = static_cast<u16>(vcpu);
        last_ = e;
        e.task = tasks_[e.task];
        if (named)
            e.a = strings_[e.a];
        counts_.count(e.kind);
        sink_.event(e);
        return true;
    }
    switch (tag) {
    case kTask: {
        const u64 pid = bytes.number();
        const std::string_view comm = bytes.text();
        if (!bytes.good)
            return true;
        if (pid > 0xffffffff)
            return false;
        tasks_.push_back(names_.task(comm, static_cast<u32>(pid)));
        return true;
    }
    case kString: {
        const std::string_view text = bytes.text();
        if (bytes.good)
            strings_.push_back(names_.string(text));
        return true;
    }
    case kLost: {
        const u64 events = bytes.number(), line = bytes.number(), cpu = bytes.number(), begin = bytes.number();
        if (bytes.good)
            sink_.lost({.events = events,
                        .line = static_cast<u32>(line),
                        .cpu = static_cast<u16>(std::min<u64>(cpu, TraceLoss::kAny)),
                        .cpusBegin = static_cast<u16>(std::min<u64>(begin, 0xffff))});
        return true;
    }
    case kOther: {
        const u64 n = bytes.number();
        const std::string_view name = bytes.text();
        if (bytes.good)
            counts_.kinds[std::string(name)] += n;
        return true;
    }
    case kEnd: {
        TraceCounts counts;
        for (u64* n : {&counts.lines, &counts.skipped, &counts.cut, &counts.lost})
            *n = bytes.number();
        if (!bytes.good)
            return true;
        counts_.lines = counts.lines;
        counts_.skipped = counts.skipped;
        counts_.cut = counts.cut;
        counts_.lost = counts.lost;
        counts_.allCounted();
        finished_ = true;
        return true;
    }
    default: return false;
    }
}

} // namespace mirrorscope
